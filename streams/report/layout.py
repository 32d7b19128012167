"""Lay out a review, independent of the output format: sections of sentences and tables, in order."""

from streams.report.bands import YEAR
from streams.report.blocks import ReportDocument, ReportSection, ReportTable, TableCell, TableColumn
from streams.report.figures import LEVEL, STRICT, Estimate, Share
from streams.report.formatting import (
    count,
    day,
    last_day,
    moment,
    name_of,
    number,
    plain,
    setting,
    short_day,
    size,
    span,
    stretch,
)
from streams.report.lists import failures, gates, incidents
from streams.report.measures import (
    CHANGE_FAILURE_RATE,
    LEAD_TIME,
    LONG_LEAD_TIME,
    RESTORE,
    Measure,
    MeasureVerdict,
    enough,
)
from streams.report.review import MeasureComparison, Review, ServiceLine
from streams.report.summary import sentences
from streams.terminal.durations import NO_VALUE


def document(review: Review, refused: int | None = None) -> ReportDocument:
    """Lay out a review. `refused` is the number of refused messages in the log."""
    question = review.question
    now, before = question.pair
    which = f" of {', '.join(map(plain, question.services))}" if question.services else ""
    short = ReportSection("short", "In short", sentences(review), listed=True)
    sections = (
        ReportSection("numbers", "The numbers", (), (_numbers(review),)),
        _trend(review),
        _services(review),
        gates(review),
        failures(review),
        incidents(review),
    )
    return ReportDocument(
        title=f"Delivery review{which}: {', '.join(map(plain, question.envs))}, {now.name}",
        subtitle=f"{stretch(now.begin, now.end)}."
        + f" Compared with {before.name}." * (review.covered and bool(review.lines)),
        sections=(
            short,
            *(sections if review.lines else ()),
            _unknown(review, refused),
        ),
        reading=_reading(review) if review.lines else (),
    )


def _numbers(review: Review) -> ReportTable:
    columns = (
        TableColumn("measure", 24),
        TableColumn("now", 9, right=True),
        TableColumn("95% range", 18, right=True),
        TableColumn("before", 9, right=True),
        TableColumn("change", right=True),
    )
    return ReportTable("The numbers", columns, tuple(comparison(one) for one in review.headline))


def comparison(one: MeasureComparison) -> tuple[TableCell, ...]:
    """Return the cells of a measure: name and DORA level, value, range, previous value, change."""
    measure = one.measure
    current, earlier = value(measure, one.now), value(measure, one.before)
    if one.verdict is MeasureVerdict.UNCOVERED:
        earlier = TableCell(NO_VALUE)
    level = f"DORA {YEAR}: {one.band}" if one.band else ""
    return TableCell(measure.name, level), current, _range(measure, one.now), earlier, change(one)


def value(measure: Measure, figure: Estimate) -> TableCell:
    """Return a value with its sample size. A share of too small a sample is shown as counts only: "1 of 3"."""
    if isinstance(figure, Share) and figure.n and not enough(measure, figure):
        return TableCell(size(figure))
    return TableCell(number(measure.unit, figure.value), size(figure))


def _range(measure: Measure, figure: Estimate) -> TableCell:
    if measure.unit == "rate" and figure.value is None and figure.n:
        return TableCell("not enough data", "log too short")
    if not enough(measure, figure):
        return TableCell("not enough data", f"fewer than {measure.least}" if figure.n else "")
    return TableCell(span(measure.unit, figure.interval()))


def change(one: MeasureComparison) -> TableCell:
    """Return the verdict in words, with its direction."""
    if one.verdict is MeasureVerdict.UNCOVERED:
        return TableCell("not compared", "log too short")
    if one.verdict is MeasureVerdict.FEW:
        return TableCell("not enough data" if enough(one.measure, one.now) else NO_VALUE)
    if one.verdict is MeasureVerdict.SAME:
        return TableCell("no clear change")
    up = (one.now.value or 0) > (one.before.value or 0)
    return TableCell(f"{'higher' if up else 'lower'}: {one.verdict}")


