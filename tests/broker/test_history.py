"""`candora-ci history --send`: a repository's past in Kafka, each event once, however often it is sent."""

from pathlib import Path

import pytest

from tests.support.repository import Repository
from tests.support.servers.installation import Installation, published
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def test_a_repository_is_sent_once(kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path) -> None:
    shop = Repository.new(tmp_path / "shop")
    shop.git("tag", "-a", "-m", "one", "v1", at="09:00")
    shop.feature("tea", "10:00", "11:00")
    shop.merge("tea", "12:00", "Merge pull request #7 from acme/tea")
    shop.git("tag", "-a", "-m", "two", "v2", at="15:00")
    installation = Installation(kafka, unique, processes, tmp_path).create_topics().start_workers("one")
    command = ("history", "git", str(shop.folder), "--deploy-tags", "v*", "--service", "shop")
    to = ("--repository-name", "acme/shop", "--send", "--state", str(tmp_path / "state"), "--strict")

    sent = None
    for arrived in (6, 6):
        sent = processes.candora_ci(*command, *to, env=installation.env)
        assert sent.wait(60) == 0, sent.tail()
        assert len((tmp_path / "state").read_text().splitlines()) == arrived
    assert sent is not None
    assert "all of it has arrived before" in sent.tail()

    installation.settle()
    records = published(installation)
    assert {name: record["verdict"] for (_, _, name), record in records.deployments.items()} == {
        "v1": "succeeded",
        "v2": "succeeded",
    }
    lead = records.metrics["shop", "prod"]["counters"]["lead_time"]
    assert (sum(lead["counts"]), lead["sum"]) == (2, (1 + 5) * 3_600_000_000)
    installation.stop()
