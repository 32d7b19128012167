"""Performance levels of the DORA report: shown for orientation, never used as a verdict."""

from typing import Final, Literal

YEAR: Final = 2023
"""Edition of the Accelerate State of DevOps Report: the last one whose levels are monotonic in every measure."""
_HOUR: Final = 3600.0
_DAY: Final = 24 * _HOUR

Band = Literal["elite", "high", "medium", "low"]

_UPPER_LIMITS: Final[dict[str, tuple[float, float, float]]] = {
    "change_failure_rate": (0.05, 0.10, 0.15),
    "lead_time_p50": (_DAY, 7 * _DAY, 30 * _DAY),
    "recovery_mean": (_HOUR, _DAY, 7 * _DAY),
}
"""Upper limits of elite, high and medium, for measures where less is better."""
_LOWER_LIMITS: Final[dict[str, tuple[float, float, float]]] = {"frequency": (1.0, 1 / 7, 1 / 30)}
"""Lower limits of elite, high and medium, for measures where more is better."""


_LEVELS: Final[tuple[Band, ...]] = ("elite", "high", "medium", "low")


def spans_at_most_two_bands(measure: str, low: float, high: float) -> bool:
    """Return whether a range lies within one level or two adjacent ones; a wider one does not determine a level."""
    ends = [_LEVELS.index(one) for one in (band(measure, low), band(measure, high)) if one is not None]
    return max(ends, default=0) - min(ends, default=0) <= 1


def band(measure: str, value: float | None) -> Band | None:
    """Return the level of a value; None without a value or if DORA defines no levels for the measure."""
    if value is None:
        return None
    if measure in _UPPER_LIMITS:
        elite, high, medium = _UPPER_LIMITS[measure]
        return "elite" if value <= elite else "high" if value <= high else "medium" if value <= medium else "low"
    if measure in _LOWER_LIMITS:
        elite, high, medium = _LOWER_LIMITS[measure]
        return "elite" if value >= elite else "high" if value >= high else "medium" if value >= medium else "low"
    return None
