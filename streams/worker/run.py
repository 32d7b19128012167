"""Run a worker: as a process of its own, or inside of another program."""

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
"""Collect garbage less often: the state is many small, long-lived objects, and a scan costs a fifth of the speed."""


class PromptWorker(faust.Worker):
    """Ends when everything has stopped, and after `patience` seconds even if something has not.

    Mode waits for another second, in which nobody reads the partitions; and for ever for aiokafka's thread, which dies
    when it is stopped at the moment that its broker goes away. Ended like that a worker is as one that was killed.
    """

    patience = 45.0

    @override
    async def stop(self) -> None:
        end = threading.Timer(self.patience, _give_up, (self.patience,))
        end.daemon = True
        end.start()
        await super().stop()

    @override
    async def _sentinel_task(self) -> None:
        await asyncio.sleep(0)


def _give_up(patience: float) -> None:
    log.critical(
        "not everything has stopped within %g s: the worker ends as it is, with nothing acknowledged", patience
    )
    logging.shutdown()
    os._exit(1)


def run_worker(settings: WorkerSettings, partition_state_factory: PartitionStateFactory = PartitionState) -> NoReturn:
    """Run a worker until SIGTERM or SIGINT, and exit with 0; with another code if it crashed.

    On a signal it finishes the batches in hand, commits and stops. With static membership its partitions stay its own
    until the session timeout, for the worker that takes its place; without it, they go to the others at once.
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
    worker.spinner = None  # it would set the root logger to DEBUG, which costs a fifth of the speed
    worker.execute_from_commandline()


App = TypeVar("App", bound=faust.App)


class AppThread(Generic[App]):
    """An app in a thread and an event loop of its own: `with AppThread(make_app) as running: ...`."""

    def __init__(self, make: Callable[[], App]) -> None:
        self._make = make
        self._thread = threading.Thread(target=self._run, name="candora-worker", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self.app: App | None = None
        self.error: BaseException | None = None
        """What ended it, if it was not `stop`."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._thread.is_alive()

    def stop(self, timeout: float = 30.0) -> None:
        """Let it finish what is in hand and end. Raises what it crashed with, TimeoutError if it does not end."""
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
        except Exception as error:  # noqa: BLE001 - it is raised again in `stop`
            self.error = error

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        app: Any = self._make()
        self.app = app
        starting = asyncio.ensure_future(app.start())
        stopping = asyncio.ensure_future(self._stop.wait())
        crashed = asyncio.ensure_future(app._crashed.wait())  # noqa: SLF001 - mode tells it in no other way
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
    """A worker inside of another program. `app.why_not_ready()` says how far it is."""

    def __init__(
        self, settings: WorkerSettings, partition_state_factory: PartitionStateFactory = PartitionState
    ) -> None:
        super().__init__(lambda: create_app(settings, partition_state_factory))
