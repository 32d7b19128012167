"""The tables of docs/reference.md, made from the code: `make reference` writes them, a test holds them to it."""

import json
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Final

from schemas.duration import format_duration
from schemas.rules import REQUIRED
from schemas.topics import Topic, load_topics
from streams.core.deployment import LIFE
from streams.exporter.metrics import METRICS

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference.md"

WHEN: Final = {
    "commit_created": "a commit is on a branch that will be delivered",
    "artifact_built": "an image or package of it was built and signed",
    "tests_passed": "its test suites passed",
    "security_scanned": "its scan is done and found nothing that blocks",
    "policy_passed": "the policies were evaluated and hold",
    "canary_started": "the first share of the traffic reaches it",
    "canary_promoted": "it takes 100 % of the traffic",
    "rollback_triggered": "somebody or something takes it back",
    "incident_opened": "an alert or a person opens an incident",
    "incident_resolved": "it is over; with `incident.slo_met_at` and `incident.alert_cleared_at` if they are known",
}

_MILLISECOND: Final = 1000


def render(text: str) -> str:
    """The page with every generated part made anew. Raises LookupError if a part has no place in it."""
    for name, lines in PARTS.items():
        begin, end = f"<!-- {name}: made by `make reference` -->", f"<!-- end of {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise LookupError(f"{PAGE.name} has no single place for {name}: put {begin} and {end} into it")
        head, _, rest = text.partition(begin)
        _, _, tail = rest.partition(end)
        text = f"{head}{begin}\n{_text(lines)}\n{end}{tail}"
    return text


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines)


def _events() -> list[str]:
    needs = {
        kind: ", ".join(" or ".join(f"`{name}`" for name in names) for names in groups)
        for kind, groups in REQUIRED.items()
    }
    rows = [f"| `{kind}` | {when} | {needs[kind]} |" for kind, when in WHEN.items()]
    return ["| event | sent when | needs, besides `service` |", "|---|---|---|", *rows]


def _topics() -> list[str]:
    rows = [
        f"| `{topic.name}` | {topic.key} | {_kept(topic)} | {topic.partitions} | {topic.description} |"
        for topic in load_topics()
    ]
    return ["| topic | key | kept | partitions | what it holds |", "|---|---|---|---|---|", *rows]


def _kept(topic: Topic) -> str:
    if topic.compacted:
        return "the last of each key"
    return format_duration(int(topic.config["retention.ms"]) * _MILLISECOND)


def _metrics() -> list[str]:
    rows = [
        f"| `{one.name}` | {one.kind.value} | {', '.join(one.labels) or 'none'} | {one.help.replace('|', '/')} |"
        for one in METRICS
    ]
    return ["| series | type | labels | what it says |", "|---|---|---|---|", *rows]


def _life() -> list[str]:
    rows = [
        f"    {phase} --> {verdict}" + (f": {condition}" if condition != "otherwise" else "")
        for phase, conditions in LIFE.items()
        for condition, verdict in conditions
    ]
    return ["```mermaid", "stateDiagram-v2", *rows, "```"]


PARTS: Final = {"events": _events(), "topics": _topics(), "metrics": _metrics(), "the life of a deployment": _life()}


def documented_events() -> set[str]:
    """The symbols of the event type that people send: all but the reader's own and the internal ones."""
    schema = json.loads((files("schemas") / "avro" / "deploy_event.v1.avsc").read_text("utf-8"))
    symbols = next(field["type"]["symbols"] for field in schema["fields"] if field["name"] == "event_type")
    return set(symbols) - {"UNKNOWN", "clock_tick", "cause_linked"}


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text("utf-8")), "utf-8")
