"""One service in one environment: what was counted, what is true now, and the windows (semantics.md, 6 to 10)."""

from collections import Counter
from typing import Any, NamedTuple

from schemas.values import AsOfValue, MetricsValue, Micros, ReasonName, WindowValue
from streams.core.counters import EnvironmentCounters
from streams.core.settings import MetricSettings
from streams.core.windows import CountWindow, DurationWindow, WindowedSeries


class JudgedDeployment(NamedTuple):
    """A judged deployment in a window: why it failed (None: it did not) and whether it was a hotfix."""

    reason: ReasonName | None
    hotfix: bool


class EnvironmentState:
    """Counters, present state and windows of one (service, env). The one named "" stands for the service alone."""

    __slots__ = (
        "at", "counters", "due", "incidents", "judged", "last_event_at", "lead", "name", "recovery", "rehearsed_at",
        "rehearsed_before", "restore", "settings", "tally",
    )  # fmt: skip

    def __init__(self, name: str, settings: MetricSettings, now: Micros) -> None:
        self.name = name
        self.settings = settings
        self.at = now
        """The clock of the message that last changed it."""
        self.counters = EnvironmentCounters()
        self.tally: Counter[str] = Counter()
        """How many deployments and incidents are in each state that is shown."""
        self.rehearsed_at: Micros | None = None
        self.rehearsed_before: Micros | None = None
        """The latest rehearsal among closed records."""
        self.last_event_at: Micros | None = None
        self.due: Micros | None = None
        lag, windows = settings.lateness, settings.windows
        grown = settings.failure_window + lag
        self.judged: WindowedSeries[JudgedDeployment, CountWindow[JudgedDeployment]] = WindowedSeries(
            grown, [(w, CountWindow()) for w in windows], now
        )
        self.lead: WindowedSeries[Micros, DurationWindow] = WindowedSeries(
            lag, [(w, DurationWindow()) for w in windows], now
        )
        self.restore: WindowedSeries[Micros, DurationWindow] = WindowedSeries(
            lag, [(w, DurationWindow()) for w in windows], now
        )
        self.recovery: WindowedSeries[Micros, DurationWindow] = WindowedSeries(
            lag, [(w, DurationWindow()) for w in windows], now
        )
        self.incidents: WindowedSeries[bool, CountWindow[bool]] = WindowedSeries(
            lag, [(w, CountWindow()) for w in windows], now
        )

    @property
    def series(self) -> tuple[WindowedSeries[Any, Any], ...]:
        """Everything that slides."""
        return (self.judged, self.lead, self.restore, self.recovery, self.incidents)

    def advance(self) -> None:
        """Move all windows to `at`."""
        for series in self.series:
            series.advance(self.at)

    def next_change(self) -> Micros | None:
        """Move the windows that changed, or that are due by `at`; answer when the clock alone next moves one."""
        due: Micros | None = None
        for series in self.series:
            if series.moved or (series.due is not None and series.due <= self.at):
                series.advance(self.at)
            if series.due is not None and (due is None or series.due < due):
                due = series.due
        return due

    @property
    def moved(self) -> bool:
        """Whether a window changed by more than the clock since it was last moved."""
        return self.judged.moved or self.lead.moved or self.restore.moved or self.recovery.moved or self.incidents.moved

    def recount(self, before: tuple[str, ...], after: tuple[str, ...]) -> None:
        """One deployment or incident leaves these states and enters those."""
        self.tally.subtract(before)
        self.tally.update(after)

    def to_value(self, service: str, as_of: AsOfValue) -> MetricsValue:
        """The snapshot to publish, as it stood at `at`."""
        self.advance()
        tally = self.tally
        return {
            "service": service,
            "env": self.name,
            "as_of": as_of,
            "at": self.at,
            "settings": self.settings.to_value(),
            "counters": self.counters.to_value(),
            "state": {
                "pending": tally["pending"],
                "failing": tally["failing"],
                "superseded": tally["superseded"],
                "abandoned": tally["abandoned"],
                "incidents_open": tally["open"],
                "incidents_unattributed": tally["unattributed"],
                "rehearsed_at": self.rehearsed_at,
                "last_event_at": self.last_event_at,
            },
            "windows": self._windows(),
        }

    def _windows(self) -> list[WindowValue]:
        contents = zip(
            self.settings.windows,
            self.judged.contents(),
            self.lead.contents(),
            self.restore.contents(),
            self.recovery.contents(),
            self.incidents.contents(),
            strict=True,
        )
        return [_window(*parts) for parts in contents]


def _window(
    length: Micros,
    judged: CountWindow[JudgedDeployment],
    lead: DurationWindow,
    restore: DurationWindow,
    recovery: DurationWindow,
    incidents: CountWindow[bool],
) -> WindowValue:
    reasons: Counter[str] = Counter()
    hotfix = 0
    for (reason, is_hotfix), count in judged.of.items():
        if reason is not None:
            reasons[reason] += count
        if is_hotfix:
            hotfix += count
    return {
        "window": length,
        "judged": sum(judged.of.values()),
        "failed": reasons.total(),
        "reasons": dict(sorted(reasons.items())),
        "hotfix": hotfix,
        "lead_count": len(lead.ordered),
        "lead_p50": lead.quantile(0.5),
        "lead_p90": lead.quantile(0.9),
        "restore_count": len(restore.ordered),
        "restore_mean": restore.mean(),
        "restore_p50": restore.quantile(0.5),
        "restore_p90": restore.quantile(0.9),
        "recovery_count": len(recovery.ordered),
        "recovery_mean": recovery.mean(),
        "recovery_p50": recovery.quantile(0.5),
        "incidents": sum(incidents.of.values()),
        "unattributed": incidents.of.get(True, 0),
    }
