"""Clock ticks keep the rules of an event and go to every partition."""

from schemas.ids import pinned_decoder
from schemas.rules import check_event
from schemas.values import SECOND
from streams.worker.ticks import tick, tick_messages
from tests.unit.streams.worker.raw_records import APPENDED


def test_a_tick_keeps_the_rules_and_has_one_id_per_partition_and_interval() -> None:
    at = APPENDED
    check_event(tick(0, at, 30 * SECOND))
    same = {tick(0, at + each, 30 * SECOND)["event_id"] for each in (0, 29 * SECOND)}
    assert len(same) == 1
    assert tick(0, at + 30 * SECOND, 30 * SECOND)["event_id"] not in same
    assert tick(1, at, 30 * SECOND)["event_id"] not in same


def test_every_partition_gets_its_tick_by_number() -> None:
    messages = tick_messages("deploy_events", 3, APPENDED, SECOND)
    assert [(each.topic, each.key, each.partition) for each in messages] == [
        ("deploy_events", None, number) for number in range(3)
    ]
    decoded = pinned_decoder("deploy_event").decode(messages[2].value or b"")
    assert decoded == tick(2, APPENDED, SECOND)
