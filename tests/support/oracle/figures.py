"""What is said of some services in one env over one window: sections 5 to 9, summed over the services."""

from collections import Counter
from collections.abc import Iterable
from statistics import mean
from typing import NamedTuple

from schemas.values import DAY, SECOND, Micros
from streams.core.settings import MetricSettings
from tests.support.oracle.deployments import Deployment
from tests.support.oracle.facts import Facts
from tests.support.oracle.incidents import Attribution, Incident
from tests.support.oracle.verdicts import Verdict


class Restored(NamedTuple):
    """An incident that has ended."""

    service: str
    severity: str
    ended_at: Micros
    seconds: float
    on_a_deployment: bool


class Figures(NamedTuple):
    """What there is, before anything is divided. Only what was judged, promoted, ended or opened in the window..."""

    window: Micros
    judged: list[tuple[Deployment, Verdict]]
    leads: list[Micros]
    restored: list[Restored]
    opened: list[Attribution]
    standing: Counter[str]
    """... but these are all there are now: deployments by verdict, those that are failing, and open incidents."""

    @property
    def per_day(self) -> float:
        """Deployment frequency."""
        return len(self.judged) * DAY / self.window

    @property
    def reasons(self) -> Counter[str]:
        """Why deployments failed."""
        return Counter(one.failure.reason for _, one in self.judged if one.name == "failed" and one.failure is not None)

    @property
    def failed(self) -> int:
        """Judged as failed."""
        return sum(one.name == "failed" for _, one in self.judged)

    @property
    def hotfixes(self) -> int:
        """Judged deployments in the hotfix lane."""
        return sum(deployment.lane == "hotfix" for deployment, _ in self.judged)

    @property
    def failure_ratio(self) -> float | None:
        """Change failure rate."""
        return self.failed / len(self.judged) if self.judged else None

    @property
    def rework_ratio(self) -> float | None:
        """Hotfixes of all that were judged."""
        return self.hotfixes / len(self.judged) if self.judged else None

    @property
    def restore_mean(self) -> float | None:
        """Mean time to restore."""
        return mean(one.seconds for one in self.restored) if self.restored else None

    @property
    def recovered(self) -> list[float]:
        """Seconds to restore what a deployment did."""
        return [one.seconds for one in self.restored if one.on_a_deployment]

    @property
    def recovery_mean(self) -> float | None:
        """Failed-deployment recovery time."""
        return mean(self.recovered) if self.recovered else None

    @property
    def unattributed(self) -> int:
        """Incidents of the window that are put on no deployment."""
        return sum(put.rule == "none" for put in self.opened)

    @property
    def unattributed_ratio(self) -> float | None:
        """The same, of all incidents of the window."""
        return self.unattributed / len(self.opened) if self.opened else None


def figures(
    known: Facts, services: Iterable[str], env: str, at: Micros, settings: MetricSettings, window: Micros
) -> Figures:
    """Of these services together, at the moment of the facts."""
    ours = {(service, env) for service in services}
    settled, cohort = at - settings.lateness, at - settings.lateness - settings.failure_window
    verdicts = [(known.deployments[key], one) for key, one in known.verdicts.items() if key[:2] in ours]
    incidents = [(one, put) for one, put in known.incidents if (one.service, one.env) in ours]
    standing: Counter[str] = Counter(one.name for _, one in verdicts)
    standing["failing"] = sum(one.name == "pending" and one.failure is not None for _, one in verdicts)
    standing["open"] = sum(one.ended_at is None for one, _ in incidents)
    standing["unattributed"] = sum(put.rule == "none" for _, put in incidents)
    return Figures(
        window,
        [
            (deployment, one)
            for deployment, one in verdicts
            if one.name in {"succeeded", "failed"}
            and one.finished_at is not None
            and cohort - window < one.finished_at <= cohort
        ],
        sorted(
            one.lead_time
            for one in known.promotions
            if (one.service, one.env) in ours
            and settled - window < one.promoted_at <= settled
            and one.lead_time is not None
            and one.lead_time >= 0
        ),
        [one for one in map(restored, incidents) if one and settled - window < one.ended_at <= settled],
        [put for one, put in incidents if settled - window < one.opened_at <= settled],
        standing,
    )


def restored(found: tuple[Incident, Attribution]) -> Restored | None:
    """An incident that has ended; None: it has not."""
    one, put = found
    if one.ended_at is None or one.time_to_restore is None:
        return None
    severity = one.severity or "unknown"
    return Restored(one.service, severity, one.ended_at, one.time_to_restore / SECOND, put.blamed)
