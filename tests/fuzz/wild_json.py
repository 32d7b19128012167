"""The JSON of an event with a few places exchanged for something that nobody expects there."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

from tests.fuzz.choices import Choices, pick

ODD: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 0.0, 1.0, 1e308, float("nan"), float("inf"),
    "", "null", "\0", "a\n", "\ud800", "\udfff", "\u2028", "漢" * 257, "a" * 40, "A" * 64, "sev1", "prod",
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "1999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-01:00", "2026-02-30T00:00:00Z", "2026-01-05T24:00:00Z", "2026-01-05T09:00:60Z", "2026-W01-1",
    "2026-01-05T09:00:00", "2026-01-05t09:00:00.123456789z", "1CA7BEDA-8189-5879-88F0-921BB32C06B2",
    "{1ca7beda-8189-5879-88f0-921bb32c06b2}", "urn:uuid:1ca7beda-8189-5879-88f0-921bb32c06b2",
    [], [None], [[]], {}, {"": ""}, {"a": {"a": {"a": 1}}}, {"service": "a"}, [{"kind": 1}], {"\ud800": "a"},
)  # fmt: skip


def wild_json(choices: Choices, source: dict[str, Any]) -> dict[str, Any]:
    """`source` with up to three of its values, at any depth, set, added or taken out."""
    wild = deepcopy(source)
    for _ in range(choices.integer(1, 3)):
        holder = pick(choices, list(_holders(wild)))
        value = choices.text(8) if choices.integer(0, 4) == 0 else deepcopy(pick(choices, ODD))
        if isinstance(holder, list):
            holder.insert(choices.integer(0, len(holder)), value)
        elif holder and choices.integer(0, 5):
            name = pick(choices, sorted(holder))
            if choices.integer(0, 7):
                holder[name] = value
            else:
                del holder[name]
        else:
            holder[choices.text(8)] = value
    return wild


def _holders(value: Any) -> Iterator[Any]:
    """Every object and list in a JSON value, itself first."""
    if isinstance(value, (dict, list)):
        yield value
        for part in value.values() if isinstance(value, dict) else value:
            yield from _holders(part)
