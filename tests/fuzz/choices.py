"""Where the decisions of a made-up input come from: hypothesis, or the bytes of a coverage-guided fuzzer."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Choices(Protocol):
    """Answers questions; a generator asks them and nothing else, so it never knows who answers."""

    def integer(self, low: int, high: int) -> int:
        """A number from `low` to `high`, both included."""

    def text(self, longest: int) -> str:
        """Any text that UTF-8 can hold."""

    def data(self, longest: int) -> bytes:
        """Any bytes."""


def pick(choices: Choices, options: Sequence[T]) -> T:
    """One of several."""
    return options[choices.integer(0, len(options) - 1)]


def chance(choices: Choices, one_in: int) -> bool:
    """True once in so many times, if the answers are even."""
    return choices.integer(1, one_in) == one_in


class Drawn:
    """Answers by hypothesis, which makes a failing input small."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def text(self, longest: int) -> str:
        return self._draw(st.text(max_size=longest))

    def data(self, longest: int) -> bytes:
        return self._draw(st.binary(max_size=longest))
