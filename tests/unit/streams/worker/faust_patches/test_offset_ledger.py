from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.worker.faust_patches.offset_ledger import OffsetLedger


def test_nothing_read_nothing_to_commit() -> None:
    assert OffsetLedger(5).committable() is None


def test_the_head_holds_everything_behind_it_back() -> None:
    ledger = OffsetLedger(5)
    first, second = ledger.add(8), ledger.add(9)
    second.done = True
    assert ledger.committable() is None
    first.done = True
    assert ledger.committable() == 9


def test_what_is_committed_is_forgotten_and_the_rest_is_not() -> None:
    ledger = OffsetLedger(0)
    ranges = [ledger.add(end) for end in (2, 4, 6)]
    for offsets in ranges[:2]:
        offsets.done = True
    ledger.committed(3)
    assert list(ledger.links) == ranges[1:]
    assert ledger.committable() == 4


def test_a_failed_commit_may_be_tried_again() -> None:
    ledger = OffsetLedger(0)
    ledger.add(2).done = True
    assert ledger.committable() == ledger.committable() == 2


def test_taking_back_makes_the_offsets_next_again() -> None:
    ledger = OffsetLedger(3)
    kept = ledger.add(5)
    ledger.retract(ledger.add(9))
    assert ledger.next == 5
    with pytest.raises(RuntimeError, match="offsets 3 to 4"):
        OffsetLedger(3, ledger.links.__class__([ledger.add(9)])).retract(kept)


def test_the_oldest_in_hand_is_the_first_that_is_not_done() -> None:
    ledger = OffsetLedger(0)
    first, second = ledger.add(1), ledger.add(2)
    assert ledger.oldest_in_flight is first
    first.done = True
    assert (ledger.oldest_in_flight, ledger.in_flight) == (second, 1)
    second.done = True
    assert ledger.oldest_in_flight is None


@given(st.lists(st.integers(1, 5), max_size=12), st.randoms(use_true_random=False))
def test_an_offset_is_never_committed_before_all_below_it_are_done(sizes: list[int], random: Random) -> None:
    ledger = OffsetLedger(100)
    ranges = [ledger.add(ledger.next + size) for size in sizes]
    order = list(ranges)
    random.shuffle(order)
    committed = 100
    for offsets in order:
        offsets.done = True
        offset = ledger.committable()
        if offset is not None:
            assert all(each.done for each in ranges if each.start < offset)
            ledger.committed(offset)
            committed = offset
    assert committed == 100 + sum(sizes)
    assert not ledger.links


def test_what_is_passed_over_is_done_with_what_was_given_out_before_it() -> None:
    ledger = OffsetLedger(10)
    ledger.skip_to(12)
    assert (ledger.next, ledger.committable()) == (12, 12)
    ledger.committed(12)
    offsets = ledger.add(20)
    ledger.skip_to(21)
    assert (ledger.next, ledger.committable()) == (21, None)
    offsets.done = True
    assert ledger.committable() == 21
    ledger.committed(20)  # what was committable a moment ago
    assert ledger.committable() == 21
    ledger.committed(21)
    assert (ledger.committable(), list(ledger.links)) == (None, [])
