"""Whether a Prometheus keeps what it is given. Pure: what it says of itself goes in, findings come out.

Each wrong setting here bends numbers without a word; docs/prometheus.md says by how much.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

Level = Literal["ok", "warning", "problem"]

WINDOW: Final = 31 * 86400
"""Seconds. Incidents of a month are shown again after a restart, each at the time at which it ended."""
RETENTION: Final = 90 * 86400
"""Seconds. The longest window that is asked of raw counters is 30 days; a quarter is compared with the one before."""
OLDEST: Final = (2, 42)
_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
_LENGTH: Final = re.compile(r"(\d+)(ms|[smhdwy])")
_RECORDED: Final = "env_window:delivery_change_failure:ratio"


class PrometheusFinding(NamedTuple):
    """Result of one check, with advice if there is a problem."""

    status: Level
    text: str
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class PrometheusStatus:
    """Configuration and state of a Prometheus, as returned by its HTTP API."""

    version: str
    flags: Mapping[str, str]
    config: Mapping[str, Any]
    targets: Sequence[Mapping[str, Any]]
    """The active ones."""
    rules: Sequence[Mapping[str, Any]]
    """The groups."""
    instances: Sequence[str]
    """Those under which `delivery_serving_ready` is known now."""


def examine(said: PrometheusStatus, job: str) -> Iterator[PrometheusFinding]:
    """Yield all findings, in the order in which a person would check."""
    yield _version(said.version)
    scrape = next((one for one in said.config.get("scrape_configs") or () if one.get("job_name") == job), None)
    if scrape is None:
        known = ", ".join(str(one.get("job_name")) for one in said.config.get("scrape_configs") or ()) or "none"
        yield PrometheusFinding(
            "problem",
            f"there is no scrape job {job!r} (there are: {known})",
            "add it as in deploy/prometheus, or --job",
        )
    else:
        yield from _scrape(scrape)
        yield from _targets([one for one in said.targets if one.get("scrapePool") == job])
    yield _window(said.config)
    yield _retention(said.flags)
    yield _exemplars(said.flags)
    yield _instances(said.instances)
    yield from _rules(said.rules)


def _version(version: str) -> PrometheusFinding:
    number = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    if not number:
        return PrometheusFinding("warning", "Prometheus does not say which version it is", "use 2.42 or newer")
    if number[:2] < OLDEST:
        return PrometheusFinding("problem", f"Prometheus is {version}", "use 2.42 or newer")
    if (2, 52, 0) <= number <= (2, 53, 2) or number == (2, 54, 0):
        return PrometheusFinding(
            "warning", f"Prometheus is {version}, which drops samples that come together", "use 2.54.1"
        )
    return PrometheusFinding("ok", f"Prometheus is {version}")


def _scrape(scrape: Mapping[str, Any]) -> Iterator[PrometheusFinding]:
    if scrape.get("honor_labels"):
        yield PrometheusFinding("ok", "honor_labels is true")
    else:
        yield PrometheusFinding(
            "problem",
            "honor_labels is false: beside a target's own service or env, ours become exported_service, exported_env",
            "set honor_labels: true for the job",
        )
    if scrape.get("honor_timestamps", True):
        yield PrometheusFinding("ok", "honor_timestamps is true")
    else:
        yield PrometheusFinding(
            "problem",
            "honor_timestamps is false: times to restore would stand at the scrape, again and again",
            "set honor_timestamps: true for the job",
        )


def _targets(targets: Sequence[Mapping[str, Any]]) -> Iterator[PrometheusFinding]:
    if not targets:
        yield PrometheusFinding("problem", "the job has no target", "name the address of `candora serve-metrics`")
    if len(targets) > 1:
        urls = ", ".join(str(one.get("scrapeUrl")) for one in targets)
        yield PrometheusFinding(
            "problem", f"the job has {len(targets)} targets ({urls})", "scrape one: every sum counts each"
        )
    for one in targets:
        if one.get("health") == "up":
            yield PrometheusFinding("ok", f"{one.get('scrapeUrl')} is up")
        else:
            yield PrometheusFinding(
                "problem",
                f"{one.get('scrapeUrl')} is {one.get('health')}: {one.get('lastError') or 'not scraped yet'}",
                "ask its /readyz",
            )


def _window(config: Mapping[str, Any]) -> PrometheusFinding:
    text = str(((config.get("storage") or {}).get("tsdb") or {}).get("out_of_order_time_window", "0s"))
    if seconds(text) < WINDOW:
        return PrometheusFinding(
            "problem",
            f"out_of_order_time_window is {text}: times to restore are refused an hour after the incident",
            "set storage.tsdb.out_of_order_time_window: 31d",
        )
    return PrometheusFinding("ok", f"out_of_order_time_window is {text}")


def _retention(flags: Mapping[str, str]) -> PrometheusFinding:
    text = flags.get("storage.tsdb.retention.time") or "0s"
    length = seconds(text) or 15 * 86400
    size = flags.get("storage.tsdb.retention.size", "0B")
    if length < RETENTION:
        return PrometheusFinding(
            "problem",
            f"samples are kept for {length / 86400:g} days: a 30-day window would see less, without an error",
            "start it with --storage.tsdb.retention.time=400d",
        )
    if size not in {"", "0B", "0"}:
        return PrometheusFinding("warning", f"samples are dropped beyond {size}, whatever their age", "watch the disk")
    return PrometheusFinding("ok", f"samples are kept for {length / 86400:g} days")


def _exemplars(flags: Mapping[str, str]) -> PrometheusFinding:
    if "exemplar-storage" in flags.get("enable-feature", "").split(","):
        return PrometheusFinding("ok", "exemplars are stored")
    return PrometheusFinding(
        "warning",
        "exemplars are not stored: no way from a lead time to its commit",
        "start it with --enable-feature=exemplar-storage",
    )


def _instances(instances: Sequence[str]) -> PrometheusFinding:
    if not instances:
        return PrometheusFinding("problem", "there is no sample of candora", "is the target up?")
    if len(instances) > 1:
        return PrometheusFinding(
            "problem",
            f"candora is known under {len(instances)} instances ({', '.join(instances)}): sums count each",
            "run one serving process, with a fixed label instance",
        )
    return PrometheusFinding("ok", f"candora is the one instance {instances[0]!r}")


def _rules(groups: Sequence[Mapping[str, Any]]) -> Iterator[PrometheusFinding]:
    ours = [
        rule for group in groups for rule in group.get("rules", ()) if str(group.get("name")).startswith("candora-")
    ]
    if not any(rule.get("name") == _RECORDED for rule in ours):
        yield PrometheusFinding(
            "warning", "the recording rules are not loaded", "load deploy/prometheus/candora.rules.yaml"
        )
    if not any(rule.get("type") == "alerting" for rule in ours):
        yield PrometheusFinding("warning", "the alerts are not loaded", "load deploy/prometheus/candora.alerts.yaml")
    broken = [rule for rule in ours if rule.get("health") == "err"]
    for rule in broken:
        yield PrometheusFinding(
            "problem", f"rule {rule.get('name')} fails: {rule.get('lastError')}", "see the log of Prometheus"
        )
    if ours and not broken:
        yield PrometheusFinding("ok", f"{len(ours)} rules are loaded")


def seconds(text: str) -> float:
    """Parse a Prometheus duration, such as 1d12h, into seconds."""
    return sum(int(number) * _UNITS[unit] for number, unit in _LENGTH.findall(text))
