"""GitHub, GitLab, Argo Rollouts, Flagger and CDEvents: what each delivery becomes, exactly."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import pytest

from tests.support.deliveries import RECEIVED, become, body, deliver, expected, headers, names_of, plain, shown, untold

SOURCES: Final = ("argo_rollouts", "flagger", "github", "gitlab", "cdevents")
DELIVERIES: Final = [(source, name) for source in SOURCES for name in names_of(source)]
ODD: Final[tuple[Any, ...]] = (
    None,
    [],
    {},
    True,
    -1,
    1e400,
    "\ud800",
    "x" * 3000,
    "9" * 5000,
    "[" * 9000,
    [None],
    {"a": [{}]},
)
"""What nobody sends, until somebody does."""


@pytest.mark.parametrize("source", SOURCES)
def test_every_fixture_has_its_outcome_written_down(source: str) -> None:
    assert sorted(expected(source)) == names_of(source)


@pytest.mark.parametrize(("source", "name"), DELIVERIES)
def test_a_delivery_becomes_exactly_what_is_written_down(source: str, name: str) -> None:
    became, outcome = shown(become(source, name)), expected(source)[name]

    assert became.keys() == outcome.keys()
    assert {**became, "refused": None} == {**outcome, "refused": None}
    # How a refusal begins is written down; what it advises then is said by what knows the mapping file.
    assert became.get("refused", "").startswith(outcome.get("refused", ""))


@pytest.mark.parametrize(("source", "name"), DELIVERIES)
def test_a_delivery_that_is_sent_again_makes_no_new_events(source: str, name: str) -> None:
    first, again = become(source, name), become(source, name, RECEIVED + timedelta(hours=2))

    assert [event.value["event_id"] for event in again.events] == [event.value["event_id"] for event in first.events]
    if not name.startswith("hook-"):  # a hook of Flagger's has no time of its own
        assert plain(again.events) == plain(first.events)


@pytest.mark.parametrize(("source", "name"), DELIVERIES)
def test_every_field_says_where_it_comes_from(source: str, name: str) -> None:
    assert untold(become(source, name)) == []


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("content", [*ODD, "text", 7])
def test_what_is_no_delivery_of_the_source_is_refused_or_passed_over(source: str, content: Any) -> None:
    became = deliver(source, content, headers(source, "push"))

    assert not became.events
    assert became.refused or became.ignored


@pytest.mark.parametrize(("source", "name"), DELIVERIES)
def test_nothing_that_stands_in_a_delivery_makes_a_reader_fail(source: str, name: str) -> None:
    content = body(source, name)
    for holder, key in list(_places(content)):
        proper = holder[key]
        for odd in ODD:
            holder[key] = odd
            became = deliver(source, content, headers(source, name))
            assert became.events or became.refused or became.ignored
        holder[key] = proper


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON value that something stands in."""
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in entries:
        yield node, key
        yield from _places(value)
