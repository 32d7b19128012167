"""What happens after the history: paced for somebody who watches, and never from the future."""

from itertools import islice

from schemas.rules import check_event
from schemas.values import MINUTE, SECOND, Micros
from streams.demo.company import OPEN_INCIDENT
from streams.demo.disturb import Poison
from streams.demo.live import ScheduledEvents, live

START: Micros = 1_790_000_000_000_000


def _first(n: int) -> list[ScheduledEvents]:
    return list(islice(live(7, START), n))


def test_it_is_the_same_for_the_same_seed_and_start() -> None:
    assert _first(200) == _first(200)


def test_it_comes_in_order_and_several_times_a_minute() -> None:
    dues = [due.at for due in _first(600)]
    assert dues == sorted(dues)
    assert START < dues[0] < START + 5 * SECOND
    assert 6 < 600 / ((dues[-1] - START) / MINUTE) < 30


def test_no_event_is_sent_before_it_happened() -> None:
    for due in _first(600):
        if not isinstance(due.item, Poison):
            check_event(due.item)
            assert due.item["occurred_at"] <= due.at


def test_the_incident_left_open_is_resolved_soon() -> None:
    resolved = [
        due.at
        for due in _first(60)
        if not isinstance(due.item, Poison)
        and due.item["event_type"] == "incident_resolved"
        and (due.item["service"], due.item["incident_id"]) == OPEN_INCIDENT
    ]
    assert len(resolved) == 1
    assert resolved[0] < START + MINUTE


def test_there_is_trouble_and_poison_in_it() -> None:
    items = [due.item for due in _first(1200)]
    assert any(isinstance(item, Poison) for item in items)
    told = {item["event_type"] for item in items if not isinstance(item, Poison)}
    assert {"canary_promoted", "rollback_triggered", "incident_opened", "incident_resolved"} <= told
