"""`incident_resolution_seconds`: one sample per incident, stamped with the end of its last period.

Traps of the research, each with a test here: a held gauge is weighted by the time to the next incident; two stamped
samples of one series in one response were never promised; a sample shown for ever makes Prometheus warn for ever; a
sample older than its out-of-order window is refused; a second value for one timestamp is dropped.
"""

import random

from hypothesis import given
from hypothesis import strategies as st

from schemas.values import DAY, HOUR, MINUTE, SECOND, IncidentRecordValue, Micros
from streams.exporter.incident_samples import LAST_SAMPLE_SHOWN_FOR, SampleLabels, SampleQueue, StampedSample
from tests.support.builders.scrapes import LINE, STAMPED
from tests.support.builders.snapshots import NOON, incident, incident_key

HOLD = MINUTE
NOW = NOON + 10 * MINUTE


def offer(queue: SampleQueue, value: IncidentRecordValue, now: Micros = NOW) -> bool:
    return queue.offer(incident_key(value), value, now)


def queue_of(*values: IncidentRecordValue) -> SampleQueue:
    queue = SampleQueue(max_age=31 * DAY, min_exposure=HOLD)
    for value in values:
        assert offer(queue, value)
    return queue


def show(queue: SampleQueue, now: Micros, scraper: str = "a") -> dict[SampleLabels, StampedSample]:
    """One scrape, answered."""
    shown = queue.current(now)
    queue.acknowledge(scraper, shown, now)
    return shown


def test_a_sample_carries_the_end_in_milliseconds_and_the_length_in_seconds() -> None:
    assert show(queue_of(incident()), NOW) == {LINE: STAMPED}


def test_without_severity_the_label_says_unknown() -> None:
    assert list(show(queue_of(incident(severity=None)), NOW)) == [SampleLabels("api", "prod", "unknown")]


def test_one_series_shows_one_sample_at_a_time_the_oldest_first() -> None:
    queue = queue_of(incident("late"), incident("early", ended_at=NOON - HOUR))
    assert [each.incident for each in show(queue, NOW).values()] == ["api/early"]
    assert len(queue) == 1


def test_different_series_do_not_wait_for_each_other() -> None:
    queue = queue_of(incident("a"), incident("b", severity="sev2"), incident("c", service="web"))
    assert {each.incident for each in show(queue, NOW).values()} == {"api/a", "api/b", "web/c"}


def test_a_sample_stays_for_two_scrapes_of_one_scraper_and_two_intervals() -> None:
    queue = queue_of(incident("one"), incident("two", ended_at=NOON + SECOND))
    one = [NOW, NOW + 30 * SECOND, NOW + 59 * SECOND]
    assert {each.incident for now in one for each in show(queue, now).values()} == {"api/one"}
    assert show(queue, NOW + HOLD)[LINE].incident == "api/two"


def test_two_scrapers_once_each_are_not_two_scrapes_of_one() -> None:
    queue = queue_of(incident("one"), incident("two", ended_at=NOON + SECOND))
    show(queue, NOW, "a")
    show(queue, NOW + SECOND, "b")
    assert show(queue, NOW + HOLD, "b")[LINE].incident == "api/one"
    assert show(queue, NOW + HOLD + SECOND, "a")[LINE].incident == "api/two"


def test_nothing_moves_on_while_nobody_asks() -> None:
    queue = queue_of(incident("one"), incident("two", ended_at=NOON + SECOND))
    show(queue, NOW)
    assert show(queue, NOW + DAY)[LINE].incident == "api/one"
    assert show(queue, NOW + DAY + SECOND)[LINE].incident == "api/two"


def test_an_answer_that_was_not_sent_does_not_count() -> None:
    queue = queue_of(incident("one"), incident("two", ended_at=NOON + SECOND))
    for seconds in range(300):
        assert queue.current(NOW + seconds * SECOND)[LINE].incident == "api/one"


def test_the_newest_stays_for_fifteen_minutes_and_then_nothing() -> None:
    queue = queue_of(incident())
    last = NOW + LAST_SAMPLE_SHOWN_FOR - SECOND
    assert all(show(queue, now) for now in range(NOW, last + 1, 30 * SECOND))
    assert show(queue, last)
    assert show(queue, NOW + LAST_SAMPLE_SHOWN_FOR) == {}
    assert show(queue, NOW + DAY) == {}


def test_a_repeated_record_is_not_a_second_sample() -> None:
    queue = queue_of(incident())
    assert not offer(queue, incident())
    assert len(queue) == 1


