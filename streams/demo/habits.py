"""The simulated company: three teams, six services, each with habits that its metrics should show."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from schemas.values import HOUR, MINUTE, Micros


class Cadence(StrEnum):
    """How often merged work is released."""

    EVERY_MERGE = "every merge"
    DAILY = "daily"
    WEEKLY = "weekly"


@dataclass(frozen=True, slots=True)
class TeamHabits:
    """How a team works on a service. Probabilities are between 0 and 1; times of day are local to the team."""

    service: str
    team: str
    people: tuple[str, ...]
    critical_module: str
    utc_offset: Micros
    merges_a_day: float
    """Pull requests merged on a working day, on average."""
    writing: Micros
    """Median time from the first commit of a pull request to its merge."""
    lone_commits: float
    """Chance, per working day, of a commit pushed without a pull request."""
    cadence: Cadence
    release_at: Micros
    """Time of day of a daily or weekly release."""
    canaries: bool = True
    thorough: bool = True
    """Whether it signs, scans and tests as the gates require; otherwise evidence is incomplete."""
    rehearses: bool = True
    canary_fails: float = 0.0
    canary_stalls: float = 0.0
    """Chance that nobody finishes the canary: the next release supersedes it, or it is abandoned."""
    breaks: float = 0.0
    """Chance that a promoted release causes an incident."""
    quietly_undone: float = 0.0
    """Chance that a promoted release is rolled back by hand without an incident."""
    reopens: float = 0.0
    restoring: Micros = 40 * MINUTE
    """Median length of an incident."""
    infra_incidents_a_month: float = 0.0
    breaks_elsewhere: float = 0.0
    """Chance that a promoted release hurts `dependent` instead of its own service."""
    dependent: str | None = None


COMPANY: Final[tuple[TeamHabits, ...]] = (
    TeamHabits(
        service="web-shop",
        team="storefront",
        people=("amara", "jonas", "li"),
        critical_module="shop/basket",
        utc_offset=1 * HOUR,
        merges_a_day=2.4,
        writing=7 * HOUR,
        lone_commits=0.15,
        cadence=Cadence.DAILY,
        release_at=14 * HOUR,
        canary_fails=0.03,
        canary_stalls=0.02,
        breaks=0.04,
        reopens=0.05,
        restoring=22 * MINUTE,
        infra_incidents_a_month=0.6,
    ),
    TeamHabits(
        service="search",
        team="storefront",
        people=("amara", "noor", "piotr"),
        critical_module="search/ranking",
        utc_offset=1 * HOUR,
        merges_a_day=1.6,
        writing=10 * HOUR,
        lone_commits=0.1,
        cadence=Cadence.EVERY_MERGE,
        release_at=11 * HOUR,
        canary_fails=0.27,
        canary_stalls=0.05,
        breaks=0.03,
        reopens=0.1,
        restoring=35 * MINUTE,
    ),
    TeamHabits(
        service="payments",
        team="money",
        people=("ines", "tomas"),
        critical_module="payments/capture",
        utc_offset=-5 * HOUR,
        merges_a_day=1.3,
        writing=16 * HOUR,
        lone_commits=0.0,
        cadence=Cadence.WEEKLY,
        release_at=10 * HOUR,
        canary_fails=0.08,
        breaks=0.1,
        reopens=0.05,
        restoring=30 * MINUTE,
        infra_incidents_a_month=0.5,
    ),
    TeamHabits(
        service="ledger-legacy",
        team="money",
        people=("ines", "walter"),
        critical_module="ledger/posting",
        utc_offset=-5 * HOUR,
        merges_a_day=0.35,
        writing=40 * HOUR,
        lone_commits=0.3,
        cadence=Cadence.EVERY_MERGE,
        release_at=16 * HOUR,
        canaries=False,
        thorough=False,
        rehearses=False,
        breaks=0.25,
        quietly_undone=0.1,
        reopens=0.15,
        restoring=150 * MINUTE,
        infra_incidents_a_month=0.7,
    ),
    TeamHabits(
        service="notifications",
        team="platform",
        people=("kofi", "mei", "sara"),
        critical_module="notify/dispatch",
        utc_offset=5 * HOUR + 30 * MINUTE,
        merges_a_day=1.1,
        writing=9 * HOUR,
        lone_commits=0.2,
        cadence=Cadence.EVERY_MERGE,
        release_at=12 * HOUR,
        canary_fails=0.08,
        canary_stalls=0.04,
        breaks=0.18,
        reopens=0.55,
        restoring=95 * MINUTE,
        infra_incidents_a_month=1.5,
    ),
    TeamHabits(
        service="identity",
        team="platform",
        people=("kofi", "ravi"),
        critical_module="identity/tokens",
        utc_offset=5 * HOUR + 30 * MINUTE,
        merges_a_day=0.9,
        writing=14 * HOUR,
        lone_commits=0.05,
        cadence=Cadence.DAILY,
        release_at=13 * HOUR,
        canary_fails=0.1,
        breaks=0.05,
        reopens=0.1,
        restoring=45 * MINUTE,
        breaks_elsewhere=0.07,
        dependent="web-shop",
    ),
)
"""The six services, by team."""
