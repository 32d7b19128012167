"""The consumer: delivers batches instead of single messages and commits contiguous offsets only (H1, H4)."""

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
from streams.worker.faust_patches.headers import tolerate_invalid_headers
from streams.worker.faust_patches.offset_ledger import OffsetLedger, OffsetRange
from streams.worker.faust_patches.recovery import HardenedRecovery

log: Final = logging.getLogger(__name__)

MAX_IN_FLIGHT: Final = 2
"""Maximum number of batches per partition that are queued or being processed; more are not fetched."""


class MessageBatch(ConsumerMessage):
    """Consecutive messages of one partition as one Faust message: the last one's offset, all records as value.

    Only `settle` acknowledges it. Faust acknowledges what it skips, for instance while a partition is being revoked,
    and would so commit messages that nobody has processed.
    """

    offsets: OffsetRange
    ledger: OffsetLedger
    settled: bool = False

    @override
    def ack(self, consumer: ConsumerT, n: int = 1) -> bool:
        return super().ack(consumer, n) if self.settled else False


class StartPosition(Protocol):
    """The part of the app that the consumer uses."""

    def start_position(self, tp: TP, committed: int | None, first: int, end: int) -> int:
        """Return the offset to start at, given the committed offset and the partition's first and end offsets."""


def settle(event: EventT[Any]) -> bool:
    """Acknowledge an event whose effects are confirmed. Return False if its partition was revoked meanwhile."""
    if isinstance(event.message, MessageBatch):
        event.message.settled = True
    return event.ack()


def abandon(event: EventT[Any]) -> None:
    """Drop an event without acknowledging it: its partition has a new owner, which reads it again."""
    cast("Any", event.app.consumer)._unacked_messages.discard(event.message)  # noqa: SLF001 - Faust has no public way to drop it


FETCH_WAIT_MS: Final = 50
"""How long a broker may hold a fetch that it has no data for."""

_SHORT_TIMEOUT: Final = 0.01


class LenientConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread with a client that reads every committed message, even with invalid headers.

    Messages of aborted transactions are not read. Faust reads them unless it writes transactions itself.
    """

    @override
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.fetch_positions: Mapping[TP, int] = {}
        """Positions after the last fetch: past its messages, transaction markers and aborted messages."""
        super().__init__(*args, **kwargs)

    @override
    async def _fetch_records(self, consumer: Any, active_partitions: set[TP], *args: Any, **kwargs: Any) -> Any:
        records = await super()._fetch_records(consumer, active_partitions, *args, **kwargs)
        subscription = consumer._subscription  # noqa: SLF001 - `position` would wait for a valid one
        states = {
            tp: subscription.subscription.assignment.state_value(tp)
            for tp in active_partitions
            if subscription.is_assigned(tp)
        }
        self.fetch_positions = {tp: state.position for tp, state in states.items() if state.has_valid_position}
        return records

    @override
    def _create_worker_consumer(self, transport: driver.Transport) -> Any:
        tolerate_invalid_headers()
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - read when the consumer starts
        # There is one fetch per broker at a time: a long wait for idle partitions delays the active ones.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001 - as above; Faust sets 1500
        return consumer


class BatchConsumer(driver.Consumer):
    """Faust's consumer with offsets tracked per batch.

    `batch_topics` are delivered as one `MessageBatch` per partition and fetch, within `bounds`. Of other topics, each
    message is a batch of one if it requires acknowledgement; otherwise Faust delivers it (changelogs, the leader's
    topic).
    """

    batch_topics: frozenset[str] = frozenset()
    bounds: BatchBounds = BatchBounds()

    @override
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._ledgers: dict[TP, OffsetLedger] = {}
        self._rewind: set[TP] = set()
        self._capacity = asyncio.Event()
        super().__init__(*args, **kwargs)

    @override
    def _new_consumer_thread(self) -> LenientConsumerThread:
        return LenientConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def ledgers(self) -> Mapping[TP, OffsetLedger]:
        """The offset ledger of every partition being read."""
        return self._ledgers

    # --- start positions ----------------------------------------------------------------------------------------------

    @override
    async def perform_seek(self) -> None:
        """Seek every partition to the app's start position: by default, its committed offset."""
        positions = await self._thread.call_thread(self._seek_all)
        subscription = self.assignment()
        for tp, position in positions.items():
            if tp not in subscription:
                continue  # revoked while its position was being queried
            self._committed_offset[tp] = position
            self._read_offset[tp] = position
            if self.app.topics.acks_enabled_for(tp.topic):
                self._ledgers[tp] = OffsetLedger(position)
        self._rewind.clear()

    async def _seek_all(self) -> dict[TP, int]:
        consumer = self._thread._ensure_consumer()  # noqa: SLF001 - Faust has no public access
        tps = [tp for tp in self._thread.assignment() if not self._is_changelog_tp(tp)]
        first, end = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        start_position = cast("StartPosition", self.app).start_position
        positions = {tp: start_position(tp, await consumer.committed(tp), first[tp], end[tp]) for tp in tps}
        for tp, position in positions.items():
            consumer.seek(tp, position)
        return positions

    async def _seek_to(self, positions: Mapping[TP, int]) -> None:
        consumer = self._thread._ensure_consumer()  # noqa: SLF001 - Faust has no public access
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
            self._capacity.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._capacity.wait(), 0.1)
            return
        again = {tp: self._ledgers[tp].next for tp in self._rewind & tps}
        self._rewind -= tps
        if again:
            await self._thread.call_thread(self._seek_to, again)
        before = dict(self._ledgers)
        recovery = cast("Any", self.app.tables).recovery
        # While some partitions are at their limit, do not wait long for the idle ones.
        patience = 1.0 if len(tps) == len(self._get_active_partitions()) else _SHORT_TIMEOUT
        fetched = await self._getmany(active_partitions=tps, timeout=patience)
        for tp, records in (fetched or {}).items():
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            if self.app.topics.acks_enabled_for(tp.topic):
                await self._deliver_batches(tp, records, before.get(tp))
            elif self._is_changelog_tp(tp) and isinstance(recovery, HardenedRecovery):
                recovery.apply(tp, records)
                await asyncio.sleep(0)
            else:
                await self._deliver_messages(tp, records)
        self._skip_invisible(cast("LenientConsumerThread", self._thread).fetch_positions, before)

    def _readable(self) -> set[TP]:
        ledgers = self._ledgers
        return {
            tp
            for tp in self._get_active_partitions()
            if (
                ledgers[tp].in_flight < MAX_IN_FLIGHT
                if tp in ledgers
                else not self.app.topics.acks_enabled_for(tp.topic)
            )
        }

    async def _deliver_batches(self, tp: TP, records: Sequence[Any], before: OffsetLedger | None) -> None:
        """Deliver fetched records. Any that are not delivered are fetched again, so there are never gaps.

        Offsets missing from the log itself (transactions, retention) belong to the batch that follows them.
        """
        ledger = self._ledgers.get(tp)
        if ledger is None:
            return
        if records[0].offset > ledger.next:
            if ledger is not before:  # fetched before the position was set
                self._rewind.add(tp)
                return
            log.warning("the log of %s has no offsets %d to %d", tp, ledger.next, records[0].offset - 1)
        for chunk in self._chunks([record for record in records if record.offset >= ledger.next], tp):
            batch = self._to_batch(tp, chunk, ledger)
            if not await self._deliver(batch):
                ledger.retract(batch.offsets)
                self._rewind.add(tp)
                return

    def _skip_invisible(self, fetch_positions: Mapping[TP, int], before: Mapping[TP, OffsetLedger]) -> None:
        """Commit past transaction markers and aborted messages without waiting for a message after them.

        Otherwise a partition that ends with them shows a lag forever.
        """
        for tp, end in fetch_positions.items():
            ledger = self._ledgers.get(tp)
            if ledger is not None and ledger is before.get(tp) and tp not in self._rewind and end > ledger.next:
                ledger.skip_to(end)

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

    def _to_batch(self, tp: TP, records: Sequence[Any], ledger: OffsetLedger) -> MessageBatch:
        last = records[-1]
        batch = MessageBatch(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            last.headers,
            last.key,
            records if tp.topic in self.batch_topics else last.value,  # type: ignore[arg-type]  # raw: passed through
            last.checksum,
            last.serialized_key_size,
            last.serialized_value_size,
            tp,
            generation_id=self.app.consumer_generation_id,
        )
        batch.ledger = ledger
        batch.offsets = ledger.add(last.offset + 1)
        return batch

    async def _deliver_messages(self, tp: TP, records: Sequence[Any]) -> None:
        for record in records:
            seen = self._read_offset[tp]
            if seen is None or record.offset >= seen:
                if not await self._deliver(self._to_message(tp, record)):
                    return
                self._read_offset[tp] = record.offset

    async def _deliver(self, message: ConsumerMessage) -> bool:
        """Pass a message to the streams; return False if the flow was suspended before it was delivered."""
        if not self.flow_active:
            return False
        delivery = asyncio.ensure_future(cast("Any", self.callback(message)))
        suspended = asyncio.ensure_future(self.suspend_flow.wait())
        try:
            await asyncio.wait({delivery, suspended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            suspended.cancel()
            if not delivery.done():
                delivery.cancel()
        if not delivery.done() or delivery.cancelled():
            return False
        delivery.result()
        return True

    # --- committing ---------------------------------------------------------------------------------------------------

    @override
    def ack(self, message: Message) -> bool:
        if not isinstance(message, MessageBatch):
            return super().ack(message)
        message.acked = True
        self._unacked_messages.discard(message)
        current = self._ledgers.get(message.tp) is message.ledger
        if current:
            message.offsets.done = True
            self._n_acked += 1
            self._capacity.set()
        else:
            log.warning("not acknowledged, its partition was revoked: %r", message)
        notify(self._waiting_for_ack)
        return current

    @override
    def _filter_tps_with_pending_acks(self, topics: TPorTopicSet | None = None) -> Iterator[TP]:
        for tp, ledger in self._ledgers.items():
            if (topics is None or tp in topics or tp.topic in topics) and ledger.committable() is not None:
                yield tp

    @override
    def _new_offset(self, tp: TP) -> int | None:
        ledger = self._ledgers.get(tp)
        return None if ledger is None else ledger.committable()

    @override
    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        """Commit, and update the ledgers only on success: Faust takes a failed commit for done."""
        before = {tp: self._committed_offset[tp] for tp in offsets}
        done = await super()._commit_offsets(offsets, start_new_transaction)
        if done:
            for tp, offset in offsets.items():
                if tp in self._ledgers:
                    self._ledgers[tp].committed(offset)
        else:
            self._committed_offset.update(before)
        return done

    @override
    async def on_stop(self) -> None:
        """Stop, even if the last commit fails: Faust would leave the consumer running."""
        try:
            await super().on_stop()
        except Exception as error:  # noqa: BLE001 - any error ends the consumer
            await self.crash(error)

    @override
    async def wait_empty(self) -> None:
        """Wait for the batches in flight and commit them, without Faust's garbage collection, which takes seconds."""
        while self._unacked_messages and not self.should_stop:
            await self.commit()
            if self._unacked_messages:
                await self._wait_for_ack(timeout=1)
                self._clean_unacked_messages()
        await self.commit_and_end_transactions()

    # --- revocation ---------------------------------------------------------------------------------------------------

    @override
    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """H1: let the app finish and commit what is in flight before forgetting the partitions."""
        await cast("Any", self._on_partitions_revoked(revoked))
        self._forget(revoked)

    def _forget(self, revoked: Iterable[TP]) -> None:
        for tp in revoked:
            self._active_partitions.discard(tp)
            self._paused_partitions.discard(tp)
            self._rewind.discard(tp)
            for mapping in (self._ledgers, self._gap, self._acked, self._acked_index):
                cast("dict[TP, Any]", mapping).pop(tp, None)
            self._read_offset.pop(tp, None)
            self._committed_offset.pop(tp, None)
