"""/healthz: is it alive? /readyz: does it do its work, and if not, why not?"""

import os
from collections.abc import Mapping
from time import monotonic
from typing import Any, Final, Protocol

from aiohttp import web
from mode import Service
from typing_extensions import override

from streams.errors import SetupError

STALLED_AFTER: Final = 300.0
"""Seconds that a batch may take before the worker is taken for stuck."""


class WorkerStatus(Protocol):
    """What the health of a worker is seen from."""

    def why_not_ready(self) -> list[str]:
        """The reasons why no batch is being read; empty if it is."""

    def oldest_batch_at(self) -> float | None:
        """When the batch that has waited longest was handed over (monotonic seconds)."""

    def positions(self) -> Mapping[int, int]:
        """The next offset to read of every partition held."""


def liveness(watched: WorkerStatus, now: float) -> tuple[int, dict[str, Any]]:
    """Return HTTP status and body of /healthz. 503 only for what a restart cures."""
    oldest = watched.oldest_batch_at()
    waiting = 0.0 if oldest is None else now - oldest
    alive = waiting < STALLED_AFTER
    return (200 if alive else 503), {"alive": alive, "oldest_batch_seconds": round(waiting, 3)}


def readiness(watched: WorkerStatus) -> tuple[int, dict[str, Any]]:
    """Return HTTP status and body of /readyz, with the next offset of every partition held."""
    why = watched.why_not_ready()
    body = {"ready": not why, "why": why, "next_offsets": {str(key): at for key, at in watched.positions().items()}}
    return (503 if why else 200), body


class PortError(SetupError):
    """The health server cannot listen where the settings say."""


class HealthServer(Service):
    """A small web server that is up before anything else, so that a long recovery is seen as what it is."""

    abstract = False

    def __init__(self, watched: WorkerStatus, host: str, port: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._watched = watched
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port it listens on; 0 before it does."""
        addresses = self._runner.addresses if self._runner is not None else []
        return int(addresses[0][1]) if addresses else 0

    @override
    async def on_start(self) -> None:
        site = web.Application()
        site.add_routes([web.get("/healthz", self._healthz), web.get("/readyz", self._readyz)])
        self._runner = web.AppRunner(site, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise PortError(
                f"cannot listen on {self._host}:{self._port} (CANDORA_WEB_HOST, CANDORA_WEB_PORT): {reason}"
            ) from error
        self.log.info("health on port %d", self.port)

    @override
    async def on_stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        status, body = liveness(self._watched, monotonic())
        return web.json_response(body, status=status)

    async def _readyz(self, _request: web.Request) -> web.Response:
        status, body = readiness(self._watched)
        return web.json_response(body, status=status)
