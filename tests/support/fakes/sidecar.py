"""A sidecar without Kafka: its HTTP application behind aiohttp's test client, and its spool in a folder of the test."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from producers.config import ProducerConfig
from producers.delivery.encoder import InstallationEncoder
from producers.sidecar.auth.access import Access, AccessRefused, PeerCertificate, RefusalReason, SessionGrant
from producers.sidecar.http_app import SidecarApp
from producers.sidecar.metrics import SidecarMetrics
from producers.sidecar.name_mapping import MappedNameResolver, NameRules
from producers.sidecar.settings import LimitSettings
from producers.sidecar.spool_writer import SpoolWriter
from producers.spool.message_file import DEAD_LETTERS, SpooledMessage
from producers.spool.spool import Spool, SpoolLimits
from schemas.ids import pinned_decoder
from schemas.values import DeadLetterValue, EventValue

NOW: Final = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
EVENT: Final[dict[str, Any]] = {
    "event_type": "canary_started",
    "occurred_at": "2026-11-23T11:59:00Z",
    "service": "shop",
    "env": "prod",
    "deployment_id": "run-1817",
}
ALERTS: Final[dict[str, Any]] = {
    "version": "4",
    "status": "firing",
    "externalURL": "http://alertmanager.example",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "TooSlow", "service": "shop", "env": "prod", "severity": "critical"},
            "annotations": {},
            "startsAt": "2026-11-23T11:58:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example/graph",
            "fingerprint": "0123456789abcdef",
        }
    ],
}


@dataclass(frozen=True)
class Somebody:
    """A caller who may report for one service, from one repository."""

    name: str = "token shop"

    def bind(self, event: Mapping[str, Any]) -> dict[str, Any]:
        if event.get("service") != "shop":
            raise AccessRefused(RefusalReason.WRONG_SCOPE, "this token may not report for that service")
        return {**event, "source": {"system": "github_actions", "run_id": "7"}}


class Doorman:
    """An `Access` that knows one bearer token and one webhook secret."""

    async def webhook(
        self,
        source: str,
        headers: Mapping[str, str],
        body: bytes,
        now: datetime,
        peer_certificate: PeerCertificate | None = None,
    ) -> None:
        if headers.get("x-secret") != "good":
            raise AccessRefused(RefusalReason.BAD_SIGNATURE, "the signature does not fit")

    async def caller(
        self, headers: Mapping[str, str], peer_certificate: PeerCertificate | None, now: datetime
    ) -> Somebody:
        if headers.get("authorization") == "Bearer later":
            raise AccessRefused(RefusalReason.UNAVAILABLE, "the keys of the issuer cannot be read")
        if headers.get("authorization") != "Bearer good":
            raise AccessRefused(RefusalReason.WRONG_SECRET, "no such token")
        return Somebody()

    async def exchange(self, headers: Mapping[str, str], now: datetime) -> SessionGrant:
        await self.caller(headers, None, now)
        return SessionGrant("session", now)


class Sidecar:
    """What a test talks to."""

    def __init__(
        self,
        folder: Path,
        limits: LimitSettings | None = None,
        spool: SpoolLimits | None = None,
        access: Access | None = None,
        now: Callable[[], datetime] = lambda: NOW,
    ) -> None:
        self.spool = Spool(str(folder), spool)
        self.encoding = InstallationEncoder(ProducerConfig(None))
        self.metrics = SidecarMetrics(self.spool)
        self.news = 0
        self.receiver = SidecarApp(
            access or Doorman(),
            MappedNameResolver(NameRules()),
            self.encoding,
            SpoolWriter(self.spool, 2.0, self._heard, self.metrics.spool_seconds.observe),
            self.metrics,
            limits or LimitSettings(),
            now=now,
        )
        self.client: TestClient[web.Request, web.Application] = TestClient(TestServer(self.receiver.app()))

    async def __aenter__(self) -> Self:
        await self.client.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()
        self.receiver.writer.close()
        self.spool.close()

    def _heard(self) -> None:
        self.news += 1

    async def events(self, body: Any, kind: str = "application/json", **headers: str) -> tuple[int, dict[str, Any]]:
        """Post to /v1/events with good credentials."""
        return await self.post("/v1/events", body, kind, Authorization="Bearer good", **headers)

    async def webhook(self, source: str, body: Any, kind: str = "application/json") -> tuple[int, dict[str, Any]]:
        """Post a webhook with the good secret."""
        return await self.post(f"/v1/webhooks/{source}", body, kind, **{"X-Secret": "good"})

    async def post(self, path: str, body: Any, kind: str, **headers: str) -> tuple[int, dict[str, Any]]:
        """The status and the answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.client.post(path, data=data, headers={"Content-Type": kind, **headers}) as answer:
            return answer.status, await answer.json()

    async def post_stream(self, stream: Any, headers: Mapping[str, str]) -> int:
        """Post a body in pieces, without its length."""
        async with self.client.post("/v1/events", data=stream, headers=headers) as answer:
            return answer.status

    def rejected(self, source: str, reason: str) -> float:
        """How often a request of a source was rejected for a reason."""
        labels = {"source": source, "reason": reason}
        return self.metrics.registry.get_sample_value("delivery_sidecar_rejected_total", labels) or 0.0

    def kept(self) -> list[SpooledMessage]:
        """What is on the disk."""
        return [parcel for parcel in map(self.spool.read, self.spool.entries()) if parcel is not None]

    def kept_events(self) -> list[EventValue]:
        """The events on the disk."""
        decode = pinned_decoder("deploy_event").decode
        return [decode(each.content) for each in self.kept() if each.topic != DEAD_LETTERS]

    def kept_letters(self) -> list[DeadLetterValue]:
        """The dead letters on the disk."""
        decode = pinned_decoder("dead_letter").decode
        return [decode(each.content) for each in self.kept() if each.topic == DEAD_LETTERS]
