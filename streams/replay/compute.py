"""The numbers of a set of events at one moment: the same core as the workers', with no broker.

The clock is the moment asked for, and everything was known for ever (semantics.md, section 1).
"""

from collections.abc import Iterable, Iterator
from typing import TypedDict

from schemas.values import SECOND, EventValue, Micros, RuleName
from streams.core.environment import EnvironmentState
from streams.core.outputs import attribution_of
from streams.core.service_state import ServiceState
from streams.core.settings import MetricSettings
from streams.replay.known_states import KnownStates
from streams.replay.loop import event_time, replay, sent_events


class EnvironmentNumbers(TypedDict):
    """The numbers of one service in one environment; null where there is no value. Lengths are in seconds."""

    judged: int
    failed: int
    ratio: float | None
    reasons: dict[str, int]
    pending: int
    superseded: int
    abandoned: int
    deployments_total: int
    deployments_success_total: int
    lead_count: int
    lead_p50: float | None
    lead_p90: float | None
    restore_count: int
    restore_mean: float | None
    restore_p50: float | None
    open: int
    unattributed: int
    attribution: dict[str, tuple[str | None, RuleName]]


class ComputedNumbers(TypedDict):
    """The numbers by "SERVICE/ENV" at one moment (seconds since 1970)."""

    at: float
    services: dict[str, EnvironmentNumbers]


def compute(
    events: Iterable[EventValue], at: Micros, settings: MetricSettings, window: Micros
) -> tuple[ComputedNumbers, int]:
    """Return the numbers over the window that ends at `at`, and how many events were left out: they lie in its future.

    Raises:
        ValueError: `window` is none of the settings' windows.
    """
    later = 0

    def known() -> Iterator[EventValue]:
        nonlocal later
        for event in sent_events(events)[1]:
            if event_time(event) <= at + settings.max_future:
                yield event
            else:
                later += 1

    (services,) = replay(known(), [at], KnownStates(settings), ahead=settings.max_future)
    index = settings.windows.index(window)
    numbers: dict[str, EnvironmentNumbers] = {}
    for name, state in sorted(services.items()):
        for env, environment in sorted(state.environments.items()):
            if env:
                numbers[f"{name}/{env}"] = _numbers(state, environment, index)
    return {"at": at / SECOND, "services": numbers}, later


def _numbers(state: ServiceState, environment: EnvironmentState, index: int) -> EnvironmentNumbers:
    value = environment.to_value(state.service, {"partition": 0, "offset": state.offset})
    window, current, counters = value["windows"][index], value["state"], value["counters"]
    incidents = sorted(state.incidents(), key=lambda one: one.name)
    attributions = {one.name: attribution_of(one) for one in incidents if one.opened and one.env == environment.name}
    return {
        "judged": window["judged"],
        "failed": window["failed"],
        "ratio": window["failed"] / window["judged"] if window["judged"] else None,
        "reasons": window["reasons"],
        "pending": current["pending"],
        "superseded": current["superseded"],
        "abandoned": current["abandoned"],
        "deployments_total": counters["deployments"],
        "deployments_success_total": counters["deployments_success"],
        "lead_count": window["lead_count"],
        "lead_p50": window["lead_p50"],
        "lead_p90": window["lead_p90"],
        "restore_count": window["restore_count"],
        "restore_mean": window["restore_mean"],
        "restore_p50": window["restore_p50"],
        "open": current["incidents_open"],
        "unattributed": current["incidents_unattributed"],
        "attribution": {name: (one["deployment_id"], one["rule"]) for name, one in attributions.items()},
    }


_COLUMNS = ("SERVICE/ENV", "FAILED", "RATE", "LEAD P50", "RESTORE MEAN", "PENDING", "OPEN", "UNATTRIBUTED")


def table(answer: ComputedNumbers) -> Iterator[str]:
    """Yield the headline numbers as lines of a table: every rate beside its parts, a dash where there is no value."""
    rows = [_COLUMNS]
    for name, one in answer["services"].items():
        rate = "-" if one["ratio"] is None else f"{one['ratio']:.1%}"
        lead, restore = _hours(one["lead_p50"]), _hours(one["restore_mean"])
        rows.append(
            (
                name,
                f"{one['failed']}/{one['judged']}",
                rate,
                f"{lead} (n={one['lead_count']})",
                f"{restore} (n={one['restore_count']})",
                str(one["pending"]),
                str(one["open"]),
                str(one["unattributed"]),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        cells = (row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)))
        yield "  ".join(cells)


def _hours(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds / 3600:.1f} h"
