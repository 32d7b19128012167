"""Events that the contract allows and that once harmed the core, each as small as it could be made."""

from typing import Final

from schemas.ids import pinned_encoder
from schemas.rules import EARLIEST, LATEST, check_event
from schemas.values import DAY, EventValue, Micros
from streams.core.partition_state import PartitionChanges, PartitionState
from streams.core.settings import MetricSettings
from tests.support import events

SETTINGS: Final = MetricSettings()
METRICS: Final = pinned_encoder("delivery_metrics")
LONGEST_SUM: Final = 2**63 - 1
"""The largest number that a record can hold."""


def read(*found: EventValue, at: Micros) -> PartitionChanges:
    """What one partition state says after these events and a tick a week later."""
    partition_state = PartitionState(0, SETTINGS)
    for offset, event in enumerate(found):
        check_event(event)
        partition_state.read(event, at, offset)
    partition_state.read(None, at + 7 * DAY, len(found))
    return partition_state.collect()


def test_lengths_of_thousands_of_years_still_make_a_record() -> None:
    """A producer whose clock stands at 2000 reaches this with eleven thousand changes."""
    count = LONGEST_SUM // (LATEST - EARLIEST) + 1
    incidents = [events.opened(f"i{number}", EARLIEST + 1) for number in range(count)]
    restored = [events.resolved(f"i{number}", LATEST) for number in range(count)]
    changes = read(*incidents, *restored, at=LATEST)
    [metrics] = [one for one in changes.metrics if one["env"] == "prod"]
    assert sum(metrics["counters"]["restore"]["counts"]) == count
    assert METRICS.encode(metrics)


def link(origin: str, incident: str, *, version: int, holds: bool) -> EventValue:
    """What the worker of one service tells another: its incident is put on deployment D."""
    return events.event(
        "cause_linked",
        events.DAY_1,
        env="prod",
        incident_id=incident,
        deployment_id="D",
        incident=events.told(severity="sev1"),
        attributes={"origin": origin, "version": str(version), "holds": "true" if holds else "false"},
    )


def test_incidents_whose_names_only_look_the_same_are_two() -> None:
    """Services and incidents may have slashes in their names: incident c of a/b is not incident b/c of a."""
    changes = read(
        events.promoted("D", events.DAY_1),
        link("a/b", "c", version=1, holds=True),
        link("a", "b/c", version=2, holds=False),
        at=events.DAY_1,
    )
    [deployment] = changes.deployments
    assert [(one["service"], one["incident_id"]) for one in deployment["incidents"]] == [("a/b", "c")]


def test_what_lost_against_an_event_of_a_record_since_closed_stays_lost() -> None:
    """Of two contents of one id the earlier counts, also after the record it was in was closed, and after a restart."""
    partition_state, at = PartitionState(0, SETTINGS), events.DAY_1
    later = at + 4000 * DAY
    partition_state.read(events.stage("tests_passed", "c1", at, id_label="same"), at, 0)
    partition_state.read(events.opened("i", later, id_label="same"), later, 1)
    again = PartitionState(0, SETTINGS)
    again.restore([(key, row) for key, row in partition_state.collect().rows if row is not None])
    first, second = (
        one.services[events.SERVICE].environment("").counters.conflicts for one in (partition_state, again)
    )
    assert (first, second) == (1, 1)
    for one in (partition_state, again):
        assert one.services[events.SERVICE].environment("prod").tally["open"] == 0


def test_what_is_sent_in_a_loop_fills_its_record_and_no_more() -> None:
    partition_state = PartitionState(0, SETTINGS)
    answers = [
        partition_state.read(events.opened("i", events.DAY_1 + number), events.DAY_1 + DAY, number)
        for number in range(1_002)
    ]
    assert answers == [None] * 1_000 + ["record_full"] * 2
