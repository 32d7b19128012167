"""Who asks how far the workers are, or how many, outlives a broker that is only just coming back."""

import sys
import time
from typing import Final

import pytest

from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Processes, packages_env

pytestmark = pytest.mark.proof

SECONDS: Final = 12
ASK: Final = """
import sys, time
from confluent_kafka import KafkaException
from streams.kafka.admin import KafkaAdmin

who, servers, topic = sys.argv[1:]
client = {"bootstrap.servers": servers}
deadline = time.monotonic() + SECONDS
asks = {
    "offsets": lambda admin=KafkaAdmin(client): admin.committed("some group", topic, range(4)),
    "members": lambda admin=KafkaAdmin(client): admin.members("some group"),
}
while time.monotonic() < deadline:
    try:
        asks[who]()
    except KafkaException:
        pass
"""


@pytest.fixture(scope="module")
def kafka(own_kafka: KafkaBroker) -> KafkaBroker:
    """Some tests here take the broker away."""
    return own_kafka


def test_a_broker_that_is_no_coordinator_yet_ends_nobody(kafka: KafkaBroker, unique: str, processes: Processes) -> None:
    """An admin client of librdkafka 2.16.0 is ended by a signal at two of three such restarts."""
    topic = kafka.create_topic(f"{unique}topic", 4)
    program = ASK.replace("SECONDS", str(SECONDS))
    asking = [
        processes.start(sys.executable, "-c", program, who, kafka.bootstrap, topic, env=packages_env(), name=who)
        for who in ("offsets", "members") * 3
    ]
    time.sleep(2)  # they ask, and know the coordinator
    kafka.kill()
    kafka.start()
    assert [one.wait(SECONDS + 20) for one in asking] == [0] * len(asking)
