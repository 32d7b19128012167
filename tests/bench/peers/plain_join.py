"""The join and the counts as one writes them first, over whatever keeps the state of a service.

It is less than the worker does: a deployment is counted when it ends, not when it can no longer fail, so there is no
waiting, no window, no revision, and an event that comes late may find no deployment in force. Facts are kept by name,
so a repeated event changes nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

Get = Callable[[str, Any], Any]
Put = Callable[[str, Any], None]

FAILURE_WINDOW: Final = 24 * 3600 * 1_000_000
"""Microseconds after its end in which an incident is put on a deployment."""
CHECKPOINT: Final = 1.0
"""Seconds of work that a crash may repeat, in both: less than their defaults (5 and 10), more than the worker's."""
STAGES: Final = frozenset({"artifact_built", "tests_passed", "security_scanned", "policy_passed"})
ZERO: Final[Mapping[str, int]] = {
    "deployments": 0,
    "failed": 0,
    "lead_times": 0,
    "lead_time_sum": 0,
    "restores": 0,
    "restore_sum": 0,
}


def join(event: Mapping[str, Any], get: Get, put: Put) -> dict[str, Any] | None:
    """Take in one event of a service. Returns the service's counters if they have changed."""
    kind, at, sha = event["event_type"], event["occurred_at"], event["commit_sha"]
    if kind == "commit_created":
        _commit(event["change_id"] or sha, sha, at, get, put)
        return None
    if kind in STAGES:
        stages = get(f"stages/{sha}", {})
        put(f"stages/{sha}", {**stages, kind: min(at, stages.get(kind, at))})
        return None
    if kind in {"incident_opened", "incident_resolved"}:
        return _incident(kind, event["incident_id"], at, get, put)
    return _deployment(kind, event, at, get, put)


def _commit(change: str, sha: str, at: int, get: Get, put: Put) -> None:
    """Know which change a commit is of, and when the change began."""
    put(f"change-of/{sha}", change)
    known = get(f"change/{change}", {"first": at, "promoted": None})
    put(f"change/{change}", {**known, "first": min(at, known["first"])})


def _deployment(kind: str, event: Mapping[str, Any], at: int, get: Get, put: Put) -> dict[str, Any] | None:
    """A deployment begins, is promoted to everybody, or is rolled back; it ends once."""
    name = event["deployment_id"]
    held = get(f"deployment/{name}", {"started": at, "ended": None, "failed": False})
    if kind == "canary_started":
        put(f"deployment/{name}", {**held, "started": min(at, held["started"])})
        put("in-force", name)
        return None
    if held["ended"] is not None:
        return None
    counters = {**get("counters", ZERO)}
    counters["deployments"] += 1
    failed = kind == "rollback_triggered" or held["failed"]
    counters["failed"] += failed
    put(f"deployment/{name}", {**held, "ended": at, "failed": failed})
    if kind == "canary_promoted":
        for change in _changes(event, get):
            _promote(change, at, counters, get, put)
    put("counters", counters)
    return counters


def _changes(event: Mapping[str, Any], get: Get) -> list[str]:
    """The changes that a deployment carries, each once."""
    shas = (event["canary"] or {}).get("included_shas") or [event["commit_sha"]]
    return [change for change in dict.fromkeys(get(f"change-of/{sha}", None) for sha in shas) if change is not None]


def _promote(change: str, at: int, counters: dict[str, Any], get: Get, put: Put) -> None:
    """The first promotion of a change ends its lead time."""
    known = get(f"change/{change}", None)
    if known is None or known["promoted"] is not None:
        return
    put(f"change/{change}", {**known, "promoted": at})
    counters["lead_times"] += 1
    counters["lead_time_sum"] += at - known["first"]


def _incident(kind: str, name: str, at: int, get: Get, put: Put) -> dict[str, Any] | None:
    """An incident is put on the deployment in force, which it fails; its end gives a time to restore."""
    known = get(f"incident/{name}", {"opened": None, "resolved": None})
    field = kind.removeprefix("incident_")
    if known[field] is not None:
        return None
    put(f"incident/{name}", {**known, field: at})
    counters = {**get("counters", ZERO)}
    if kind == "incident_resolved":
        if known["opened"] is None:
            return None
        counters["restores"] += 1
        counters["restore_sum"] += at - known["opened"]
    else:
        deployment = get("in-force", None)
        held = get(f"deployment/{deployment}", None)
        if held is None or held["failed"] or (held["ended"] is not None and at > held["ended"] + FAILURE_WINDOW):
            return None
        put(f"deployment/{deployment}", {**held, "failed": True})
        counters["failed"] += held["ended"] is not None
    put("counters", counters)
    return counters
