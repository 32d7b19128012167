"""Bodies of requests to the sidecar: plain events, and Alertmanager's webhooks. All happen now."""

import json
from datetime import UTC, datetime
from typing import Any


def deployment(service: str, name: str) -> list[dict[str, Any]]:
    """Promoted, and rolled back."""
    about = {"service": service, "env": "prod", "deployment_id": name, "occurred_at": _now()}
    return [{**about, "event_type": "canary_promoted"}, {**about, "event_type": "rollback_triggered"}]


def alert(service: str, number: int) -> dict[str, Any]:
    """One that is firing."""
    labels = {"alertname": "TooSlow", "service": service, "env": "prod", "severity": "critical"}
    return {
        "status": "firing",
        "labels": labels,
        "annotations": {},
        "startsAt": _now(),
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example/graph",
        "fingerprint": f"{number:016x}",
    }


def resolved(firing: dict[str, Any]) -> dict[str, Any]:
    """The same, when it has ended."""
    return {**firing, "status": "resolved", "endsAt": _now()}


def group(one: dict[str, Any]) -> dict[str, Any]:
    """A delivery of one alert."""
    return {
        "version": "4",
        "groupKey": json.dumps(one["labels"]),
        "truncatedAlerts": 0,
        "status": one["status"],
        "receiver": "candora",
        "groupLabels": {},
        "commonLabels": one["labels"],
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example",
        "alerts": [one],
    }


def _now() -> str:
    return datetime.now(UTC).isoformat()
