"""What stands in a review and in which order, for every way of showing it: sections of sentences and tables."""

from streams.lengths import NO_VALUE
from streams.report.bands import YEAR
from streams.report.blocks import Cell, Column, Document, Section, Table
from streams.report.figures import LEVEL, STRICT, Figure, Share
from streams.report.lists import failures, gates, incidents
from streams.report.measures import CHANGE_FAILURE_RATE, LEAD_TIME, LONG_LEAD_TIME, RESTORE, Measure, Verdict, enough
from streams.report.review import Comparison, Line, Review
from streams.report.summary import sentences
from streams.report.words import (
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


def document(review: Review, refused: int | None = None) -> Document:
    """Lay a review out; `refused` counts the messages of the log that are no events."""
    question = review.question
    now, before = question.pair
    which = f" of {', '.join(map(plain, question.services))}" if question.services else ""
    short = Section("short", "In short", sentences(review), listed=True)
    told = (
        Section("numbers", "The numbers", (), (_numbers(review),)),
        _trend(review),
        _services(review),
        gates(review),
        failures(review),
        incidents(review),
    )
    return Document(
        title=f"Delivery review{which}: {', '.join(map(plain, question.envs))}, {now.name}",
        subtitle=f"{stretch(now.begin, now.end)}."
        + f" Compared with {before.name}." * (review.covered and bool(review.lines)),
        sections=(
            short,
            *(told if review.lines else ()),
            _unknown(review, refused),
        ),
        reading=_reading(review) if review.lines else (),
    )


def _numbers(review: Review) -> Table:
    columns = (
        Column("measure", 24),
        Column("now", 9, right=True),
        Column("95% range", 18, right=True),
        Column("before", 9, right=True),
        Column("change", right=True),
    )
    return Table("The numbers", columns, tuple(comparison(one) for one in review.headline))


def comparison(one: Comparison) -> tuple[Cell, ...]:
    """A measure with its level, its value, its range, the value before, and the change."""
    measure = one.measure
    said, earlier = value(measure, one.now), value(measure, one.before)
    if one.verdict is Verdict.UNCOVERED:
        earlier = Cell(NO_VALUE)
    level = f"DORA {YEAR}: {one.band}" if one.band else ""
    return Cell(measure.name, level), said, _range(measure, one.now), earlier, change(one)


def value(measure: Measure, figure: Figure) -> Cell:
    """A value and what it was made from; of a few, a share is only that: "1 of 3"."""
    if isinstance(figure, Share) and figure.n and not enough(measure, figure):
        return Cell(size(figure))
    return Cell(number(measure.unit, figure.value), size(figure))


def _range(measure: Measure, figure: Figure) -> Cell:
    if measure.unit == "rate" and figure.value is None and figure.n:
        return Cell("not enough data", "log too short")
    if not enough(measure, figure):
        return Cell("not enough data", f"fewer than {measure.least}" if figure.n else "")
    return Cell(span(measure.unit, figure.interval()))


def change(one: Comparison) -> Cell:
    """The verdict in words, with its direction."""
    if one.verdict is Verdict.UNCOVERED:
        return Cell("not compared", "log too short")
    if one.verdict is Verdict.FEW:
        return Cell("not enough data" if enough(one.measure, one.now) else NO_VALUE)
    if one.verdict is Verdict.SAME:
        return Cell("no clear change")
    up = (one.now.value or 0) > (one.before.value or 0)
    return Cell(f"{'higher' if up else 'lower'}: {one.verdict}")


def _trend(review: Review) -> Section:
    columns = (
        Column("week to", 10),
        Column("deployments", 11, right=True),
        Column("failed", 7, right=True),
        Column("rate", 7, right=True),
        Column("lead time p50", 17, right=True),
        Column("restore mean", 17, right=True),
    )
    rows = []
    for week in review.weeks if review.eventful else ():
        rate, lead, restore = (week.figure(one) for one in (CHANGE_FAILURE_RATE, LEAD_TIME, RESTORE))
        numbers = (number("length", one.value) + f" (n {one.n})" for one in (lead, restore))
        share = number("share", rate.value) if enough(CHANGE_FAILURE_RATE, rate) or not rate.n else "few"
        cells = (last_day(week.end), str(week.total.judged), str(week.total.failed), share)
        rows.append(tuple(Cell(text) for text in (*cells, *numbers)))
    length = len(review.weeks)
    title = "The trend" if not rows else "The last week" if length == 1 else f"The last {length} weeks"
    said = () if rows else ("Not enough data: the log holds less than a whole week.",)
    if review.weeks and not rows:
        said = (f"Not enough data: nothing was deployed and no incident opened in {count(length, 'week')}.",)
    return Section("trend", title, said, (Table("By week", columns, tuple(rows)),) if rows else ())


def _services(review: Review) -> Section:
    envs = review.question.envs
    columns = (
        Column("service"),
        Column("failed", 8, right=True),
        Column("95% range", 15, right=True),
        Column("lead p50", 8, right=True),
        Column("restore", 7, right=True),
        Column("a day", 5, right=True),
        Column("pending", 9, right=True),
    )
    tables = []
    if review.lines:
        rows = tuple(_line(one, name_of(one.place, envs)) for one in review.lines)
        tables.append(Table("Service by service", columns, rows))
    beside = (Column("service"), Column("measure", 22), Column("now", 11, right=True))
    if review.apart:
        rows = tuple(
            (
                Cell(name_of(one.place, envs)),
                Cell(one.measure.name),
                Cell(number(one.measure.unit, one.own.value), size(one.own)),
                Cell(number(one.measure.unit, one.rest.value), size(one.rest)),
                Cell(one.verdict),
            )
            for one in review.apart
        )
        more = (Column("all others", 11, right=True), Column("", 8, right=True))
        tables.append(Table("Worst and best: clearly apart from all others together", (*beside, *more), rows))
    if review.moved:
        rows = tuple(
            (Cell(name_of(place, envs)), Cell(one.measure.name), *comparison(one)[1:4:2], change(one))
            for place, one in review.moved
        )
        more = (Column("before", 11, right=True), Column("change", 14, right=True))
        tables.append(Table("What changed: clearly other than before", (*beside, *more), rows))
    return Section("services", "Services", _said_of_services(review), tuple(tables))


def _said_of_services(review: Review) -> tuple[str, ...]:
    said = []
    if not review.apart:
        compared = f"{count(review.apart_of, 'comparison')} had enough data"
        clearly = f"no service stands clearly apart from the others ({compared})"
        said.append(f"Worst and best: {clearly if review.apart_of else 'not enough data'}.")
    if not review.covered:
        said.append(f"What changed: not compared, for {_began(review)}.")
    elif not review.moved:
        clearly = f"no service clearly ({count(review.moved_of, 'comparison')} had enough data)"
        said.append(f"What changed: {clearly if review.moved_of else 'not enough data'}.")
    return tuple(said)


def _began(review: Review) -> str:
    return "the log is empty" if review.log_begins is None else f"the log began on {day(review.log_begins)}"


def _line(one: Line, name: str) -> tuple[Cell, ...]:
    state = Cell(str(one.present.pending), f"{one.present.failing} failing" if one.present.failing else "")
    return (
        Cell(name, _note(one)),
        value(CHANGE_FAILURE_RATE, one.rate),
        _range(CHANGE_FAILURE_RATE, one.rate),
        Cell(number("length", one.lead.value), size(one.lead)),
        Cell(number("length", one.restore.value), size(one.restore)),
        Cell(number("rate", one.frequency.value)),
        state,
    )


def _note(one: Line) -> str:
    """What a row of numbers would hide: open incidents, and that there was nothing to count."""
    notes = [count(one.present.open, "open incident")] if one.present.open else []
    if not one.cohort.judged and not one.present.pending:
        known = one.deployed_at is not None
        notes.append(f"last deployed {short_day(one.deployed_at or 0)}" if known else "no deployment known")
    return ", ".join(notes)


def _unknown(review: Review, refused: int | None) -> Section:
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
    return Section("unknown", "What is not known", tuple(said) or (nothing,), listed=True)


def _silent(review: Review) -> list[str]:
    return [f"{plain(one.service)} (since {short_day(one.last_event_at)})" for one in review.silent]


def _reading(review: Review) -> tuple[str, ...]:
    settings = review.settings
    window, lateness = setting(settings.failure_window), setting(settings.lateness)
    age = setting(settings.failure_window + settings.lateness)
    judged = " to ".join(moment(at) for at in review.judged_span)
    severities = plain(" or ".join(settings.failing_severities)) or "a failing severity"
    misled = round(1 / (1 - STRICT))
    rates = (
        f"A deployment failed if it was rolled back, or if an incident of {severities} was put on it, no later than "
        f"{window} after it finished; it is judged {age} after it finished (lateness {lateness}), so the rates are of "
        f"those that finished from {judged} UTC."
    )
    ranges = (
        f"A range holds the number with {LEVEL:.0%} confidence (Wilson's for shares, a score interval for deployments "
        f"a day, a bootstrap for times), and a change is called one only if the {LEVEL:.0%} interval of the difference "
        f"leaves zero out ({STRICT:.0%} for single services, where one comparison in {misled} still misleads); of "
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
