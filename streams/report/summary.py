"""Summarise a review in a few sentences: what happened, what changed, which services are outliers. Pure."""

from collections.abc import Iterator
from typing import Final

from streams.report.figures import Share
from streams.report.formatting import count, day, name_of, number, plain, size, span
from streams.report.measures import (
    APART,
    CHANGE_FAILURE_RATE,
    CLEAR,
    LEAD_TIME,
    LONG_LEAD_TIME,
    RESTORE,
    Measure,
    MeasureVerdict,
    enough,
)
from streams.report.review import MeasureComparison, Outlier, Review

_MAX_NAMED: Final = 4
_APART: Final = {
    (APART[0], MeasureVerdict.BETTER): "fails less often",
    (APART[0], MeasureVerdict.WORSE): "fails more often",
    (APART[1], MeasureVerdict.BETTER): "delivers faster",
    (APART[1], MeasureVerdict.WORSE): "delivers slower",
    (APART[2], MeasureVerdict.BETTER): "is restored sooner",
    (APART[2], MeasureVerdict.WORSE): "is restored later",
}


def sentences(review: Review) -> tuple[str, ...]:
    """Return the sentences, each about one thing, with its numbers."""
    if not review.lines or review.log_begins is None:
        return (f"{_nothing(review)}: not enough data for any number.",)
    by_measure = {one.measure: one for one in review.headline}
    texts = [
        _failures(by_measure[CHANGE_FAILURE_RATE]),
        _lead_times(by_measure[LEAD_TIME], by_measure[LONG_LEAD_TIME]),
        _restores(by_measure[RESTORE]),
    ]
    if not review.whole:
        texts.insert(0, f"The log began on {day(review.log_begins)}: all numbers are of the time since.")
    texts += _changes(review)
    texts += _outliers(review)
    return tuple(texts)


def _nothing(review: Review) -> str:
    """Explain why the review includes no service."""
    request = review.question
    if review.log_begins is None:
        return "The log is empty"
    if review.log_begins >= request.pair.now.end:
        return f"The log began on {day(review.log_begins)}, after this period"
    where = plain(" or ".join(request.envs))
    if review.elsewhere:
        return f"Nothing was heard of in {where}, only in {plain(', '.join(review.elsewhere))} (see --env)"
    return f"Nothing was heard of in {where}"


def _failures(one: MeasureComparison) -> str:
    if not isinstance(one.now, Share) or not one.now.n:
        return "No deployment was judged, so there is no change failure rate."
    text = f"{one.now.hits} of {count(one.now.n, 'judged deployment')} failed"
    if not enough(one.measure, one.now):
        return f"{text}: not enough data for a rate."
    return f"{text}: {number('share', one.now.value)}, with a range of {span('share', one.now.interval())}."


def _lead_times(middle: MeasureComparison, long: MeasureComparison) -> str:
    if not middle.now.n:
        return "No change reached 100 % of production, so there is no lead time."
    if not enough(middle.measure, middle.now):
        return f"{count(middle.now.n, 'change')} reached 100 % of production: not enough data for a lead time."
    half = number("length", middle.now.value)
    text = f"Half of the {middle.now.n} changes were in production within {half} of their first commit"
    if not enough(long.measure, long.now):
        return f"{text}."
    return f"{text}, nine in ten within {number('length', long.now.value)}."


def _restores(one: MeasureComparison) -> str:
    if not one.now.n:
        return "No incident was restored."
    took = f"took {number('length', one.now.value)} to restore"
    if one.now.n == 1:
        return f"1 incident {took}: not enough data to say more."
    text = f"{one.now.n} incidents {took} on average"
    return f"{text}." if enough(one.measure, one.now) else f"{text}: not enough data to say more."


def _changes(review: Review) -> Iterator[str]:
    before = review.question.pair.before.name
    if not review.covered:
        yield f"Nothing is compared with {before}: the log does not reach back that far."
        return
    clear = [one for one in review.headline if one.verdict in CLEAR]
    if all(one.verdict is MeasureVerdict.FEW for one in review.headline):
        yield f"There is not enough data to compare any number with {before}."
    elif not clear:
        yield f"No number differs from {before} by more than chance explains."
    for verdict in (MeasureVerdict.WORSE, MeasureVerdict.BETTER):
        named = [f"{_lower(one.measure)} ({_from_to(one)})" for one in clear if one.verdict is verdict]
        if named:
            yield f"Clearly {verdict} than {before}: {', '.join(named)}."


def _lower(measure: Measure) -> str:
    return measure.name[0].lower() + measure.name[1:]


def _from_to(one: MeasureComparison) -> str:
    unit = one.measure.unit
    return f"{number(unit, one.before.value)} to {number(unit, one.now.value)}"


def _outliers(review: Review) -> Iterator[str]:
    if len(review.lines) < 2:  # noqa: PLR2004 - a comparison needs two
        return
    if not review.outlier_comparisons:
        yield "There is not enough data to say whether a service stands apart from the others."
    elif not review.outliers:
        yield "No service stands clearly apart from the others."
    for one in review.outliers[:_MAX_NAMED]:
        yield _apart(one, review)
    if len(review.outliers) > _MAX_NAMED:
        yield f"Listed under Services: {len(review.outliers) - _MAX_NAMED} more that stand clearly apart."


def _apart(one: Outlier, review: Review) -> str:
    own, rest = (f"{number(one.measure.unit, figure.value)}, {size(figure)}" for figure in (one.own, one.rest))
    name = name_of(one.place, review.question.envs)
    return f"{name} {_APART[one.measure, one.verdict]} than the others together ({own}; others {rest})."
