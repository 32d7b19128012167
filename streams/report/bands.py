"""The levels of DORA's report: for orientation beside a number, never as its verdict."""

from typing import Final, Literal

YEAR: Final = 2023
"""Of the Accelerate State of DevOps Report: the last one whose levels rise in every measure."""
_HOUR: Final = 3600.0
_DAY: Final = 24 * _HOUR

Band = Literal["elite", "high", "medium", "low"]

_UP_TO: Final[dict[str, tuple[float, float, float]]] = {
    "change_failure_rate": (0.05, 0.10, 0.15),
    "lead_time_p50": (_DAY, 7 * _DAY, 30 * _DAY),
    "recovery_mean": (_HOUR, _DAY, 7 * _DAY),
}
"""Less is better: the largest value of elite, high and medium."""
_FROM: Final[dict[str, tuple[float, float, float]]] = {"frequency": (1.0, 1 / 7, 1 / 30)}
"""More is better: the smallest value of elite, high and medium."""


_LEVELS: Final[tuple[Band, ...]] = ("elite", "high", "medium", "low")


def told_apart(measure: str, low: float, high: float) -> bool:
    """Whether a range lies within one level or two neighbouring ones; a wider one says nothing of the level."""
    ends = [_LEVELS.index(one) for one in (band(measure, low), band(measure, high)) if one is not None]
    return max(ends, default=0) - min(ends, default=0) <= 1


def band(measure: str, value: float | None) -> Band | None:
    """The level of a value; None if DORA has none for this measure, or there is no value."""
    if value is None:
        return None
    if measure in _UP_TO:
        elite, high, medium = _UP_TO[measure]
        return "elite" if value <= elite else "high" if value <= high else "medium" if value <= medium else "low"
    if measure in _FROM:
        elite, high, medium = _FROM[measure]
        return "elite" if value >= elite else "high" if value >= high else "medium" if value >= medium else "low"
    return None
