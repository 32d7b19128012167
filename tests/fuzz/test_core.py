"""Whatever the intake lets in, the core reads, publishes, stores and restores."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.rules import MAX_INCLUDED
from tests.fuzz.choices import Drawn
from tests.fuzz.oracle import Line, run_log
from tests.fuzz.search import quick
from tests.fuzz.wild_logs import wild_log


@st.composite
def logs(draw: st.DrawFn) -> list[Line]:
    return wild_log(Drawn(draw), 25)


@given(logs(), st.integers(1, 30))
@quick(60)
def test_any_log_of_valid_events(lines: list[Line], batch: int) -> None:
    run_log(lines, batch)


@given(logs())
@quick(15)
def test_many_included_shas_among_them(lines: list[Line]) -> None:
    """The longest list that the contract allows, in every deployment."""
    many = [f"{number:040x}" for number in range(MAX_INCLUDED)]
    for event, _ in lines:
        if event is not None and event["canary"] is not None:
            event["canary"]["included_shas"] = many
    run_log(lines, len(lines) or 1)
