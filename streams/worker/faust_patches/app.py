"""The Faust app with all overrides installed, without patching anything outside of the app."""

from dataclasses import dataclass
from typing import Any, ClassVar, cast

import faust
from faust.tables.manager import TableManager
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.transports import ConsumerT, ProducerT, TransportT
from typing_extensions import override

from streams.settings.types import BatchBounds
from streams.worker.faust_patches.consumer import BatchConsumer
from streams.worker.faust_patches.producer import HardenedProducer
from streams.worker.faust_patches.recovery import HardenedTableManager
from streams.worker.faust_patches.version import check_faust_version


@dataclass(frozen=True, slots=True)
class FaustReplacements:
    """The classes that replace Faust's own. A test that demonstrates a fault of Faust restores the original."""

    consumer: type[driver.Consumer] = BatchConsumer
    producer: type[driver.Producer] = HardenedProducer
    tables: type[TableManager] = HardenedTableManager


class HardenedApp(faust.App):
    """A Faust app that reads `batch_topics` in batches within `bounds` and commits only processed messages."""

    hardening: ClassVar[FaustReplacements] = FaustReplacements()

    def __init__(
        self,
        app_id: str,
        *,
        batch_topics: frozenset[str] = frozenset(),
        bounds: BatchBounds | None = None,
        **options: Any,
    ) -> None:
        check_faust_version()
        self.batch_topics = batch_topics
        self.bounds = bounds or BatchBounds()
        super().__init__(app_id, TableManager=self.hardening.tables, **options)

    def start_position(self, tp: TP, committed: int | None, first: int, end: int) -> int:  # noqa: ARG002 - for apps with state
        """Return the offset to start a partition at: the committed one, or the first if there is none."""
        return first if committed is None else committed

    @override
    async def on_stop(self) -> None:
        """Stop everything, even if the last commit fails: Faust would leave the rest running."""
        try:
            await super().on_stop()
        except Exception as error:  # noqa: BLE001 - any error ends the app
            await self.crash(error)

    @override
    def _new_transport(self) -> TransportT:
        return self._hardened(self.conf.broker_consumer)

    @override
    def _new_producer_transport(self) -> TransportT:
        return self._hardened(self.conf.broker_producer)

    def _hardened(self, brokers: Any) -> TransportT:
        bounds, topics, parts = self.bounds, self.batch_topics, self.hardening
        reader = type("Consumer", (parts.consumer,), {"batch_topics": topics, "bounds": bounds})

        class Transport(driver.Transport):
            Consumer = cast("type[ConsumerT]", reader)
            Producer = cast("type[ProducerT]", parts.producer)

        return cast("TransportT", Transport(brokers, cast("Any", self)))
