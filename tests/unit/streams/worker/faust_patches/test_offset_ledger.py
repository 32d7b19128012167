from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.worker.faust_patches.offset_ledger import OffsetLedger


def test_nothing_read_nothing_to_commit() -> None:
    assert OffsetLedger(5).committable() is None


def test_the_head_holds_everything_behind_it_back() -> None:
    chain = OffsetLedger(5)
    first, second = chain.add(8), chain.add(9)
    second.done = True
    assert chain.committable() is None
    first.done = True
    assert chain.committable() == 9


def test_what_is_committed_is_forgotten_and_the_rest_is_not() -> None:
    chain = OffsetLedger(0)
    links = [chain.add(end) for end in (2, 4, 6)]
    for link in links[:2]:
        link.done = True
    chain.committed(3)
    assert list(chain.links) == links[1:]
    assert chain.committable() == 4


def test_a_failed_commit_may_be_tried_again() -> None:
    chain = OffsetLedger(0)
    chain.add(2).done = True
    assert chain.committable() == chain.committable() == 2


def test_taking_back_makes_the_offsets_next_again() -> None:
    chain = OffsetLedger(3)
    kept = chain.add(5)
    chain.take_back(chain.add(9))
    assert chain.next == 5
    with pytest.raises(RuntimeError, match="offsets 3 to 4"):
        OffsetLedger(3, chain.links.__class__([chain.add(9)])).take_back(kept)


def test_the_oldest_in_hand_is_the_first_that_is_not_done() -> None:
    chain = OffsetLedger(0)
    first, second = chain.add(1), chain.add(2)
    assert chain.oldest_in_hand is first
    first.done = True
    assert (chain.oldest_in_hand, chain.in_hand) == (second, 1)
    second.done = True
    assert chain.oldest_in_hand is None


@given(st.lists(st.integers(1, 5), max_size=12), st.randoms(use_true_random=False))
def test_an_offset_is_never_committed_before_all_below_it_are_done(sizes: list[int], random: Random) -> None:
    chain = OffsetLedger(100)
    links = [chain.add(chain.next + size) for size in sizes]
    order = list(links)
    random.shuffle(order)
    committed = 100
    for link in order:
        link.done = True
        offset = chain.committable()
        if offset is not None:
            assert all(each.done for each in links if each.start < offset)
            chain.committed(offset)
            committed = offset
    assert committed == 100 + sum(sizes)
    assert not chain.links


def test_what_is_passed_over_is_done_with_what_was_given_out_before_it() -> None:
    chain = OffsetLedger(10)
    chain.pass_over(12)
    assert (chain.next, chain.committable()) == (12, 12)
    chain.committed(12)
    link = chain.add(20)
    chain.pass_over(21)
    assert (chain.next, chain.committable()) == (21, None)
    link.done = True
    assert chain.committable() == 21
    chain.committed(20)  # what was committable a moment ago
    assert chain.committable() == 21
    chain.committed(21)
    assert (chain.committable(), list(chain.links)) == (None, [])
