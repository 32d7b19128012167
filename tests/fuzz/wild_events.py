"""Events as wild as the contract allows, made from the Avro schema itself: a new field is fuzzed from its first day.

Everything that the core joins on is drawn from a few names that are out to collide: equal ids everywhere, change ids
that are SHAs, names with slashes that could be taken for two, commits that merge into themselves and in circles.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from schemas.codec.codec import load_schema
from schemas.rules import EARLIEST, LATEST, REQUIRED
from schemas.values import DAY, HOUR, MINUTE, EventValue, Micros
from tests.fuzz.choices import Choices, chance, pick

Make = Callable[[Choices], Any]

SHAS: Final = (*(letter * 40 for letter in "abc"), "d" * 64)
SERVICES: Final = ("a", "a/b", "a/b/", "A-._/", "s" * 200)
ENVS: Final = ("prod", "b", "0", "e" * 63)
IDS: Final = (
    "b",
    "b/c",
    "c",
    "/",
    " ",
    "a/prod/b",
    "ü ñ 漢字 \U0001f9e8",
    "\N{NO-BREAK SPACE}",
    "i" * 256,
    "漢" * 256,
    *SHAS,
)
EVENT_IDS: Final = tuple(f"{number:08x}-0000-5000-8000-000000000000" for number in range(40))
MOMENTS: Final = (
    EARLIEST + 1,
    *(1_767_225_600_000_000 + offset for offset in (0, 1, HOUR, DAY - 1, DAY, DAY + 15 * MINUTE, 90 * DAY)),
    LATEST - 1,
    LATEST,
)
LONGS: Final = (0, 1, 100, 2**31, 2**63 - 1)
DOUBLES: Final = (0.0, -0.0, 0.5, 5e-324, 2.0**53, 9.2e18)


def moment(choices: Choices) -> Micros:
    """A time that the contract allows: mostly one that others have, too."""
    return choices.integer(EARLIEST + 1, LATEST) if chance(choices, 8) else pick(choices, MOMENTS)


def _text(choices: Choices) -> str:
    return choices.text(20) if chance(choices, 3) else pick(choices, ("", "x", *IDS))


_FIELDS: Final[Mapping[str, Make]] = {
    "event_id": lambda choices: pick(choices, EVENT_IDS),
    "event_type": lambda choices: pick(choices, tuple(REQUIRED)),
    "service": lambda choices: pick(choices, SERVICES),
    "env": lambda choices: pick(choices, ENVS),
    "severity": lambda choices: f"sev{choices.integer(1, 5)}",
    "weight": lambda choices: choices.integer(0, 100),
    "escaped_gates": lambda choices: pick(choices, ("tests", "a/b", " ", "漢" * 128)),
    "trigger": lambda choices: pick(choices, ("auto", "manual")),
    **dict.fromkeys(
        ("commit_sha", "merge_sha", "to_sha", "parents", "included_shas"), lambda choices: pick(choices, SHAS)
    ),
    **dict.fromkeys(
        ("provenance_sha256", "sbom_sha256", "bundle_sha256", "path_sha256"), lambda choices: pick(choices, SHAS[3:])
    ),
    **dict.fromkeys(
        ("change_id", "deployment_id", "incident_id", "artifact_digest"), lambda choices: pick(choices, IDS)
    ),
    **dict.fromkeys(("occurred_at", "emitted_at", "slo_met_at", "alert_cleared_at", "db_updated_at"), moment),
}
"""Fields with rules or joins of their own, by name, wherever in the record they stand."""


def wild_event(choices: Choices) -> EventValue:
    """One event that `check_event` accepts."""
    value = cast("EventValue", _make(load_schema("deploy_event").parsed, "", choices, {}))
    fields = cast("dict[str, Any]", value)
    for names in REQUIRED[value["event_type"]]:
        if all(fields[name] is None for name in names):
            name = pick(choices, names)
            fields[name] = _FIELDS[name](choices) if name in _FIELDS else dict(_NO_INCIDENT)
    if value["event_type"] == "cause_linked":
        value["attributes"] = {
            "origin": pick(choices, SERVICES),
            "version": str(choices.integer(0, 10**18 - 1)),
            "holds": pick(choices, ("true", "false")),
        }
    return value


_NO_INCIDENT: Final = dict.fromkeys(
    ("severity", "title", "slo_met_at", "alert_cleared_at", "cause", "escaped_gates", "regression_test")
)


def _make(schema: Any, name: str, choices: Choices, named: dict[str, Any]) -> Any:
    """A value of an Avro schema, as fastavro parsed it."""
    if isinstance(schema, list):
        return None if chance(choices, 2) else _make(schema[1], name, choices, named)
    schema = named.get(schema, {"type": schema}) if isinstance(schema, str) else schema
    kind = schema["type"]
    if "name" in schema:
        named[schema["name"]] = schema
    if kind == "record":
        return {field["name"]: _make(field["type"], field["name"], choices, named) for field in schema["fields"]}
    if kind == "array":
        return [_make(schema["items"], name, choices, named) for _ in range(choices.integer(0, 3))]
    if kind == "map":
        return {_text(choices): _text(choices) for _ in range(choices.integer(0, 2))}
    if kind == "enum" and name not in _FIELDS:
        return pick(choices, schema["symbols"])
    return (_FIELDS.get(name) or _PLAIN[kind])(choices)


_PLAIN: Final[Mapping[str, Make]] = {
    "string": _text,
    "boolean": lambda choices: chance(choices, 2),
    "long": lambda choices: pick(choices, LONGS),
    "double": lambda choices: pick(choices, DOUBLES),
}
