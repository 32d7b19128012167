"""Process a batch of one partition: read, publish what changed, write the state, acknowledge. In that order."""

import asyncio
import logging
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from faust.types import EventT

from schemas.errors import ContractError, UnknownSchema
from schemas.values import DeadLetterValue
from streams.event_log.dead_letters import dead_letter, refused
from streams.event_log.event_reader import EventReader
from streams.event_log.raw_record import RawRecord
from streams.worker.faust_patches import abandon, settle
from streams.worker.outputs import OutputEncoder
from streams.worker.partitions import AssignedPartitions, PartitionStateLike
from streams.worker.publisher import OutputPublisher
from streams.worker.tables import StateTable
from streams.worker.watchdog import Watchdog

log: Final = logging.getLogger(__name__)

_YIELD_EVERY: Final = 256


class BatchReader:
    """Processor of batches. A crash at any point repeats the batch, which only repeats outputs."""

    def __init__(
        self,
        partition_states: AssignedPartitions,
        outputs: OutputEncoder,
        publisher: OutputPublisher,
        table: StateTable,
        watchdog: Watchdog,
    ) -> None:
        self._partition_states = partition_states
        self._outputs = outputs
        self._publisher = publisher
        self._table = table
        self._watchdog = watchdog
        self.events: EventReader | None = None
        """Set once the number of partitions is known."""

    async def read(self, event: EventT[Any]) -> None:
        """Process a batch and acknowledge it.

        If its partition is revoked meanwhile, or on any exception, which ends the worker, it is not acknowledged: the
        next owner reads it again.
        """
        partition = event.message.partition
        partition_state = self._partition_states.get(partition)
        if partition_state is None:
            log.warning("partition %d is not assigned: leaving a batch to its owner", partition)
            abandon(event)
            return
        records: Any = event.value
        dead = await self._fill(partition_state, records)
        changes = partition_state.collect()
        self._watchdog.check()
        await self._publisher.publish(self._outputs.messages(changes, dead))
        self._watchdog.check()
        if self._partition_states.get(partition) is partition_state:
            await self._table.write(partition, changes.rows)
        if self._partition_states.get(partition) is partition_state:
            settle(event)
        else:
            log.warning("partition %d was revoked while one of its batches was being processed", partition)
            abandon(event)

    async def _fill(self, partition_state: PartitionStateLike, records: Sequence[RawRecord]) -> list[DeadLetterValue]:
        """Apply the messages of a batch to a partition state; return dead letters for those refused."""
        if self.events is None:
            raise RuntimeError("a batch arrived before the topics were checked")
        events, start = self.events, 0
        dead: dict[int, DeadLetterValue] = {}
        moments = [(events.append_time(record), record.offset) for record in records]
        while start < len(records):
            end = start + partition_state.begin(moments[start:])
            by_key: dict[bytes | None, list[int]] = {}
            for position in range(start, end):
                by_key.setdefault(records[position].key, []).append(position)
            by_service = chain.from_iterable(by_key.values())  # one service at a time, as the partition state prefers
            for count, position in enumerate(by_service, 1):
                record, event = records[position], None
                try:
                    try:
                        event = events.validate(record)
                    except UnknownSchema as unknown:
                        event = await events.learn_and_validate(record, unknown)
                except ContractError as error:
                    dead[position] = dead_letter(record, error)
                refusal = partition_state.take(event, position - start)
                if refusal is not None:
                    dead[position] = dead_letter(record, refused(refusal))
                if count % _YIELD_EVERY == 0:
                    await asyncio.sleep(0)
            partition_state.finish()
            start = end
        return [dead[position] for position in sorted(dead)]
