"""The consumer: whole batches instead of single messages, and commits along a chain of what was done (H1, H4)."""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol, cast

from aiokafka.errors import ConsumerStoppedError  # type: ignore[import-untyped]
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, EventT, Message
from faust.types.transports import ConsumerT, TPorTopicSet
from mode import ServiceT
from mode.utils.futures import notify
from typing_extensions import override

from streams.settings.types import BatchBounds
from streams.worker.faust_patches.headers import read_headers_with_care
from streams.worker.faust_patches.offset_ledger import OffsetLedger, OffsetRange
from streams.worker.faust_patches.recovery import HardenedRecovery

log: Final = logging.getLogger(__name__)

IN_HAND: Final = 2
"""Batches of one partition that wait for an agent or are being read by it; more are not fetched."""


class MessageBatch(ConsumerMessage):
    """Consecutive messages of one partition as one message of Faust: the last one's offset, all records as its value.

    It is acknowledged by `settle` and by nothing else. Faust acknowledges what it skips, for instance between the
    moment a partition is being revoked and its revocation, and that would commit what nobody has read.
    """

    link: OffsetRange
    chain: OffsetLedger
    settled: bool = False

    @override
    def ack(self, consumer: ConsumerT, n: int = 1) -> bool:
        return super().ack(consumer, n) if self.settled else False


class StartPosition(Protocol):
    """The app, as far as the consumer wants to know."""

    def start_position(self, tp: TP, committed: int | None, first: int, end: int) -> int:
        """Where to begin to read: given the group's offset, and the first and the end of what the broker has."""


def settle(event: EventT[Any]) -> bool:
    """Acknowledge an event whose effects are confirmed. False if its partition was taken away meanwhile."""
    if isinstance(event.message, MessageBatch):
        event.message.settled = True
    return event.ack()


def leave(event: EventT[Any]) -> None:
    """Give up an event without acknowledging it: its partition is another's now, who reads it again."""
    cast("Any", event.app.consumer)._unacked_messages.discard(event.message)  # noqa: SLF001 - only Faust keeps these books


FETCH_WAIT_MS: Final = 50
"""How long a broker may keep a fetch that it has nothing for."""

_BRIEFLY: Final = 0.01


class CarefulThread(driver.AIOKafkaConsumerThread):
    """The thread of Faust's consumer, with a client that reads every message that was said, and no other.

    What a transaction took back was never said. Faust reads it, unless it writes transactions itself.
    """

    @override
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.reached: Mapping[TP, int] = {}
        """Where the last fetch ended: behind its messages, markers of transactions and what these took back."""
        super().__init__(*args, **kwargs)

    @override
    async def _fetch_records(self, consumer: Any, active_partitions: set[TP], *args: Any, **kwargs: Any) -> Any:
        records = await super()._fetch_records(consumer, active_partitions, *args, **kwargs)
        held = consumer._subscription  # noqa: SLF001 - its own `position` waits for one, and what it has is enough
        states = {tp: held.subscription.assignment.state_value(tp) for tp in active_partitions if held.is_assigned(tp)}
        self.reached = {tp: state.position for tp, state in states.items() if state.has_valid_position}
        return records

    @override
    def _create_worker_consumer(self, transport: driver.Transport) -> Any:
        read_headers_with_care()
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - looked at when it starts
        # One fetch is under way per broker: a long wait for partitions that are quiet holds up those that are not.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001 - as above; Faust says 1500
        return consumer


