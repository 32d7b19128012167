"""The topics, as data: one file per topic under `schemas/topics`."""

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of the contract. `name` is without the prefix of an installation; see `topic_name`."""

    name: str
    description: str
    key: str
    """What the message key is made of; raw UTF-8."""
    record: str
    """The record in its values, as `schemas.codec.codec.load_schema` names it."""
    partitions: int
    """How many it is made with."""
    partitions_change: str
    """Whether that number may ever change, and why not."""
    config: dict[str, str]
    """Kafka's settings of the topic, as text."""
    producers: tuple[str, ...]
    consumers: tuple[str, ...]

    @property
    def compacted(self) -> bool:
        """Whether the broker keeps the last record of each key, rather than all of them for a time."""
        return self.config["cleanup.policy"] == "compact"

    @classmethod
    def from_json(cls, text: str) -> "Topic":
        """Return the topic of one file; TypeError or ValueError if the file is not of that shape."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**{**fields, "producers": tuple(fields["producers"]), "consumers": tuple(fields["consumers"])})


@cache
def load_topics() -> tuple[Topic, ...]:
    """Return all topics of the contract, by name."""
    found = (files("schemas") / "topics").iterdir()
    texts = (file.read_text("utf-8") for file in found if file.name.endswith(".json"))
    return tuple(sorted((Topic.from_json(text) for text in texts), key=lambda topic: topic.name))


def topic_of(record: str) -> Topic:
    """Return the topic whose values are of `record`; LookupError if there is none."""
    for topic in load_topics():
        if topic.record == record:
            return topic
    problem = f"no topic of the contract holds {record!r}"
    raise LookupError(problem)


def topic_name(base: str, prefix: str) -> str:
    """Return the name of a topic in an installation; ValueError if Kafka would refuse it."""
    name = prefix + base
    if not _NAME.fullmatch(name):
        problem = f"{name!r} is no name for a Kafka topic: use at most 249 letters, digits and . _ -"
        raise ValueError(problem)
    return name
