"""Send events to the log: valid ones through `candora-ci emit`, invalid messages with a raw producer."""

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from confluent_kafka import Producer

from schemas.events import DeployEvent
from schemas.partitioner import partition_of
from schemas.values import EventValue
from streams.demo.broker import PARTITIONS
from streams.demo.disturb import Poison
from streams.demo.errors import DemoError
from streams.demo.processes import command

TOPIC: Final = "deploy_events"
_EMIT: Final = command("producers.cli", "emit", "--file", "-", "--strict")
_TIMEOUT: Final = 60.0
_FLUSH_TIMEOUT: Final = 10.0


class EventSender:
    """Sender to one cluster. `environ` is the environment of the commands it runs."""

    def __init__(self, bootstrap: str, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._raw_producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "log_level": 0})

    def send(self, items: Iterable[EventValue | Poison]) -> None:
        """Send all items and wait for the broker's confirmation; valid events keep their order.

        Raises:
            DemoError: a message was not delivered; with the output of the command.
        """
        events = []
        for item in items:
            if isinstance(item, Poison):
                self._poison(item)
            else:
                events.append(item)
        self._emit(events)
        if self._raw_producer.flush(_FLUSH_TIMEOUT):
            raise DemoError("the embedded broker does not take messages")

    def _emit(self, events: Sequence[EventValue]) -> None:
        if not events:
            return
        lines = "".join(DeployEvent.from_value(event).model_dump_json() + "\n" for event in events)
        try:
            done = subprocess.run(  # noqa: S603 - our own command
                _EMIT,
                input=lines.encode(),
                env=self._environ,
                capture_output=True,
                check=False,
                timeout=_TIMEOUT,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired as error:
            raise DemoError(f"candora-ci emit has not ended within {_TIMEOUT:g} s") from error
        if done.returncode:
            raise DemoError(f"candora-ci emit ended with code {done.returncode}: {done.stderr.decode().strip()}")

    def _poison(self, poison: Poison) -> None:
        if poison.misplaced:
            partition = (partition_of(poison.key, PARTITIONS) + 1) % PARTITIONS
            self._raw_producer.produce(TOPIC, key=poison.key, value=poison.value, partition=partition)
        else:
            self._raw_producer.produce(TOPIC, key=poison.key, value=poison.value)