REOPENED = incident(ended_at=NOON + 5 * MINUTE, length=HOUR, revisions=1)


def test_a_revision_is_no_second_sample() -> None:
    """What Prometheus has stored cannot be taken back: a reopened incident would count twice in the mean."""
    assert not offer(queue_of(incident()), REOPENED)


def test_one_found_revised_at_the_start_was_shown_before() -> None:
    queue = SampleQueue(31 * DAY, HOLD)
    assert not queue.offer("api/inc-1", REOPENED, NOW, restoring=True)
    assert not offer(queue, incident(ended_at=NOON + 6 * MINUTE, length=HOUR, revisions=2))
    assert queue.offer("api/inc-2", incident("inc-2"), NOW, restoring=True)


def test_one_revised_before_it_was_ever_published_is_shown_as_it_is() -> None:
    """A worker that catches up observes and revises in one batch."""
    assert show(queue_of(REOPENED), NOW)[LINE].seconds == 3600.0


def test_what_is_no_observation_gives_no_sample() -> None:
    queue = SampleQueue(max_age=31 * DAY, min_exposure=HOLD)
    assert not offer(queue, incident("open", ended_at=None, length=None, observed=False))
    assert not offer(queue, incident("withdrawn", ended_at=None, length=None, observed=True))
    assert not offer(queue, incident("too early", observed=False))
    assert not offer(queue, incident("drill", lane="rehearsal"))
    assert not offer(queue, incident("probe", lane="synthetic"))
    assert not offer(queue, incident("nowhere", env=None))
    assert queue.current(NOW) == {}


def test_incidents_older_than_prometheus_accepts_are_left_out() -> None:
    queue = SampleQueue(max_age=31 * DAY, min_exposure=HOLD)
    assert not offer(queue, incident("old", ended_at=NOW - 31 * DAY))
    assert offer(queue, incident("just in reach", ended_at=NOW - 31 * DAY + SECOND))


def test_one_that_grew_too_old_while_it_waited_is_passed_over() -> None:
    queue = queue_of(incident("old"), incident("new", ended_at=NOON + DAY))
    assert show(queue, NOON + 31 * DAY)[LINE].incident == "api/new"
    assert show(SampleQueue(DAY, HOLD), NOW) == {}


def test_an_end_ahead_of_our_clock_waits() -> None:
    queue = queue_of(incident(ended_at=NOW + MINUTE))
    assert show(queue, NOW) == {}
    assert show(queue, NOW + MINUTE)[LINE].incident == "api/inc-1"


def test_two_incidents_that_end_in_one_millisecond_get_two_timestamps() -> None:
    queue = queue_of(incident("a"), incident("b", length=HOUR))
    first = show(queue, NOW)[LINE]
    show(queue, NOW + HOLD)
    second = show(queue, NOW + HOLD + SECOND)[LINE]
    assert second.at - first.at == 1
    assert {first.seconds, second.seconds} == {2400.0, 3600.0}


def test_what_is_out_of_reach_is_forgotten() -> None:
    """Memory follows the reach, not history."""
    queue = SampleQueue(max_age=DAY, min_exposure=HOLD)
    for number in range(5000):
        offer(queue, incident(f"inc-{number}", ended_at=NOON + number * HOUR), NOON + number * HOUR)
    assert len(queue._seen) <= 1024
    assert len(queue._used_timestamps) == len(queue._seen)


@given(ends=st.lists(st.integers(0, 30 * DAY // SECOND), min_size=1, max_size=12), seed=st.integers())
def test_every_incident_is_shown_to_everyone_and_the_mean_is_exact(ends: list[int], seed: int) -> None:
    """Two scrapers at one interval: both see every incident, once per timestamp, so any mean over time is exact."""
    values = [incident(f"inc-{n}", ended_at=NOON - end * SECOND, length=(n + 1) * SECOND) for n, end in enumerate(ends)]
    random.Random(seed).shuffle(values)
    queue = queue_of(*values)
    stored: dict[str, dict[int, float]] = {"a": {}, "b": {}}
    for step in range(6 * len(values)):
        for scraper, lag in (("a", 0), ("b", 7 * SECOND)):
            now = NOW + step * HOLD // 2 + lag
            for sample in show(queue, now, scraper).values():
                stored[scraper].setdefault(sample.at, sample.seconds)
    expected = sorted((n + 1) * 1.0 for n in range(len(values)))
    assert sorted(stored["a"].values()) == expected
    assert sorted(stored["b"].values()) == expected
