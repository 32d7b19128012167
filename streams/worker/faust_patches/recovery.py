"""Table recovery: seek before messages flow (H2), and raise errors that Faust drops."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, NamedTuple, cast

from faust.tables.manager import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery, ServiceStopped
from faust.types import TP
from mode.services import WaitArgT
from mode.utils.times import Seconds
from typing_extensions import override


class ChangelogEvent(NamedTuple):
    """A changelog record in the form that Faust's stores expect: an event that is its own message."""

    key: bytes
    value: bytes | None
    partition: int
    offset: int
    tp: TP

    @property
    def message(self) -> "ChangelogEvent":
        """The message of the event: the event itself."""
        return self


class _RecoveryEnd:
    """Replacement for the event that Faust sets when all changelogs are restored.

    Faust sets and clears its event in a different task than the one that waits for it. This one polls the recovery.
    """

    def __init__(self, recovery: "HardenedRecovery") -> None:
        self._recovery = recovery

    async def wait(self) -> bool:
        """Wait until no table needs recovery."""
        while self._recovery.need_recovery():
            self._recovery.progress.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._recovery.progress.wait(), 1.0)
        return True

    def set(self) -> None:
        """Do nothing: the state is polled."""

    def clear(self) -> None:
        """Do nothing: the state is polled."""


class HardenedRecovery(Recovery):
    """Faust's recovery with its last steps in the right order, applying changelogs per fetch instead of per record."""

    @override
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.progress = asyncio.Event()
        self._end = _RecoveryEnd(self)
        super().__init__(*args, **kwargs)

    @property
    @override
    def signal_recovery_end(self) -> asyncio.Event:
        return cast("asyncio.Event", self._end)

    def apply(self, tp: TP, records: Sequence[Any]) -> None:
        """Apply fetched changelog records; drop those of partitions no longer assigned."""
        if tp not in self.active_tps:
            return
        seen: Any = self.active_offsets[tp]
        fresh = [
            ChangelogEvent(record.key, record.value, record.partition, record.offset, tp)
            for record in records
            if seen is None or record.offset > seen
        ]
        if fresh:
            self.tp_to_table[tp].apply_changelog_batch(cast("Any", fresh))
            self.active_offsets[tp] = fresh[-1].offset
        self._active_events_received_at[tp] = monotonic()
        self.progress.set()

    @override
    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """H2: Faust resumes source partitions before it seeks, so messages are read twice or never committed.

        Faust also drops exceptions of a table's recovery callbacks; here they end the worker.
        """
        app = cast("Any", self.app)
        consumer = app.consumer
        self.log.info("Restore complete!")
        await app.on_rebalance_complete.send()
        self._set_recovery_ended()
        await asyncio.gather(
            *(
                table.on_recovery_completed(self.actives_for_table[table], self.standbys_for_table[table])
                for table in self.tables.values()
            )
        )
        if self._rebalanced_since(generation_id):
            return
        if consumer.assignment():
            self.log.info("Seek stream partitions to committed offsets.")
            await self._wait(consumer.perform_seek(), timeout=app.conf.broker_request_timeout)
            if self._rebalanced_since(generation_id):
                return
        # No await from here to resume_flow(): resuming clears the queues, and with them any message that arrived in
        # between.
        consumer.resume_partitions({tp for tp in consumer.assignment() if not self._is_changelog_tp(tp)})
        self.completed.set()
        app.flow_control.resume()
        consumer.resume_flow()
        await app._fetcher.maybe_start()  # noqa: SLF001 - as Faust does here
        self.tables.on_actives_ready()
        if not app.assignor.assigned_standbys():
            self.tables.on_standbys_ready()
        app.on_rebalance_end()
        self.log.info("Worker ready")

    def _rebalanced_since(self, generation_id: int) -> bool:
        current = cast("Any", self.app).consumer_generation_id
        if current != generation_id:
            self.log.warning("Rebalanced again during recovery: generation %s, now %s", generation_id, current)
        return bool(current != generation_id)

    @override
    async def _wait(self, coro: WaitArgT, timeout: Seconds | None = None) -> None:
        """Wait, but not past a new rebalance. Faust takes a timeout for a stop and would hang."""
        signal = self.signal_recovery_start
        result = await self.wait_first(coro, signal, timeout=timeout)  # type: ignore[arg-type]  # mode waits for any event
        if result.stopped:
            if self.should_stop:
                raise ServiceStopped
            raise TimeoutError(f"the broker did not answer within {timeout} s while tables were being recovered")
        if self.signal_recovery_start in cast("list[Any]", result.done):
            raise RebalanceAgain


class HardenedTableManager(TableManager):
    """Faust's table manager with a `HardenedRecovery`."""

    @property
    @override
    def recovery(self) -> Recovery:
        if self._recovery is None:
            self._recovery = HardenedRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    @override
    async def on_start(self) -> None:
        """Start at once. Faust first waits a second for tables to be created; here, all of them exist by then."""
        await self._update_channels()
        await self.recovery.start()
