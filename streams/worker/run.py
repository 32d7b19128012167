"""Run a worker: as its own process, or in a thread of another program."""

import asyncio
import gc
import logging
import os
import threading
from collections.abc import Callable
from typing import Any, Final, Generic, NoReturn, Self, TypeVar

import faust
from typing_extensions import override

from schemas.values import SECOND
from streams.core.partition_state import PartitionState
from streams.settings.installation import WorkerSettings
from streams.terminal.version import describe
from streams.worker.app import WorkerApp, create_app
from streams.worker.credentials import SecurityError
from streams.worker.faust_patches import WrongFaustError
from streams.worker.logs import configure_logging
from streams.worker.partitions import PartitionStateFactory

log: Final = logging.getLogger(__name__)

USAGE: Final = 2
"""Exit code for settings that cannot work."""

GC_THRESHOLDS: Final = (1_000_000, 20, 100)
"""Fewer garbage collections: scanning the many small, long-lived objects of the state costs 20 % of throughput."""


class PromptWorker(faust.Worker):
    """A Faust worker that exits as soon as everything has stopped, and after `patience` seconds at the latest.

    Mode waits for another second, in which nobody reads the partitions; and forever for aiokafka's thread, which dies
    if it is stopped at the moment that its broker goes away. A forced exit is as safe as being killed.
    """

    patience = 45.0

    @override
    async def stop(self) -> None:
        end = threading.Timer(self.patience, _force_exit, (self.patience,))
        end.daemon = True
        end.start()
        await super().stop()

    @override
    async def _sentinel_task(self) -> None:
        await asyncio.sleep(0)


def _force_exit(patience: float) -> None:
    log.critical(
        "the worker has not stopped within %g s and exits now; unfinished batches are not acknowledged", patience
    )
    logging.shutdown()
    os._exit(1)


def run_worker(settings: WorkerSettings, partition_state_factory: PartitionStateFactory = PartitionState) -> NoReturn:
    """Run a worker until SIGTERM or SIGINT, and exit with 0; with another code if it crashed.

    On a signal it finishes the batches in flight, commits and stops. With static membership its partitions stay
    reserved until the session timeout, for its replacement; without, they are reassigned at once.
    """
    configure_logging(settings.log_format)
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        app = create_app(settings, partition_state_factory)
    except (SecurityError, WrongFaustError) as error:
        log.critical("%s", error)
        raise SystemExit(USAGE) from None
    log.info("%s", describe())
    worker = PromptWorker(app, loglevel="info", quiet=True, override_logging=False, redirect_stdouts=False)
    worker.patience = settings.session_timeout / SECOND
    worker.spinner = None  # it would set the root logger to DEBUG, which costs 20 % of throughput
    worker.execute_from_commandline()


App = TypeVar("App", bound=faust.App)


class AppThread(Generic[App]):
    """An app in its own thread and event loop: `with AppThread(factory) as running: ...`."""

    def __init__(self, factory: Callable[[], App]) -> None:
        self._factory = factory
        self._thread = threading.Thread(target=self._run, name="candora-worker", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self.app: App | None = None
        self.error: BaseException | None = None
        """The exception that ended the app, if any."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the thread and return at once."""
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether the thread is alive."""
        return self._thread.is_alive()

    def stop(self, timeout: float = 30.0) -> None:
        """Stop gracefully. Raises the exception the app crashed with, or TimeoutError if it does not stop."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(f"the worker has not stopped within {timeout:g} s")
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001 - raised again in `stop`
            self.error = error

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        app: Any = self._factory()
        self.app = app
        starting = asyncio.ensure_future(app.start())
        stopping = asyncio.ensure_future(self._stop.wait())
        crashed = asyncio.ensure_future(app._crashed.wait())  # noqa: SLF001 - mode has no public way to wait for a crash
        try:
            await asyncio.wait({stopping, crashed, starting}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await asyncio.wait({stopping, crashed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await app.stop()
            for task in (starting, stopping, crashed):
                task.cancel()
        if app.crash_reason is not None:
            raise app.crash_reason


class WorkerThread(AppThread[WorkerApp]):
    """A worker in a thread of another program. `app.why_not_ready()` tells its progress."""

    def __init__(
        self, settings: WorkerSettings, partition_state_factory: PartitionStateFactory = PartitionState
    ) -> None:
        super().__init__(lambda: create_app(settings, partition_state_factory))
