"""Lengths of time as people read them."""

from typing import Final

NO_VALUE: Final = "-"


def length(seconds: float | None) -> str:
    """A length in its two largest units: "3d 4h", "6h 05m", "42m", "30s"; a dash if there is none."""
    if seconds is None:
        return NO_VALUE
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m" if minutes else f"{rest}s"
