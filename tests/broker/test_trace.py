"""`candora trace` reads the log itself: a commit that broke production is found from its incident, and back."""

import json

import pytest

from streams.core.settings import MetricSettings
from tests.support.events import cause, commit, opened, promoted, resolved, sha
from tests.support.log import Raw
from tests.support.servers.installation import Installation
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes

EVENTS = (
    commit("c1", "09:00", change="acme/shop#7"),
    promoted("D1", "12:00", sha="c1"),
    promoted("P1", "11:00", sha="p1", service="pay"),
    opened("INC-1", "13:00", env="prod", service="pay"),
    resolved("INC-1", "13:40", service="pay", cause=cause(service="shop", deployment="D1")),
)


@pytest.fixture
def place(
    kafka: KafkaBroker, unique: str, processes: Processes, tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    return Installation(kafka, unique, processes, tmp_path_factory.mktemp("trace"), MetricSettings()).create_topics()


def test_from_the_incident_to_the_commit_and_back(place: Installation, processes: Processes) -> None:
    place.produce_events(reversed(EVENTS))
    place.produce([Raw(b"shop", b"no event")])
    for what in ("INC-1", sha("c1")[:7], "#7", "D1"):
        told = processes.candora("trace", what, "--json", env=place.env)
        assert told.wait() == 0, told.tail()
        said = told.tail(1000)
        assert "left out 1 message that the workers refused" in said
        chain = json.loads(said[said.index("{") : said.rindex("}") + 1])
        assert [one["deployment_id"] for one in chain["deployments"]] == ["D1"]
        assert [one["why"] for one in chain["incidents"]] == ["put on D1 of shop: named as its cause"]
        assert [one["first_commit_sha"] for one in chain["changes"]] == [sha("c1")]


def test_what_the_log_does_not_hold(place: Installation, processes: Processes) -> None:
    place.produce_events(EVENTS)
    told = processes.candora("trace", "INC-2", env=place.env)
    assert told.wait() == 1
    assert "did you mean INC-1?" in told.tail()
    nowhere = processes.candora("trace", "INC-1", env={**place.env, "CANDORA_TOPIC_PREFIX": "elsewhere-"})
    assert nowhere.wait() == 3
    assert "Kafka has no topic elsewhere-deploy_events" in nowhere.tail()
