"""What the searches found at the edges of the core, each as small as it could be made."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from schemas.errors import InvalidEvent
from schemas.events import parse_event
from schemas.values import DAY
from streams.core.partition_state import PartitionState
from streams.core.settings import MetricSettings
from streams.replay.event_file import read_events
from streams.settings.installation import WorkerSettings
from streams.worker.outputs import OutputEncoder
from tests.support import events

EVENT: Final = {
    "event_id": "1ca7beda-8189-5879-88f0-921bb32c06b2",
    "event_type": "commit_created",
    "occurred_at": "2026-01-05T09:00:00Z",
    "service": "a",
    "commit_sha": "a" * 40,
}


@pytest.mark.parametrize("number", [2**63, 10**30, 10**400])
def test_a_number_of_more_than_64_bits_is_refused_when_it_is_read(number: int) -> None:
    """Else what is computed on the event fails: its fingerprint, or the check of the number itself."""
    source: dict[str, Any] = {**EVENT, "source": {"system": "x", "attempt": number}}
    for given in (source, json.dumps(source)):
        with pytest.raises(InvalidEvent, match=r"source\.attempt"):
            parse_event(given)
    with pytest.raises(InvalidEvent, match=r"source\.attempt"):
        list(read_events([json.dumps(source)]))


def test_half_a_character_is_refused_when_it_is_read() -> None:
    with pytest.raises(InvalidEvent, match=r"source\.system"):
        parse_event({**EVENT, "source": {"system": "\ud800"}})


def test_two_records_never_share_a_key(tmp_path: Path) -> None:
    """On a compacted topic one of the two would be lost: service a, incident b/c and service a/b, incident c."""
    partition_state = PartitionState(0, MetricSettings())
    at = events.DAY_1
    found = [
        events.opened("b/c", at, service="a"),
        events.opened("c", at, service="a/b"),
        events.promoted("b/c", at, service="a", env="prod"),
        events.promoted("c", at, service="a/prod", env="b"),
        events.commit("c0", at, service="a", change="b/c"),
        events.commit("c0", at, service="a/b", change="c"),
    ]
    for offset, event in enumerate(found):
        partition_state.read(event, at + DAY, offset)
    outputs = OutputEncoder(WorkerSettings(data_dir=tmp_path))
    keys = [(one.topic, one.key) for one in outputs.messages(partition_state.collect(), [])]
    assert len(keys) == len(set(keys))
