"""The ninety days on a real Prometheus."""

from schemas.values import SECOND
from tests.support.company_history import END
from tests.support.servers.prometheus import Prometheus


def test_the_company_is_there(company_prometheus: Prometheus) -> None:
    found = company_prometheus.query("sum(increase(deployments_total{env='prod'}[30d]))", at=END / SECOND)
    assert found[0].value > 50


def test_the_shipped_rules_are_loaded(company_prometheus: Prometheus) -> None:
    assert [group["name"] for group in company_prometheus.rules()] == [
        "candora-canary",
        "candora-counters",
        "candora-keys",
    ]
