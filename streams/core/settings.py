"""The settings that decide the numbers. They are published with every number (semantics.md, section 1)."""

from dataclasses import dataclass

from schemas.values import DAY, HOUR, MINUTE, Micros, SettingsValue


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSettings:
    """What a team declares before it counts. All lengths are in microseconds.

    Raises:
        ValueError: a length is negative, or no window is given.
    """

    failure_window: Micros = 24 * HOUR
    """X: how long after it finished a deployment may still fail."""
    lateness: Micros = 15 * MINUTE
    """L: how long every number waits for what is still on its way."""
    max_future: Micros = 5 * MINUTE
    """How far an event may lie in the future of its append time."""
    windows: tuple[Micros, ...] = (7 * DAY, 30 * DAY, 90 * DAY)
    failing_severities: tuple[str, ...] = ("sev1", "sev2")
    production_envs: tuple[str, ...] = ("prod",)
    canary_timeout: Micros = 24 * HOUR
    retention_period: Micros = 7 * DAY
    """How often, by the clock, what is older than the longest window is closed. It decides no number."""
    undelivered_for: Micros = 400 * DAY
    """How long a change that was never promoted is remembered; as long as the log is kept."""

    def __post_init__(self) -> None:
        lengths = (self.failure_window, self.lateness, self.max_future, self.canary_timeout)
        if min(lengths) < 0:
            message = "failure_window, lateness, max_future and canary_timeout may not be negative"
            raise ValueError(message)
        if not self.windows or min(self.windows) <= 0:
            message = "windows: give at least one length above zero"
            raise ValueError(message)

    def to_value(self) -> SettingsValue:
        """The settings as they stand in every published snapshot."""
        return {
            "failure_window": self.failure_window,
            "lateness": self.lateness,
            "max_future": self.max_future,
            "canary_timeout": self.canary_timeout,
            "failing_severities": list(self.failing_severities),
            "production_envs": list(self.production_envs),
        }
