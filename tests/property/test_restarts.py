"""Section 2, over crashes: state is what the stored rows say, wherever the worker stopped."""

import random
from collections.abc import Callable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.property.asking import SETTINGS
from tests.property.logs import logs, settled
from tests.support.log_replay import Line, Partition, Records, Topic, everything_of, facts_of

randoms = st.randoms(use_true_random=False)


def again(topic: Topic) -> Partition:
    """A fresh reader of the same log."""
    partition = Partition(0, SETTINGS)
    partition.log = list(topic.partitions[0].log)
    return partition


def seen(partition: Partition) -> Records:
    """What one partition has published."""
    published = partition.published
    return Records(published.deployments, published.incidents, published.changes, published.metrics)


def survives(lines: Sequence[Line], chance: random.Random, stop: Callable[[Partition, int], None]) -> None:
    """Read a log in pieces, stop at some of them (told where the piece began), and end as if nothing had happened."""
    topic = settled(lines)
    partition = again(topic)
    stops = 4
    while partition.position < len(partition.log):
        before = partition.position
        partition.read(chance.randint(1, 4))
        if stops and chance.random() < 0.5:
            stops -= 1
            stop(partition, before)
        else:
            partition.collect()
    assert everything_of(seen(partition)) == everything_of(Records.of(topic))
    assert not partition.published.dips


class TestRestarts:
    """Any order, any duplication and any replay of the same events ends in the same facts, byte for byte."""

    @given(logs(), randoms)
    def test_stopped_between_batches(self, lines: list[Line], chance: random.Random) -> None:
        def stop(partition: Partition, _: int) -> None:
            partition.collect()
            partition.restart(order=lambda keys: chance.sample(keys, len(keys)))

        survives(lines, chance, stop)

    @given(logs(), randoms)
    def test_set_back(self, lines: list[Line], chance: random.Random) -> None:
        def stop(partition: Partition, _: int) -> None:
            partition.collect()
            partition.restart(back=chance.randint(0, partition.position))

        survives(lines, chance, stop)

    @given(logs(), randoms)
    def test_killed_before_anything_was_published(self, lines: list[Line], chance: random.Random) -> None:
        def stop(partition: Partition, before: int) -> None:
            partition.restart(back=partition.position - before)

        survives(lines, chance, stop)

    @given(logs(), randoms)
    def test_killed_while_the_rows_were_stored(self, lines: list[Line], chance: random.Random) -> None:
        def stop(partition: Partition, before: int) -> None:
            partition.collect(rows=chance.randint(0, 6))
            partition.restart(back=partition.position - before)

        survives(lines, chance, stop)


class TestRereading:
    """Reading a message again, from however far back, changes nothing."""

    @given(logs(), st.integers(0, 30))
    def test_publishes_and_stores_nothing_new(self, lines: list[Line], back: int) -> None:
        partition = settled(lines).partitions[0]
        stored, shown = dict(partition.stored), facts_of(seen(partition))
        partition.restart(back=back)
        partition.read(len(partition.log))
        partition.collect()
        assert partition.stored == stored
        assert facts_of(seen(partition)) == shown


class TestBatches:
    """State after a message is a function of the log up to it, however the messages were fetched."""

    @given(logs())
    def test_service_by_service_as_message_by_message(self, lines: list[Line]) -> None:
        topic = settled(lines)
        at_once, singly = again(topic), again(topic)
        at_once.read(len(at_once.log))
        for offset, line in enumerate(singly.log):
            singly.partition_state.read(line.event, line.append_time, offset)
        for partition in (at_once, singly):
            partition.collect()
        assert at_once.stored == singly.stored
        assert everything_of(seen(at_once)) == everything_of(seen(singly))
