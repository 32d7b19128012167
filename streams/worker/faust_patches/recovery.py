"""Recovery of tables: set the position back before messages flow (H2), and let no fault pass in silence."""

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
    """A changelog record as the stores of Faust want to see it: an event that is its own message."""

    key: bytes
    value: bytes | None
    partition: int
    offset: int
    tp: TP

    @property
    def message(self) -> "ChangelogEvent":
        """The message of the event."""
        return self


class _RecoveryEnd:
    """Stands in for the event that Faust sets when the tables have all of their changelogs.

    Faust sets and clears one in another task than the one that waits for it. This one looks for itself.
    """

    def __init__(self, recovery: "HardenedRecovery") -> None:
        self._recovery = recovery

    async def wait(self) -> bool:
        """Wait until no table lacks anything."""
        while self._recovery.need_recovery():
            self._recovery.progress.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._recovery.progress.wait(), 1.0)
        return True

    def set(self) -> None:
        """Nothing: it is not told."""

    def clear(self) -> None:
        """Nothing: it is not told."""


class HardenedRecovery(Recovery):
    """Faust's recovery with its last step in the right order. It takes changelogs by the fetch, not by the record."""

    @override
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.progress = asyncio.Event()
        self._end = _RecoveryEnd(self)
        super().__init__(*args, **kwargs)

    @property
    @override
    def signal_recovery_end(self) -> asyncio.Event:
        return cast("asyncio.Event", self._end)

    def take(self, tp: TP, records: Sequence[Any]) -> None:
        """Store what was fetched of a changelog. What is not assigned any more is dropped."""
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
        """H2: Faust lets source partitions flow and then seeks, so messages are read twice or never committed.

        Faust also drops what a table's recovery callbacks raise; here it ends the worker.
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
        # From here to resume_flow() nothing may wait: resuming clears the queues, and a message that came in between
        # would be lost with them.
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
        """Wait, but not past a new rebalance. Faust takes a timeout for a stop, and would sit there for ever."""
        signal = self.signal_recovery_start
        result = await self.wait_first(coro, signal, timeout=timeout)  # type: ignore[arg-type]  # mode waits for any event
        if result.stopped:
            if self.should_stop:
                raise ServiceStopped
            raise TimeoutError(f"the broker did not answer within {timeout} s while tables were being recovered")
        if self.signal_recovery_start in cast("list[Any]", result.done):
            raise RebalanceAgain


class HardenedTableManager(TableManager):
    """Faust's table manager with the recovery above."""

    @property
    @override
    def recovery(self) -> Recovery:
        if self._recovery is None:
            self._recovery = HardenedRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    @override
    async def on_start(self) -> None:
        """Start at once. Faust first waits a second for tables that are yet to be made: here, all are made by then."""
        await self._update_channels()
        await self.recovery.start()
