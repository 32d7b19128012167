"""The disturbances: nothing is lost, some of everything happens, and each poison is refused for its reason."""

from collections import Counter
from itertools import islice
from random import Random
from typing import get_args

import pytest

from schemas.errors import ContractError, DeadLetterReason
from schemas.ids import pinned_decoder
from schemas.rules import check_event, check_time
from schemas.values import MINUTE, EventValue, Micros
from streams.demo.company import history
from streams.demo.disturb import POISONERS, Poison, Poisoner, disturb

END: Micros = 1_790_000_000_000_000


def _split(seed: int) -> tuple[list[EventValue], list[Poison]]:
    items = list(disturb(history(seed, END), seed))
    return [i for i in items if not isinstance(i, Poison)], [i for i in items if isinstance(i, Poison)]


def test_it_is_the_same_for_the_same_seed() -> None:
    assert list(disturb(history(1, END, 9), 1)) == list(disturb(history(1, END, 9), 1))


def test_every_event_comes_and_some_come_twice() -> None:
    good, _ = _split(1)
    told = Counter(event["event_id"] for event in good)
    assert told.keys() == {event["event_id"] for event in history(1, END)}
    assert set(told.values()) == {1, 2}


def test_events_come_late_but_never_by_more_than_the_spool_holds() -> None:
    good, _ = _split(2)
    place = {event["event_id"]: i for i, event in enumerate(history(2, END))}
    late, newest = [], 0
    for event in good:
        newest = max(newest, place[event["event_id"]])
        late.append(newest - place[event["event_id"]])
    assert 100 < max(late) <= 640
    assert sum(lag > 0 for lag in late) > len(late) / 20


def test_every_reason_for_a_dead_letter_occurs() -> None:
    _, poisons = _split(3)
    # A demo is too young for closed records, and too small for full ones.
    assert {poison.reason for poison in poisons} == set(get_args(DeadLetterReason)) - {"record_closed", "record_full"}


@pytest.mark.parametrize("make", POISONERS, ids=lambda make: make.__name__)
def test_a_reader_refuses_it_for_its_reason(make: Poisoner) -> None:
    poison = make(next(history(1, END)), Random(0))
    assert _refusal(poison) == poison.reason


def _refusal(poison: Poison) -> str | None:
    """Why a reader that follows the contract refuses the message."""
    try:
        event = pinned_decoder("deploy_event").decode(poison.value)
        check_event(event)
        check_time(event, END, 5 * MINUTE)
    except ContractError as error:
        return error.reason
    if event["service"].encode() != poison.key:
        return "wrong_key"
    return "wrong_partition" if poison.misplaced else None


def test_poison_stands_for_no_good_event() -> None:
    good, poisons = _split(1)
    ids = {event["event_id"] for event in good}
    readable = [p for p in poisons if p.reason not in {"undecodable", "unknown_schema"}]
    assert readable
    for poison in islice(readable, 20):
        assert pinned_decoder("deploy_event").decode(poison.value)["event_id"] not in ids
