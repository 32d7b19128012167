"""Whatever a source sends, its reader answers: with events that the contract takes, or with a reason."""

import copy
import json
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producers.sidecar.webhooks.sources import SOURCES
from tests.support.deliveries import body, deliver, headers, names_of

LEAVES: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=40),
    st.sampled_from(
        ["0001-01-01T00:00:00Z", "2026-02-30T25:61:61Z", "firing", "resolved", "x" * 600, "\ud800", "9" * 25]
    ),
)
ANYTHING: Final = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
QUICK: Final = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("source", SOURCES)
@given(data=st.data())
@QUICK
def test_any_json_is_answered(source: str, data: st.DataObject) -> None:
    answered(source, data.draw(ANYTHING), {})


@pytest.mark.parametrize("source", SOURCES)
@given(data=st.data())
@QUICK
def test_a_real_delivery_with_anything_in_two_places_is_answered(source: str, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(names_of(source)))
    content = copy.deepcopy(body(source, name))
    for _ in range(2):
        content = replaced(content, data)
    answered(source, content, headers(source, name))


def answered(source: str, content: Any, told: dict[str, str]) -> None:
    mapped = deliver(source, content, told)

    assert mapped.events or mapped.refused or mapped.ignored
    for event in mapped.events:
        assert json.loads(event.as_json())["source"]["system"] == source


def replaced(node: Any, data: st.DataObject) -> Any:
    """The value with one place in it, at any depth, taken by something else."""
    if not isinstance(node, dict | list) or not node or data.draw(st.integers(0, 5)) == 0:
        return data.draw(ANYTHING)
    key: Any = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
    node[key] = replaced(node[key], data)
    return node