def _trend(review: Review) -> ReportSection:
    columns = (
        TableColumn("week to", 10),
        TableColumn("deployments", 11, right=True),
        TableColumn("failed", 7, right=True),
        TableColumn("rate", 7, right=True),
        TableColumn("lead time p50", 17, right=True),
        TableColumn("restore mean", 17, right=True),
    )
    rows = []
    for week in review.weeks if review.eventful else ():
        rate, lead, restore = (week.figure(one) for one in (CHANGE_FAILURE_RATE, LEAD_TIME, RESTORE))
        numbers = (number("length", one.value) + f" (n {one.n})" for one in (lead, restore))
        share = number("share", rate.value) if enough(CHANGE_FAILURE_RATE, rate) or not rate.n else "few"
        cells = (last_day(week.end), str(week.total.judged), str(week.total.failed), share)
        rows.append(tuple(TableCell(text) for text in (*cells, *numbers)))
    length = len(review.weeks)
    title = "The trend" if not rows else "The last week" if length == 1 else f"The last {length} weeks"
    said = () if rows else ("Not enough data: the log holds less than a whole week.",)
    if review.weeks and not rows:
        said = (f"Not enough data: nothing was deployed and no incident opened in {count(length, 'week')}.",)
    return ReportSection("trend", title, said, (ReportTable("By week", columns, tuple(rows)),) if rows else ())


def _services(review: Review) -> ReportSection:
    envs = review.question.envs
    columns = (
        TableColumn("service"),
        TableColumn("failed", 8, right=True),
        TableColumn("95% range", 15, right=True),
        TableColumn("lead p50", 8, right=True),
        TableColumn("restore", 7, right=True),
        TableColumn("a day", 5, right=True),
        TableColumn("pending", 9, right=True),
    )
    tables = []
    if review.lines:
        rows = tuple(_line(one, name_of(one.place, envs)) for one in review.lines)
        tables.append(ReportTable("Service by service", columns, rows))
    columns_before = (TableColumn("service"), TableColumn("measure", 22), TableColumn("now", 11, right=True))
    if review.outliers:
        rows = tuple(
            (
                TableCell(name_of(one.place, envs)),
                TableCell(one.measure.name),
                TableCell(number(one.measure.unit, one.own.value), size(one.own)),
                TableCell(number(one.measure.unit, one.rest.value), size(one.rest)),
                TableCell(one.verdict),
            )
            for one in review.outliers
        )
        more = (TableColumn("all others", 11, right=True), TableColumn("", 8, right=True))
        tables.append(
            ReportTable("Worst and best: clearly apart from all others together", (*columns_before, *more), rows)
        )
    if review.shifts:
        rows = tuple(
            (TableCell(name_of(place, envs)), TableCell(one.measure.name), *comparison(one)[1:4:2], change(one))
            for place, one in review.shifts
        )
        more = (TableColumn("before", 11, right=True), TableColumn("change", 14, right=True))
        tables.append(ReportTable("What changed: clearly other than before", (*columns_before, *more), rows))
    return ReportSection("services", "Services", _service_sentences(review), tuple(tables))


def _service_sentences(review: Review) -> tuple[str, ...]:
    said = []
    if not review.outliers:
        compared = f"{count(review.outlier_comparisons, 'comparison')} had enough data"
        clearly = f"no service stands clearly apart from the others ({compared})"
        said.append(f"Worst and best: {clearly if review.outlier_comparisons else 'not enough data'}.")
    if not review.covered:
        said.append(f"What changed: not compared, for {_began(review)}.")
    elif not review.shifts:
        clearly = f"no service clearly ({count(review.shift_comparisons, 'comparison')} had enough data)"
        said.append(f"What changed: {clearly if review.shift_comparisons else 'not enough data'}.")
    return tuple(said)


def _began(review: Review) -> str:
    return "the log is empty" if review.log_begins is None else f"the log began on {day(review.log_begins)}"


def _line(one: ServiceLine, name: str) -> tuple[TableCell, ...]:
    state = TableCell(str(one.present.pending), f"{one.present.failing} failing" if one.present.failing else "")
    return (
        TableCell(name, _note(one)),
        value(CHANGE_FAILURE_RATE, one.rate),
        _range(CHANGE_FAILURE_RATE, one.rate),
        TableCell(number("length", one.lead.value), size(one.lead)),
        TableCell(number("length", one.restore.value), size(one.restore)),
        TableCell(number("rate", one.frequency.value)),
        state,
    )


