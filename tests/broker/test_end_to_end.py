"""From a file through `candora-ci`, Kafka, two workers and the serving process to /metrics: the numbers worked out."""

import json
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

import pytest

from schemas.duration import format_duration
from schemas.values import DAY, SECOND
from streams.core.settings import MetricSettings
from tests.support.builders.scrapes import numbers
from tests.support.events import cause, commit, opened, promoted, resolved
from tests.support.log_replay import Records
from tests.support.servers.exporter import Serving
from tests.support.servers.installation import Installation, assert_same, home, lasting, published, recompute
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes

pytestmark = pytest.mark.slow

DATA: Final = Path(__file__).parent.parent / "support" / "data"
EXPECTED: Final[dict[str, dict[str, Any]]] = json.loads(
    (DATA / "public-delivery-history.expected.json").read_text(encoding="utf-8")
)["services"]
WHOLE: Final = 3650 * DAY
"""A window that holds all that ever happened, so that what was expected of January can be asked for later."""
SETTINGS: Final = MetricSettings(lateness=3 * SECOND, windows=(7 * DAY, 30 * DAY, WHOLE))

COUNTS: Final = {
    "deployments_total": "deployments_total",
    "deployments_success_total": "deployments_success_total",
    "lead_count": "lead_time_seconds_count",
    "restore_count": "delivery_restore_duration_seconds_count",
    "pending": "delivery_deployments_pending",
    "superseded": "delivery_deployments_superseded",
    "abandoned": "delivery_deployments_abandoned",
    "open": "delivery_incidents_open",
    "unattributed": "delivery_incidents_unattributed",
}
"""Field of the expectation to series of a service and env."""
WINDOWED: Final = {
    "judged": "delivery_deployments_judged",
    "failed": "delivery_change_failures",
    "ratio": "delivery_change_failure_ratio",
    "lead_count": "delivery_lead_time_observations",
    "lead_p50": "delivery_lead_time_p50_seconds",
    "lead_p90": "delivery_lead_time_p90_seconds",
    "restore_count": "delivery_restore_observations",
    "restore_mean": "delivery_restore_mean_seconds",
    "restore_p50": "delivery_restore_p50_seconds",
}
"""Field of the expectation to series of a service, env and window."""
REASONS: Final = ("canary_rollback", "incident", "rollback")


def history() -> list[str]:
    """The lines of the public history."""
    return (DATA / "public-delivery-history.jsonl").read_text(encoding="utf-8").splitlines()


def shuffled(times: int, seed: int) -> list[str]:
    """The public history several times over, in an order that nobody would choose."""
    lines = history() * times
    Random(seed).shuffle(lines)
    return lines


class Delivered(NamedTuple):
    """What there was to see, as text and as records."""

    text: str
    records: Records


def look(installation: Installation, serving: Serving) -> Delivered:
    """What /metrics and the topics say once everything is settled."""
    installation.settle()
    return Delivered(installation.await_served(serving), published(installation))


def install(kafka: KafkaBroker, prefix: str, processes: Processes, folder: Path) -> Installation:
    """Topics and two workers that share them."""
    return Installation(kafka, prefix, processes, folder, SETTINGS).create_topics().start_workers("one", "two")


class History(NamedTuple):
    """The public history delivered in order, and what three more deliveries of it made of that."""

    once: Delivered
    again: Delivered


