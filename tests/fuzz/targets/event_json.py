"""Any bytes as the JSON of an event: it is an event that can be written and computed on, or it is refused."""

import json
from typing import Any

from tests.fuzz.targets.guided import Guided, search, watched

with watched("schemas"):
    from tests.fuzz.oracle import check_json
    from tests.fuzz.wild_json import wild_json
    from tests.support.builders.golden_messages import goldens

SOURCES: list[dict[str, Any]] = [
    json.loads(golden.json_text) for golden in goldens() if golden.record == "deploy_event"
]


def target(data: bytes) -> None:
    """The last byte chooses: the others are the text itself, or say what to change in an example."""
    if not data:
        return
    if data[-1] & 1:
        check_json(data[:-1])
        return
    choices = Guided(data[:-1])
    wild = wild_json(choices, SOURCES[choices.integer(0, len(SOURCES) - 1)])
    check_json(wild)
    check_json(json.dumps(wild))


if __name__ == "__main__":
    search(target, (json.dumps(source).encode() + b"\1" for source in SOURCES))
