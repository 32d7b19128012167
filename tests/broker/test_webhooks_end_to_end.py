"""Every source, as it signs, through the sidecar and a real broker: the events that are written down, and no others."""

import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from producers.sidecar.webhook_mapper import MappedDelivery
from producers.sidecar.webhooks.sources import SOURCES
from schemas.events import DeployEvent
from schemas.ids import pinned_decoder
from tests.support.deliveries import WEBHOOKS, become, headers, names_of, plain
from tests.support.senders import SENDERS, Headers, Sender, bearer, standard
from tests.support.servers.installation import Installation
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes
from tests.support.servers.sidecar import Sidecar

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def numbered(secret: str, body: bytes, now: datetime) -> Headers:
    """As incident.io sends it, each body under an id of its own."""
    return standard(secret, body, now, "svix", hashlib.sha256(body).hexdigest())


BY_SOURCE: Final[Mapping[str, Sender]] = {
    "cdevents": Sender("cdevents", {"scheme": "bearer"}, bearer, "authorization"),
    **{sender.source: sender for sender in SENDERS.values()},
    "incident_io": SENDERS["incident.io"]._replace(send=numbered),
}
ACCEPTED: Final = {200, 202}


def test_each_delivery_comes_to_what_is_written_down(
    kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path
) -> None:
    installation = Installation(kafka, unique, processes, tmp_path).create_topics()
    sidecar = Sidecar(
        processes, kafka, unique, tmp_path, auth={"webhooks": secrets(tmp_path)}, names={"envs": {"production": "prod"}}
    )
    sent = list(deliveries())
    for source, name in sent:
        assert post(sidecar, source, name) in ACCEPTED, f"{source} {name}"
        assert post(sidecar, source, name, forged=True) == 401
    sidecar.process.wait_until(lambda: sidecar.waiting() == 0 or None, "the spool is empty")
    rejected = rejections(sidecar)
    assert sidecar.process.terminate() == 0

    expected = {event["event_id"]: event for source, name in sent for event in plain(become(source, name).events)}
    assert found(installation) == expected
    assert len(installation.dead_letters()) == sum(become(source, name).refused is not None for source, name in sent)
    assert rejected == len(sent)


def deliveries() -> Iterator[tuple[str, str]]:
    """The fixtures of all sources, but for those that say no time and so depend on when they come."""
    for source in SOURCES:
        for name in names_of(source):
            later = become(source, name, datetime.now(UTC) + timedelta(seconds=1))
            if same(become(source, name), later):
                yield source, name


def same(one: MappedDelivery, other: MappedDelivery) -> bool:
    return plain(one.events) == plain(other.events) and (one.refused is None) == (other.refused is None)


def secrets(folder: Path) -> dict[str, Any]:
    """`auth.webhooks`, each source by a way of its own."""
    settings = {}
    for source, sender in BY_SOURCE.items():
        file = folder / f"secret-{source}"
        file.write_text(sender.secrets[0])
        settings[source] = {**sender.settings, "secrets": [{"file": str(file)}]}
    return settings


def post(sidecar: Sidecar, source: str, name: str, *, forged: bool = False) -> int:
    """Send a fixture as its source does, or as somebody who does not know the secret; the status."""
    sender = BY_SOURCE[source]
    body = (WEBHOOKS / "fixtures" / source / f"{name}.json").read_bytes()
    proof = sender.send(sender.secrets[1 if forged else 0], body, datetime.now(UTC))
    told = {"Content-Type": "application/json", **headers(source, name), **proof}
    request = urllib.request.Request(f"{sidecar.url}/v1/webhooks/{source}", body, told)  # noqa: S310 - ours
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def found(installation: Installation) -> dict[str, Any]:
    """What is on the topic, by event id, as the expectations have it."""
    decode = pinned_decoder("deploy_event").decode
    events = [decode(message.value() or b"") for message in installation.read("deploy_events")]
    shown = [json.loads(DeployEvent.from_value(event).model_dump_json(exclude_none=True)) for event in events]
    return {event["event_id"]: event for event in shown}


def rejections(sidecar: Sidecar) -> int:
    text = sidecar.process.wait_for_url(f"http://127.0.0.1:{sidecar.metrics_port}/metrics").decode()
    lines = [line for line in text.splitlines() if line.startswith("delivery_sidecar_rejected_total{")]
    return sum(int(float(line.rpartition(" ")[2])) for line in lines)
