"""Parse requests to /v1/events: JSON, JSON lines, or CloudEvents in any of their modes. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from producers.sidecar.json_body import parse_json
from producers.sidecar.rejections import RequestRejected

JSON: Final = "application/json"
LINES: Final = frozenset({"application/x-ndjson", "application/jsonl", "application/x-jsonlines"})
STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
CDEVENTS: Final = "dev.cdevents."
"""Prefix of the `type` of a CDEvent."""


class RequestItem(NamedTuple):
    """One item of a request: an event of the contract, or a CDEvent."""

    data: dict[str, Any]
    is_cdevent: bool = False


def items_of(headers: Mapping[str, str], body: bytes, most: int) -> Sequence[RequestItem]:
    """Parse a request into at most `most` items. `headers` are by lower-case name.

    Raises:
        RequestRejected: its media type is unknown, its body malformed, or it has too many items.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == STRUCTURED:
        return [_cloud_event(parse_json(body))]
    if kind == BATCH:
        return [_cloud_event(each) for each in _limited(_list(parse_json(body)), most)]
    if "ce-specversion" in headers:
        if kind and kind != JSON and not kind.endswith("+json"):
            raise RequestRejected("media_type", "the data of a CloudEvent has to be application/json")
        attributes = {name.removeprefix("ce-"): value for name, value in headers.items() if name.startswith("ce-")}
        return [_cloud_event({**attributes, "data": parse_json(body)})]
    if kind in LINES:
        lines = _limited([line for line in body.splitlines() if line.strip()], most)
        return [RequestItem(_object(parse_json(line))) for line in lines]
    if kind in {JSON, ""}:
        value = parse_json(body)
        return [RequestItem(_object(each)) for each in _limited(value if isinstance(value, list) else [value], most)]
    raise RequestRejected("media_type")


def _cloud_event(event: Any) -> RequestItem:
    """Extract the data of a CloudEvent; its time applies where the data has none."""
    if not isinstance(event, dict) or event.get("specversion") != "1.0":
        raise RequestRejected("not_cloudevents")
    data, kind = event.get("data"), event.get("type")
    named = all(isinstance(event.get(name), str) and event[name] for name in ("id", "source", "type"))
    if not named or not isinstance(kind, str) or not isinstance(data, dict):
        raise RequestRejected("not_cloudevents")
    if kind.startswith(CDEVENTS):
        return RequestItem(data, is_cdevent=True)
    time = event.get("time")
    return RequestItem({"occurred_at": time, **data} if isinstance(time, str) else data)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise RequestRejected("not_cloudevents", "a batch of CloudEvents is a JSON list")
    return value


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RequestRejected("not_json", "an event is a JSON object")
    return value


def _limited(items: list[Any], most: int) -> list[Any]:
    if len(items) > most:
        raise RequestRejected("too_many_events", f"at most {most} events in one request; send several requests")
    return items
