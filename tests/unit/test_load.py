"""Events for benchmarks: as many as asked for, the same every time, in time, and within the contract."""

from schemas.ids import pinned_decoder
from schemas.rules import check_event
from schemas.values import SECOND, Micros
from tests.support.load import encoded_load, load

END: Micros = 1_790_000_000_000_000


def test_there_are_n_in_order_and_the_last_is_at_end() -> None:
    times = [event["occurred_at"] for event in load(500, 7, END)]
    assert times == [END - i * 10 * SECOND for i in reversed(range(500))]


def test_every_event_obeys_the_contract_and_has_its_own_id() -> None:
    events = list(load(3000, 20, END))
    for event in events:
        check_event(event)
    assert len({event["event_id"] for event in events}) == len(events)
    assert len({event["service"] for event in events}) == 20
    assert {"incident_resolved", "rollback_triggered"} <= {event["event_type"] for event in events}


def test_the_bytes_are_the_same_events() -> None:
    decode = pinned_decoder("deploy_event").decode
    encoded = list(encoded_load(100, 3, END, seed=4))
    assert [decode(message.value) for message in encoded] == list(load(100, 3, END, seed=4))
    assert [message.key for message in encoded] == [e["service"].encode() for e in load(100, 3, END, seed=4)]
