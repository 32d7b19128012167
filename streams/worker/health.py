"""Health endpoints: /healthz (liveness) and /readyz (readiness, with reasons)."""

import os
from collections.abc import Mapping
from time import monotonic
from typing import Any, Final, Protocol

from aiohttp import web
from mode import Service
from typing_extensions import override

from streams.errors import SetupError

STALLED_AFTER: Final = 300.0
"""Seconds that a batch may take before the worker counts as stuck."""


class WorkerStatus(Protocol):
    """State of a worker, as far as its health depends on it."""

    def why_not_ready(self) -> list[str]:
        """Return the reasons why no batch is being read; empty if the worker is ready."""

    def oldest_batch_at(self) -> float | None:
        """Return when the oldest batch in flight was delivered (monotonic seconds); None without one."""

    def positions(self) -> Mapping[int, int]:
        """Return the next offset to read of every assigned partition."""


def liveness(worker: WorkerStatus, now: float) -> tuple[int, dict[str, Any]]:
    """Return HTTP status and body of /healthz: 503 only for faults that a restart can fix."""
    oldest = worker.oldest_batch_at()
    waiting = 0.0 if oldest is None else now - oldest
    alive = waiting < STALLED_AFTER
    return (200 if alive else 503), {"alive": alive, "oldest_batch_seconds": round(waiting, 3)}


def readiness(worker: WorkerStatus) -> tuple[int, dict[str, Any]]:
    """Return HTTP status and body of /readyz, with the next offset of every assigned partition."""
    reasons = worker.why_not_ready()
    body = {
        "ready": not reasons,
        "why": reasons,
        "next_offsets": {str(key): at for key, at in worker.positions().items()},
    }
    return (503 if reasons else 200), body


class PortError(SetupError):
    """The health server cannot listen on the configured address."""


class HealthServer(Service):
    """HTTP server that starts before everything else, so that a long recovery is visible as such."""

    abstract = False

    def __init__(self, worker: WorkerStatus, host: str, port: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._worker = worker
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The listening port; 0 before the server has started."""
        addresses = self._runner.addresses if self._runner is not None else []
        return int(addresses[0][1]) if addresses else 0

    @override
    async def on_start(self) -> None:
        app = web.Application()
        app.add_routes([web.get("/healthz", self._healthz), web.get("/readyz", self._readyz)])
        self._runner = web.AppRunner(app, access_log=None)
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
        status, body = liveness(self._worker, monotonic())
        return web.json_response(body, status=status)

    async def _readyz(self, _request: web.Request) -> web.Response:
        status, body = readiness(self._worker)
        return web.json_response(body, status=status)
