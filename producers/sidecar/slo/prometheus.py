"""Range queries to Prometheus, or to anything that speaks its HTTP API."""

import json
from collections.abc import Mapping
from typing import Any, Final

import aiohttp

from producers.sidecar.auth.secret import Secret, read_secret
from producers.sidecar.slo.gate import QueryGrid, Release, SloGate, SloRefused, SloUnavailable
from producers.sidecar.slo.settings import SloSettings
from schemas.values import SECOND

_LARGEST: Final = 16 << 20
"""Bytes of an answer."""
_SHOWN: Final = 300
_TRY_AGAIN: Final = frozenset({401, 403, 404, 429})
"""What is the fault of no query: a token, an address, a limit."""
_OK: Final = 200
_SERVER_FAULT: Final = 500


def open_gate(settings: SloSettings, folder: str, release: Release, environ: Mapping[str, str]) -> SloGate:
    """Return the gate that asks the Prometheus of the settings.

    Raises:
        UsageError: the token is not where the settings say.
        SpoolUnusable: the folder cannot be made or written.
    """
    token = None if settings.token is None else read_secret(settings.token, environ)
    client = PrometheusClient(str(settings.prometheus), settings.timeout / SECOND, settings.headers, token)
    return SloGate(settings, folder, release, client.ask, close=client.close)


class PrometheusClient:
    """Asks one Prometheus. It connects with the first question; `close` ends it."""

    def __init__(
        self, url: str, timeout: float, headers: Mapping[str, str] | None = None, token: Secret | None = None
    ) -> None:
        self._url = f"{url.rstrip('/')}/api/v1/query_range"
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._headers = dict(headers or {})
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, query: str, grid: QueryGrid) -> Any:
        """Return the `data` of the answer.

        Raises:
            SloUnavailable: no answer, or one that says nothing of the query.
            SloRefused: Prometheus does not take the query.
        """
        form = {"query": query, "start": repr(grid.begin), "end": repr(grid.end), "step": repr(grid.step)}
        try:
            async with self._open().post(
                self._url, data=form, headers=self._all_headers(), allow_redirects=False
            ) as answer:
                status, body = answer.status, await answer.content.read(_LARGEST + 1)
                while len(body) <= _LARGEST and not answer.content.at_eof():
                    body += await answer.content.read(_LARGEST + 1 - len(body))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SloUnavailable(f"{self._url}: {str(error) or type(error).__name__}") from None
        if len(body) > _LARGEST:
            raise SloRefused(f"the answer has more than {_LARGEST} bytes; let the query give one series a service")
        return self._data(status, body)

    async def close(self) -> None:
        """Let the connection go."""
        if self._session is not None:
            await self._session.close()

    def _data(self, status: int, body: bytes) -> Any:
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if status == _OK and isinstance(answer, dict) and answer.get("status") == "success":
            return answer.get("data")
        if status < _SERVER_FAULT and status not in _TRY_AGAIN and isinstance(answer, dict) and "error" in answer:
            raise SloRefused(str(answer["error"])[:_SHOWN])
        raise SloUnavailable(f"{self._url}: answers {status}")

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        return self._session

    def _all_headers(self) -> dict[str, str]:
        if self._token is None:
            return self._headers
        return {**self._headers, "Authorization": f"Bearer {self._token.reveal().decode()}"}
