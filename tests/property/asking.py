"""Short questions to a reading, for the properties that need only one service and env."""

from collections.abc import Iterable
from typing import Final

from hypothesis import strategies as st

from schemas.values import DAY, MINUTE, SECOND, EventValue, Micros
from streams.core.settings import MetricSettings
from tests.support.events import DAY_1
from tests.support.log_replay import Reading, said
from tests.support.oracle import EnvSummary

SETTINGS: Final = MetricSettings()
WINDOW: Final = 30 * DAY
LATER: Final[Micros] = DAY_1 + 8 * DAY
"""When all of the first days' facts are settled."""
NOON: Final[Micros] = DAY_1 + DAY // 2

spans: st.SearchStrategy[Micros] = st.one_of(
    st.sampled_from((0, 1, SECOND, MINUTE, DAY - 1, DAY, DAY + 1)), st.integers(0, 3 * DAY)
)
"""How long after something else; exactly X and one microsecond beside it among them."""

EMPTY: Final[EnvSummary] = {
    "judged": 0,
    "failed": 0,
    "ratio": None,
    "reasons": {},
    "pending": 0,
    "superseded": 0,
    "abandoned": 0,
    "deployments_total": 0,
    "deployments_success_total": 0,
    "lead_count": 0,
    "lead_p50": None,
    "lead_p90": None,
    "restore_count": 0,
    "restore_mean": None,
    "restore_p50": None,
    "open": 0,
    "unattributed": 0,
    "attribution": {},
}


def everywhere(reading: Reading, events: Iterable[EventValue], at: Micros = LATER) -> dict[str, EnvSummary]:
    """What is said of every service and env of which there is something to say."""
    return said(reading(events, at, SETTINGS, WINDOW))


def answer(reading: Reading, events: Iterable[EventValue], at: Micros = LATER, where: str = "shop/prod") -> EnvSummary:
    """What is said of one service and env."""
    return everywhere(reading, events, at).get(where, EMPTY)
