"""Recovery of tables: set the position back before messages flow (H2), and let no fault pass in silence."""

import asyncio
from typing import Any, cast

from faust.tables.manager import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery, ServiceStopped
from mode.services import WaitArgT
from mode.utils.times import Seconds
from typing_extensions import override


class HardenedRecovery(Recovery):
    """Faust's recovery with its last step in the right order."""

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