def _note(one: ServiceLine) -> str:
    """Return what the numbers of a row do not show: open incidents, and why there is nothing to count."""
    notes = [count(one.present.open, "open incident")] if one.present.open else []
    if not one.cohort.judged and not one.present.pending:
        known = one.deployed_at is not None
        notes.append(f"last deployed {short_day(one.deployed_at or 0)}" if known else "no deployment known")
    return ", ".join(notes)


def _unknown(review: Review, refused: int | None) -> ReportSection:
    odd, state, total = review.oddities, review.present, review.total
    listed = [
        (
            "Deployments that wait for their verdict",
            state.pending,
            f"{state.failing} of them fail already" if state.failing else "in no rate yet",
        ),
        ("Open incidents", state.open, "no time to restore yet"),
        ("Incidents on no deployment", total.unattributed, f"of {total.incidents}; some may be failures"),
        ("Promotions without a known commit", odd.without_commits, "they gave no lead time"),
        ("Superseded deployments", odd.superseded, "a newer one began before they finished; in no rate"),
        ("Abandoned deployments", odd.abandoned, "left in their canary; in no rate"),
        ("Late failures", odd.late_failures, "after the failure window; in no rate"),
        ("Negative lead times", odd.clock_skew, "clocks are skewed; left out"),
        ("Conflicting events", odd.conflicts, "told twice with different content; one of each was left out"),
        ("Silent services", len(review.silent), ", ".join(_silent(review))),
        ("Refused messages", refused or 0, "in the whole log; deploy_events_dead says why"),
    ]
    said = [f"{what}: {how_many} ({meaning})." for what, how_many, meaning in listed if how_many]
    if not review.covered:
        said.append(f"Nothing is compared with {review.question.pair.before.name}: {_began(review)}.")
    if not said and not review.total.judged and not review.total.incidents:
        said.append("Whether anything was deployed: no deployment and no incident was reported.")
    nothing = "Nothing: all deployments are judged, all incidents are attributed, and no event was odd."
    return ReportSection("unknown", "What is not known", tuple(said) or (nothing,), listed=True)


def _silent(review: Review) -> list[str]:
    return [f"{plain(one.service)} (since {short_day(one.last_event_at)})" for one in review.silent]


def _reading(review: Review) -> tuple[str, ...]:
    settings = review.settings
    window, lateness = setting(settings.failure_window), setting(settings.lateness)
    age = setting(settings.failure_window + settings.lateness)
    judged = " to ".join(moment(at) for at in review.judged_span)
    severities = plain(" or ".join(settings.failing_severities)) or "a failing severity"
    one_in = round(1 / (1 - STRICT))
    rates = (
        f"A deployment failed if it was rolled back, or if an incident of {severities} was put on it, no later than "
        f"{window} after it finished; it is judged {age} after it finished (lateness {lateness}), so the rates are of "
        f"those that finished from {judged} UTC."
    )
    ranges = (
        f"A range holds the number with {LEVEL:.0%} confidence (Wilson's for shares, a score interval for deployments "
        f"a day, a bootstrap for times), and a change is called one only if the {LEVEL:.0%} interval of the difference "
        f"leaves zero out ({STRICT:.0%} for single services, where one comparison in {one_in} still misleads); of "
        f"fewer than {LEAD_TIME.least} (for nine in ten: {LONG_LEAD_TIME.least}) neither is given."
    )
    levels = (
        f"DORA's levels are those of its {YEAR} report, from a survey about single applications: for orientation only, "
        "and none is given where the range lies in more than two of them. "
        "Deployments a day have the level of the middle one of the services deployed in this period or the one before. "
        "n is how many deployments, changes or incidents a number was made from; p50 is the median; few means fewer "
        f"than {CHANGE_FAILURE_RATE.least}; what is pending waits for its verdict."
    )
    return f"{rates} {ranges}", levels
