"""The buckets of the two histograms: 5 minutes to 30 days, with the edges that people quote (1 h, 1 d, 7 d, 30 d)."""

from bisect import bisect_left
from typing import Final

from schemas.values import SECOND, Micros

LEAD_BUCKETS: Final[tuple[int, ...]] = (
    300, 600, 900, 1_800, 2_700, 3_600, 5_400, 7_200, 10_800, 14_400, 21_600,
    28_800, 43_200, 64_800, 86_400, 129_600, 172_800, 259_200, 432_000, 604_800, 1_209_600, 2_592_000,
)  # fmt: skip
"""Upper bounds in seconds, each included in its bucket; one more bucket (+Inf) follows."""

_BOUNDS: Final = tuple(bound * SECOND for bound in LEAD_BUCKETS)


def bucket_of(length: Micros) -> int:
    """The index of the bucket that holds this length; `len(LEAD_BUCKETS)` is +Inf."""
    return bisect_left(_BOUNDS, length)
