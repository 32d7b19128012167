"""Who asks how far the workers are outlives a broker that is only just coming back."""

import sys
import time
from typing import Final

import pytest

from tests.support.kafka import KafkaBroker
from tests.support.processes import Processes, packages_env

pytestmark = pytest.mark.proof

SECONDS: Final = 12
ASK: Final = """
import sys, time
from confluent_kafka import KafkaException
from streams.audit.cluster import Cluster
from streams.audit.kinds import Undecided
from streams.serving.pipeline import Admin

who, servers, topic = sys.argv[1:]
client = {"bootstrap.servers": servers}
deadline = time.monotonic() + SECONDS
asked = Cluster(client).committed if who == "audit" else Admin(client).committed
places = 4 if who == "audit" else range(4)
while time.monotonic() < deadline:
    try:
        asked("some group", topic, places)
    except (KafkaException, Undecided):
        pass
"""


def test_a_broker_that_is_no_coordinator_yet_ends_nobody(kafka: KafkaBroker, unique: str, processes: Processes) -> None:
    """An admin client of librdkafka 2.16.0 is ended by a signal at two of three such restarts."""
    topic = kafka.create_topic(f"{unique}topic", 4)
    program = ASK.replace("SECONDS", str(SECONDS))
    asking = [
        processes.start(sys.executable, "-c", program, who, kafka.bootstrap, topic, env=packages_env(), name=who)
        for who in ("audit", "serving") * 2
    ]
    time.sleep(2)  # they ask, and know the coordinator
    kafka.kill()
    kafka.start()
    assert [one.wait(SECONDS + 20) for one in asking] == [0] * len(asking)