@pytest.fixture(scope="module")
def delivered(kafka: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> History:
    """The installation is gone when the tests begin: a machine need not hold two."""
    folder = tmp_path_factory.mktemp("history")
    with Processes(folder) as processes:
        installation = install(kafka, f"{folder.name}-{folder.stat().st_mtime_ns}-", processes, folder)
        serving = installation.start_serving()
        installation.emit(history())
        once = look(installation, serving)
        installation.emit(shuffled(3, seed=7))
        again = look(installation, serving)
        installation.stop()
    return History(once, again)


@pytest.mark.parametrize("pair", EXPECTED)
def test_metrics_shows_the_totals_that_were_worked_out(delivered: History, pair: str) -> None:
    """Every field of the expectation, and only services and envs that are in it."""
    wanted = EXPECTED[pair]
    service, env = pair.split("/")
    shown = numbers(delivered.once.text)

    def at(name: str, **labels: str) -> float | None:
        labels |= {"service": service, "env": env}
        return shown.get((name, tuple(sorted(labels.items()))))

    found = {field: at(name) for field, name in COUNTS.items()}
    assert found == {field: wanted[field] for field in COUNTS}
    found = {field: at(name, window=format_duration(WHOLE)) for field, name in WINDOWED.items()}
    assert found == {field: wanted[field] for field in WINDOWED}
    failures = {reason: at("delivery_deployment_failures_total", reason=reason) for reason in REASONS}
    assert failures == dict.fromkeys(REASONS, 0) | wanted["reasons"]
    by_reason = {
        reason: at("delivery_change_failures_by_reason", window=format_duration(WHOLE), reason=reason)
        for reason in REASONS
    }
    assert by_reason == failures
    restored = at("delivery_restore_duration_seconds_sum")
    assert restored == pytest.approx((wanted["restore_mean"] or 0) * wanted["restore_count"])
    for window in ("7d", "30d"):
        assert at("delivery_deployments_judged", window=window) == 0
        assert at("delivery_change_failure_ratio", window=window) is None


def test_nothing_else_is_shown(delivered: History) -> None:
    labels = [dict(labels) for _, labels in numbers(delivered.once.text)]
    assert {f"{one['service']}/{one['env']}" for one in labels if "env" in one} == set(EXPECTED)


def test_incidents_are_put_where_it_was_worked_out(delivered: History) -> None:
    wanted = {incident: tuple(where) for one in EXPECTED.values() for incident, where in one["attribution"].items()}
    found = {
        incident: (record["attribution"]["deployment_id"], record["attribution"]["rule"])
        for (_, incident), record in delivered.once.records.incidents.items()
    }
    assert found == wanted


def test_three_more_deliveries_in_disorder_change_nothing(delivered: History) -> None:
    assert lasting(delivered.again.text) == lasting(delivered.once.text)
    assert_same(delivered.again.records, delivered.once.records)


def test_disorder_and_repetition_from_the_start_show_the_same(
    delivered: History, kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path
) -> None:
    installation = install(kafka, unique, processes, tmp_path)
    installation.emit(shuffled(3, seed=11))
    seen = look(installation, installation.start_serving())
    assert lasting(seen.text) == lasting(delivered.once.text)
    installation.stop()
    assert_same(published(installation), recompute(installation).records)


def test_a_cause_in_another_service_fails_its_deployment(
    kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path
) -> None:
    """The services lie in different partitions: a link goes from one to the other, through the log."""
    installation = install(kafka, unique, processes, tmp_path)
    shop, bank = "shop", next(name for name in ("bank", "cart", "mail", "auth") if home(name) != home("shop"))
    installation.produce_events(
        [
            commit("c1", "09:00", service=bank),
            promoted("B1", "12:00", sha="c1", service=bank),
            promoted("S1", "12:30", sha="c2", service=shop),
            opened("i1", "13:00", cause=cause(service=bank, deployment="B1"), service=shop),
            resolved("i1", "13:40", service=shop),
        ]
    )
    installation.settle()
    installation.settle()  # the link was written while the incident was read
    records = published(installation)
    blamed, other = records.deployments[bank, "prod", "B1"], records.deployments[shop, "prod", "S1"]
    assert (blamed["verdict"], blamed["reason"], other["verdict"]) == ("failed", "incident", "succeeded")
    [linked] = blamed["incidents"]
    assert (linked["service"], linked["incident_id"]) == (shop, "i1")
    attribution = records.incidents[shop, "i1"]["attribution"]
    assert (attribution["rule"], attribution["service"], attribution["deployment_id"]) == ("explicit", bank, "B1")
    failures = {key: one["counters"]["failures"] for key, one in records.metrics.items() if key[1]}
    assert failures == {(bank, "prod"): {"incident": 1}, (shop, "prod"): {}}
    installation.stop()
    assert_same(published(installation), recompute(installation).records)
