"""What a question is asked about, and what an answer is compared with."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from schemas.values import SECOND, Micros

Line = tuple[str, ...]
"""The values of the labels that a line of a graph or a table is told by."""


class Between(NamedTuple):
    """A value that is known to a bucket's width only: not below, not above."""

    low: float
    high: float


Values = Mapping[Line, float | Between | None]
"""What each line is; None: it has no value."""


class View(NamedTuple):
    """A moment, how far it is to the point before it in a graph, and the services that are chosen."""

    at: Micros
    over: Micros
    services: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """How far it is to the point before."""
        return self.over / SECOND


Read = Callable[[View], Values]

EXACT: Final = 1e-9
RISEN: Final = 0.0025
"""`increase` and `rate` look 30 s farther back than from point to point, as `$__rate_interval` does, and extrapolate to
there: 30 s in four hours are 0.21 %, in a day 0.03 %."""
COUNTED: Final = 0.01
"""Counters over days."""


class Expectation(NamedTuple):
    """What a target must answer: the labels of its lines, their values at a moment, and how near is near enough."""

    read: Read
    by: Line = ()
    near: float = EXACT


Table = Mapping[str, Expectation]
"""The expectations of one dashboard by target, as `Question.place` names it."""


def panel(title: str, *targets: Expectation) -> dict[str, Expectation]:
    """The expectations of a panel's targets, which are lettered from A."""
    return {f"{title} {ref}": one for ref, one in zip("ABCDEFGHIJKLMNOP", targets, strict=False)}


def fixed(value: float | Between, near: float = EXACT) -> Expectation:
    """One number, always the same."""
    return Expectation(lambda _: {(): value}, (), near)
