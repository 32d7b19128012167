"""PagerDuty, Alertmanager, Grafana, Opsgenie and incident.io: what each delivery becomes, and what it comes to."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import pytest

from producers.sidecar.name_mapping import MappedNameResolver, NameRules
from producers.sidecar.webhook_mapper import map_delivery
from producers.sidecar.webhooks.reading import WebhookDelivery
from producers.sidecar.webhooks.sources import find_source
from schemas.values import DAY, SECOND, Micros
from streams.core.settings import MetricSettings
from streams.replay.compute import EnvironmentNumbers, compute
from tests.support.deliveries import RECEIVED, become, body, expected, names_of, plain, shown, untold

SOURCES: Final = ("pagerduty", "alertmanager", "grafana", "opsgenie", "incident_io")
DELIVERIES: Final = [(source, name) for source in SOURCES for name in names_of(source)]
TIMELESS: Final = {("pagerduty", "hostile"), ("alertmanager", "minimal"), ("incident_io", "minimal")}
"""They say no time, so they happened when they came."""
SEEN_FROM: Final[Micros] = 1_771_200_000 * SECOND  # 2026-02-16: everything is over, and inside the window


@pytest.mark.parametrize("source", SOURCES)
def test_every_fixture_has_its_outcome_written_down(source: str) -> None:
    assert sorted(expected(source)) == names_of(source)


@pytest.mark.parametrize(("source", "name"), DELIVERIES)
def test_a_delivery_becomes_exactly_what_is_written_down(source: str, name: str) -> None:
    assert shown(become(source, name)) == expected(source)[name]


@pytest.mark.parametrize(("source", "name"), [each for each in DELIVERIES if each not in TIMELESS])
def test_a_delivery_that_is_sent_again_makes_the_same_events(source: str, name: str) -> None:
    first, again = become(source, name), become(source, name, RECEIVED + timedelta(hours=2))

    assert plain(again.events) == plain(first.events)


@pytest.mark.parametrize(("source", "name"), DELIVERIES)
def test_every_field_says_where_it_comes_from(source: str, name: str) -> None:
    assert untold(become(source, name)) == []


@pytest.mark.parametrize(
    ("source", "name", "field", "origin"),
    [
        ("alertmanager", "mixed-group", "service", "alerts[0].labels.service"),
        ("alertmanager", "deployment-labels", "env", "alerts[0].labels.environment, by mapping file: envs"),
        ("alertmanager", "firing", "incident_id", "alerts[0].fingerprint and alerts[0].startsAt"),
        ("pagerduty", "triggered", "env", "default for pagerduty, for nothing names an environment"),
        ("pagerduty", "triggered-2021", "incident.severity", "event.data.urgency: low"),
        ("opsgenie", "details", "commit_sha", "alert.details.sha"),
    ],
)
def test_an_origin_is_a_place_in_the_delivery_or_in_the_mapping_file(
    source: str, name: str, field: str, origin: str
) -> None:
    told = {path: place for path, _, place in become(source, name).events[0].explained()}

    assert told[field] == origin


def numbers(source: str, deliveries: Sequence[str], where: str) -> EnvironmentNumbers:
    events = [event.value for name in deliveries for event in become(source, name).events]
    answer, later = compute(events, SEEN_FROM, MetricSettings(), 30 * DAY)
    assert not later
    return answer["services"][where]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    ("source", "deliveries", "where", "minutes"),
    [
        ("pagerduty", ["triggered", "acknowledged", "resolved"], "payments-api/prod", 40 + 2.5 / 60),
        ("pagerduty", ["triggered", "priority-updated", "resolved", "triggered"], "payments-api/prod", 40 + 2.5 / 60),
        ("alertmanager", ["firing", "firing", "mixed-group", "resolved"], "shop-api/prod", 40),
        ("grafana", ["firing", "resolved"], "shop-api/prod", 30 + 30.25 / 60),
        ("opsgenie", ["create", "acknowledge", "update-priority", "close", "delete"], "orders/prod", 40),
        ("incident_io", ["created-in-triage", "accepted", "progress", "resolved", "closed-after-learning"],
         "basket/prod", 40),
        ("incident_io", ["created", "severity-raised", "resolved", "cause-found"], "basket/prod", 40),
        ("incident_io", ["retrospective"], "basket/prod", 40),
    ],
)  # fmt: skip
def test_an_opening_and_its_end_meet_and_give_the_time_to_restore(
    source: str, deliveries: list[str], where: str, minutes: float, backwards: bool
) -> None:
    answer = numbers(source, deliveries[::-1] if backwards else deliveries, where)

    assert (answer["restore_count"], answer["open"]) == (1, 0)
    assert answer["restore_mean"] == pytest.approx(60 * minutes)


def test_an_incident_that_is_opened_again_is_open_again() -> None:
    assert numbers("pagerduty", ["triggered", "resolved", "reopened"], "payments-api/prod")["open"] == 1
    assert numbers("incident_io", ["created", "resolved", "reopened"], "basket/prod")["open"] == 1


def test_an_alert_that_fires_again_is_another_incident() -> None:
    answer = numbers("alertmanager", ["firing", "resolved", "fired-again"], "shop-api/prod")

    assert (answer["restore_count"], answer["open"]) == (1, 1)


def test_a_canceled_incident_ends_and_blames_nobody() -> None:
    answer = numbers("incident_io", ["created", "canceled-when-live"], "basket/prod")

    assert (answer["open"], answer["unattributed"]) == (0, 0)


def ruled(source: str, content: Any, **rules: Any) -> dict[str, Any]:
    names = MappedNameResolver(NameRules.model_validate(rules), "names.yaml")
    return shown(map_delivery(find_source(source), WebhookDelivery({}, content, RECEIVED), names, RECEIVED))


def test_a_rule_passes_over_names_and_grades() -> None:
    content = body("alertmanager", "unlabelled")
    rule = {"match": {"labels.alertname": "High*"}, "service": "edge", "env": "staging", "severity": "sev4"}
    [event] = ruled("alertmanager", content, sources={"alertmanager": {"rules": [rule]}})["events"]

    assert (event["service"], event["env"], event["incident"]["severity"]) == ("edge", "staging", "sev4")

    silent = ruled("alertmanager", content, rules=[{"match": {"receiver": "*"}, "ignore": "a drill"}])
    assert silent == {"ignored": "alerts[0]: names.yaml: rules[0] passes it over: a drill"}