class BatchConsumer(driver.Consumer):
    """Faust's consumer with its books kept per batch.

    `batch_topics` are delivered as one `MessageBatch` per partition and fetch, within `bounds`; of other topics each
    message is a batch of one if it is to be acknowledged, and goes Faust's own way if not (changelogs, the
    leader's topic).
    """

    batch_topics: frozenset[str] = frozenset()
    bounds: BatchBounds = BatchBounds()

    @override
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._chains: dict[TP, OffsetLedger] = {}
        self._rewind: set[TP] = set()
        self._room = asyncio.Event()
        super().__init__(*args, **kwargs)

    @override
    def _new_consumer_thread(self) -> CarefulThread:
        return CarefulThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def chains(self) -> Mapping[TP, OffsetLedger]:
        """The partitions that are being read, and how far."""
        return self._chains

    # --- where to read ------------------------------------------------------------------------------------------------

    @override
    async def perform_seek(self) -> None:
        """Begin every partition anew where the app wants to: at its committed offset, unless it knows better."""
        positions = await self._thread.call_thread(self._seek_all)
        held = self.assignment()
        for tp, position in positions.items():
            if tp not in held:
                continue  # it was taken away while its position was asked for
            self._committed_offset[tp] = position
            self._read_offset[tp] = position
            if self.app.topics.acks_enabled_for(tp.topic):
                self._chains[tp] = OffsetLedger(position)
        self._rewind.clear()

    async def _seek_all(self) -> dict[TP, int]:
        consumer = self._thread._ensure_consumer()  # noqa: SLF001 - Faust has no other way to it
        tps = [tp for tp in self._thread.assignment() if not self._is_changelog_tp(tp)]
        first, end = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        start_position = cast("StartPosition", self.app).start_position
        positions = {tp: start_position(tp, await consumer.committed(tp), first[tp], end[tp]) for tp in tps}
        for tp, position in positions.items():
            consumer.seek(tp, position)
        return positions

    async def _seek_to(self, positions: Mapping[TP, int]) -> None:
        consumer = self._thread._ensure_consumer()  # noqa: SLF001 - Faust has no other way to it
        for tp, position in positions.items():
            if tp in self._thread.assignment():
                consumer.seek(tp, position)

    # --- reading ------------------------------------------------------------------------------------------------------

    @override
    async def _drain_messages(self, fetcher: ServiceT) -> None:
        try:
            while not (self.should_stop or fetcher.should_stop):
                await asyncio.sleep(0)
                if self.flow_active:
                    await self._drain_once()
                else:
                    await self.wait(self.can_resume_flow)  # type: ignore[arg-type]  # mode waits for any event
        except (ConsumerStoppedError, asyncio.CancelledError):
            if not self.app.should_stop:
                raise

    async def _drain_once(self) -> None:
        tps = self._readable()
        if not tps:
            self._room.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._room.wait(), 0.1)
            return
        again = {tp: self._chains[tp].next for tp in self._rewind & tps}
        self._rewind -= tps
        if again:
            await self._thread.call_thread(self._seek_to, again)
        before = dict(self._chains)
        recovery = cast("Any", self.app.tables).recovery
        # While some partitions have their hands full, the quiet ones must not keep them waiting.
        patience = 1.0 if len(tps) == len(self._get_active_partitions()) else _BRIEFLY
        fetched = await self._getmany(active_partitions=tps, timeout=patience)
        for tp, records in (fetched or {}).items():
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            if self.app.topics.acks_enabled_for(tp.topic):
                await self._give_batches(tp, records, before.get(tp))
            elif self._is_changelog_tp(tp) and isinstance(recovery, HardenedRecovery):
                recovery.take(tp, records)
                await asyncio.sleep(0)
            else:
                await self._give_each(tp, records)
        self._pass_over(cast("CarefulThread", self._thread).reached, before)

    def _readable(self) -> set[TP]:
        chains = self._chains
        return {
            tp
            for tp in self._get_active_partitions()
            if (chains[tp].in_hand < IN_HAND if tp in chains else not self.app.topics.acks_enabled_for(tp.topic))
        }

    async def _give_batches(self, tp: TP, records: Sequence[Any], before: OffsetLedger | None) -> None:
        """Hand over what was fetched. Whatever is not, for any reason, is fetched again: there is never a hole.

        Offsets that are missing from the log itself (taken by transactions, deleted by retention) belong to the batch
        behind them.
        """
        chain = self._chains.get(tp)
        if chain is None:
            return
        if records[0].offset > chain.next:
            if chain is not before:  # fetched before the position was set
                self._rewind.add(tp)
                return
            log.warning("the log of %s has no offsets %d to %d", tp, chain.next, records[0].offset - 1)
        for chunk in self._chunks([record for record in records if record.offset >= chain.next], tp):
            batch = self._to_batch(tp, chunk, chain)
            if not await self._hand_over(batch):
                chain.take_back(batch.link)
                self._rewind.add(tp)
                return

    def _pass_over(self, reached: Mapping[TP, int], before: Mapping[TP, OffsetLedger]) -> None:
        """Let the markers of transactions be committed, and what they took back, without waiting for what follows.

        Else a partition that ends with them is behind for ever, for all who compare the group's offset with its end.
        """
        for tp, end in reached.items():
            chain = self._chains.get(tp)
            if chain is not None and chain is before.get(tp) and tp not in self._rewind and end > chain.next:
                chain.pass_over(end)

    def _chunks(self, records: Sequence[Any], tp: TP) -> Iterator[Sequence[Any]]:
        bounds = self.bounds if tp.topic in self.batch_topics else BatchBounds(records=1)
        start = size = 0
        for at, record in enumerate(records):
            length = len(record.key or b"") + len(record.value or b"")
            if at > start and (at - start >= bounds.records or size + length > bounds.size):
                yield records[start:at]
                start, size = at, 0
            size += length
        if records:
            yield records[start:]

    def _to_batch(self, tp: TP, records: Sequence[Any], chain: OffsetLedger) -> MessageBatch:
        last = records[-1]
        batch = MessageBatch(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            last.headers,
            last.key,
            records if tp.topic in self.batch_topics else last.value,  # type: ignore[arg-type]  # raw: not looked at
            last.checksum,
            last.serialized_key_size,
            last.serialized_value_size,
            tp,
            generation_id=self.app.consumer_generation_id,
        )
        batch.chain = chain
        batch.link = chain.add(last.offset + 1)
        return batch

    async def _give_each(self, tp: TP, records: Sequence[Any]) -> None:
        for record in records:
            seen = self._read_offset[tp]
            if seen is None or record.offset >= seen:
                if not await self._hand_over(self._to_message(tp, record)):
                    return
                self._read_offset[tp] = record.offset

    async def _hand_over(self, message: ConsumerMessage) -> bool:
        """Give a message to the streams; False if the flow was suspended before one had it."""
        if not self.flow_active:
            return False
        handing = asyncio.ensure_future(cast("Any", self.callback(message)))
        suspended = asyncio.ensure_future(self.suspend_flow.wait())
        try:
            await asyncio.wait({handing, suspended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            suspended.cancel()
            if not handing.done():
                handing.cancel()
        if not handing.done() or handing.cancelled():
            return False
        handing.result()
        return True

    # --- committing ---------------------------------------------------------------------------------------------------

    @override
    def ack(self, message: Message) -> bool:
        if not isinstance(message, MessageBatch):
            return super().ack(message)
        message.acked = True
        self._unacked_messages.discard(message)
        current = self._chains.get(message.tp) is message.chain
        if current:
            message.link.done = True
            self._n_acked += 1
            self._room.set()
        else:
            log.warning("not acknowledged, its partition was taken away: %r", message)
        notify(self._waiting_for_ack)
        return current

    @override
    def _filter_tps_with_pending_acks(self, topics: TPorTopicSet | None = None) -> Iterator[TP]:
        for tp, chain in self._chains.items():
            if (topics is None or tp in topics or tp.topic in topics) and chain.committable() is not None:
                yield tp

    @override
    def _new_offset(self, tp: TP) -> int | None:
        chain = self._chains.get(tp)
        return None if chain is None else chain.committable()

    @override
    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        """Commit, and believe it only when the broker has it: Faust takes a failed commit for done."""
        before = {tp: self._committed_offset[tp] for tp in offsets}
        done = await super()._commit_offsets(offsets, start_new_transaction)
        if done:
            for tp, offset in offsets.items():
                if tp in self._chains:
                    self._chains[tp].committed(offset)
        else:
            self._committed_offset.update(before)
        return done

    @override
    async def on_stop(self) -> None:
        """Stop. If the last commit fails, Faust leaves the consumer running; here it is stopped all the same."""
        try:
            await super().on_stop()
        except Exception as error:  # noqa: BLE001 - whatever it is, the consumer ends with it
            await self.crash(error)

    @override
    async def wait_empty(self) -> None:
        """Wait until what is in hand is done, and commit it. Faust collects garbage meanwhile, which takes seconds."""
        while self._unacked_messages and not self.should_stop:
            await self.commit()
            if self._unacked_messages:
                await self._wait_for_ack(timeout=1)
                self._clean_unacked_messages()
        await self.commit_and_end_transactions()

    # --- losing partitions --------------------------------------------------------------------------------------------

    @override
    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """H1: first let the app finish what is in hand and commit it, then forget the partitions."""
        await cast("Any", self._on_partitions_revoked(revoked))
        self._forget(revoked)

    def _forget(self, revoked: Iterable[TP]) -> None:
        for tp in revoked:
            self._active_partitions.discard(tp)
            self._paused_partitions.discard(tp)
            self._rewind.discard(tp)
            for book in (self._chains, self._gap, self._acked, self._acked_index):
                cast("dict[TP, Any]", book).pop(tp, None)
            self._read_offset.pop(tp, None)
            self._committed_offset.pop(tp, None)
