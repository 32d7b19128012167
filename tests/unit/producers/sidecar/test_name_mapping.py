from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from producers.errors import UsageError
from producers.sidecar.name_mapping import MappedNameResolver, NameRules, load_names
from producers.sidecar.webhooks.reading import DeliveryIgnored, DeliveryUnmappable, Location
from producers.sidecar.webhooks.severity import severity_of
from producers.sidecar.yaml_file import read_yaml

EXAMPLE: Final = Path(__file__).parents[4] / "docs" / "webhooks" / "names.yaml"
DEFAULTS: Final = MappedNameResolver(NameRules())


@pytest.mark.parametrize(
    ("source", "facts", "service", "env", "severity"),
    [
        ("pagerduty", {"service.summary": "Checkout API"}, "checkout", "prod", None),
        (
            "pagerduty",
            {"service.id": "PSVCPAY", "custom_fields.environment": "stage-2"},
            "payments-api",
            "staging",
            None,
        ),
        ("pagerduty", {"service.id": "PSVCPAY", "service.summary": "Pay"}, "Pay", "prod", None),
        ("alertmanager", {"labels.app": "web", "labels.team_service": "shop-web"}, "shop-web", "prod", None),
        ("alertmanager", {"labels.app": "web", "labels.namespace": "shop-eu"}, "web", "prod", None),
        ("alertmanager", {"labels.alertname": "NodeDown", "labels.env": "dev"}, "platform", "dev", "sev2"),
        ("grafana", {"labels.service": "web", "labels.env": "Production"}, "web", "prod", None),
    ],
)
def test_the_documented_file_names_what_it_says(
    source: str, facts: Mapping[str, str], service: str, env: str, severity: str | None
) -> None:
    place = load_names(EXAMPLE).place(source, facts)

    assert (place.service, place.env, place.severity) == (service, env, severity)


@pytest.mark.parametrize(
    ("source", "facts", "reason"),
    [
        ("pagerduty", {"title": "[DRILL] all down", "service.summary": "Pay"}, "sources.pagerduty.rules[0]"),
        ("grafana", {"labels.alertname": "KubeCronJobLate", "labels.app": "a"}, "names.yaml: rules[0]"),
    ],
)
def test_the_documented_file_passes_over_what_it_says(source: str, facts: Mapping[str, str], reason: str) -> None:
    with pytest.raises(DeliveryIgnored) as told:
        load_names(EXAMPLE).place(source, facts)
    assert reason in str(told.value)


def test_severities_are_looked_up_at_the_source_then_for_all_then_among_the_usual_words() -> None:
    names = load_names(EXAMPLE)

    assert [names.severity("pagerduty", word) for word in ("LOW", "ticket", "P1", "unknown")] == [
        "sev3",
        "sev3",
        "sev1",
        None,
    ]
    assert names.severity("opsgenie", "low") == "sev4"


@pytest.mark.parametrize(
    ("words", "severity"),
    [
        ("P1", "sev1"),
        ("p0", "sev1"),
        ("SEV-2: Major", "sev2"),
        ("severity 3", "sev3"),
        (" Critical ", "sev1"),
        ("info", "sev5"),
        ("P9", None),
        ("p12", None),
        ("none", None),
        ("unknown", None),
        ("", None),
    ],
)
def test_usual_words_for_a_severity(words: str, severity: str | None) -> None:
    assert severity_of(words) == severity


def test_without_a_file_the_best_fact_names_the_service() -> None:
    facts = {"labels.job": "node", "labels.app": "web", "annotations.service": "shop", "labels.namespace": "eu"}

    assert DEFAULTS.place("alertmanager", facts) == Location("shop", "annotations.service", "eu", "labels.namespace")


def test_without_a_file_nothing_names_the_environment_of_a_deployment() -> None:
    assert DEFAULTS.place("github", {"repository.name": "shop"}).env is None
    assert DEFAULTS.place("pagerduty", {"service.summary": "shop"}).env == "prod"


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"labels.alertname": "X\n", "labels.zone": "a"}, r'the facts are labels.alertname="X\n", labels.zone="a"'),
        ({}, "there are no facts to go by"),
        ({f"labels.l{n}": "x" for n in range(20)}, "and 8 more"),
        ({"labels.service": "shop: api"}, "labels.service is no name for a service"),
        ({"labels.service": "ok", "labels.env": "-"}, "labels.env is no name for an environment"),
    ],
)
def test_what_cannot_be_named_is_refused_with_the_facts(facts: Mapping[str, str], told: str) -> None:
    with pytest.raises(DeliveryUnmappable) as error:
        DEFAULTS.place("alertmanager", facts)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("rulez: 3", ["n.yaml:1: rulez: is not a setting; known are rules,"]),
        ("a: 1\na: 2", ["n.yaml:2: a: is given twice"]),
        ("a: [", ["n.yaml:1: is no YAML"]),
        ("- a", ["n.yaml:1: should be entries of the form NAME: VALUE"]),
        ("severities:\n  1: sev1", ["n.yaml:2: severities[1]: should be text; put it in quotes"]),
        ("severities:\n  x: sev9", ["n.yaml:2: severities.x: should be 'sev1', 'sev2'"]),
        ("default_env: no", ["n.yaml:1: default_env: should be text; put it in quotes"]),
        ("default_service: shop api", ['n.yaml:1: default_service: "shop api" is not the name of a service; use 1 to']),
        ("rules:\n  - match:\n      a: b", ["n.yaml:2: rules[0]: says nothing"]),
        ("rules:\n  - match:\n      a: b\n    ignore: x\n    env: e", ["n.yaml:2: rules[0]: gives names to what it"]),
        (
            "rules:\n  - match: {}\n    env: e\n  - env: e",
            ["n.yaml:2: rules[0].match: should not be empty", "n.yaml:4: "],
        ),
        ("sources:\n  foo:\n    rules: []", ['n.yaml:2: sources.foo: no source is called "foo"; known are pagerduty']),
        ("sources:\n  jsm:\n    rulez: 1", ["n.yaml:3: sources.jsm.rulez: is not a setting; known are rules"]),
        (
            "sources:\n  argo:\n    default_env: a\n  Argo-Rollouts:\n    default_env: b",
            ["n.yaml:1: sources: argo_rollouts is there under two names"],
        ),
    ],
)
def test_a_wrong_file_is_refused_with_line_and_field(text: str, problems: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        read_yaml(text, NameRules, "n.yaml")
    lines = str(error.value).splitlines()
    for line, problem in zip(lines, problems, strict=True):
        assert line.startswith(problem)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.yaml: the mapping file cannot be read"):
        load_names(tmp_path / "none.yaml")


def test_a_bracket_in_a_pattern_is_a_bracket() -> None:
    names = MappedNameResolver(NameRules.model_validate({"rules": [{"match": {"title": "[T?]*"}, "service": "s"}]}))

    assert names.place("pagerduty", {"title": "[T1] x"}).service == "s"
    with pytest.raises(DeliveryUnmappable):
        names.place("pagerduty", {"title": "T1"})
