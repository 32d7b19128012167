"""Section 2, over crashes: state is what the stored rows say, wherever the worker stopped."""

import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.property.asking import SETTINGS
from tests.property.logs import logs, settled
from tests.support.replay import Line, Partition, Records, Topic, everything_of, facts_of

randoms = st.randoms(use_true_random=False)


def whole(lines: Sequence[Line]) -> Topic:
    """The log with the links it bred in it, read without a stop."""
    return settled(lines)


def again(topic: Topic) -> Partition:
    """A fresh reader of the same log."""
    partition = Partition(0, SETTINGS)
    partition.log = list(topic.partitions[0].log)
    return partition


def seen(partition: Partition) -> Records:
    """What one partition has published."""
    published = partition.published
    return Records(published.deployments, published.incidents, published.changes, published.metrics)


def shuffled(chance: random.Random, keys: list[str]) -> list[str]:
    """The rows of a table come back in any order."""
    return chance.sample(keys, len(keys))


class TestRestarts:
    """Any order, any duplication and any replay of the same events ends in the same facts, byte for byte."""

    @given(logs(), randoms)
    def test_stopped_between_batches(self, lines: list[Line], chance: random.Random) -> None:
        topic = whole(lines)
        partition = again(topic)
        while partition.position < len(partition.log):
            partition.read(chance.randint(1, 4))
            partition.collect()
            if chance.random() < 0.5:
                partition.restart(order=lambda keys: shuffled(chance, keys))
        assert everything_of(seen(partition)) == everything_of(Records.of(topic))
        assert not partition.published.dips

    @given(logs(), randoms)
    def test_set_back(self, lines: list[Line], chance: random.Random) -> None:
        topic = whole(lines)
        partition = again(topic)
        setbacks = 4
        while partition.position < len(partition.log):
            partition.read(chance.randint(1, 4))
            partition.collect()
            if setbacks and chance.random() < 0.3:
                setbacks -= 1
                partition.restart(back=chance.randint(0, partition.position))
        assert everything_of(seen(partition)) == everything_of(Records.of(topic))
        assert not partition.published.dips

    @given(logs(), randoms)
    def test_killed_before_the_rows_were_stored(self, lines: list[Line], chance: random.Random) -> None:
        topic = whole(lines)
        partition = again(topic)
        crashes = 4
        while partition.position < len(partition.log):
            before = partition.position
            partition.read(chance.randint(1, 4))
            if crashes and chance.random() < 0.5:
                crashes -= 1
                if chance.random() < 0.5:
                    partition.collect(rows=0)
                partition.restart(back=partition.position - before)
            else:
                partition.collect()
        assert everything_of(seen(partition)) == everything_of(Records.of(topic))
        assert not partition.published.dips

    @given(logs(), randoms)
    def test_killed_while_the_rows_were_stored(self, lines: list[Line], chance: random.Random) -> None:
        topic = whole(lines)
        partition = again(topic)
        crashes = 4
        while partition.position < len(partition.log):
            before = partition.position
            partition.read(chance.randint(1, 4))
            if crashes and chance.random() < 0.5:
                crashes -= 1
                partition.collect(rows=chance.randint(0, 6))
                partition.restart(back=partition.position - before)
            else:
                partition.collect()
        assert everything_of(seen(partition)) == everything_of(Records.of(topic))
        assert not partition.published.dips


class TestRereading:
    """Reading a message again, from however far back, changes nothing."""

    @given(logs(), st.integers(0, 30))
    def test_publishes_and_stores_nothing_new(self, lines: list[Line], back: int) -> None:
        partition = whole(lines).partitions[0]
        stored, shown = dict(partition.stored), facts_of(seen(partition))
        partition.restart(back=back)
        partition.read(len(partition.log))
        partition.collect()
        assert partition.stored == stored
        assert facts_of(seen(partition)) == shown
