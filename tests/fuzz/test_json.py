"""Whatever is given as the JSON of an event is refused by the contract, or can be written and read again."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.choices import Drawn
from tests.fuzz.oracle import check_json
from tests.fuzz.search import quick
from tests.fuzz.wild_json import wild_json
from tests.support.builders.golden_messages import goldens

SOURCES: list[dict[str, Any]] = [
    json.loads(golden.json_text) for golden in goldens() if golden.record == "deploy_event"
]


@given(st.binary(max_size=200) | st.text(max_size=200))
@quick(500)
def test_any_text(source: bytes | str) -> None:
    check_json(source)


@st.composite
def wild(draw: st.DrawFn) -> dict[str, Any]:
    return wild_json(Drawn(draw), draw(st.sampled_from(SOURCES)))


@given(wild())
@quick(1000)
def test_an_example_with_odd_values_in_it(source: dict[str, Any]) -> None:
    check_json(source)
    check_json(json.dumps(source))
