"""The topics that a worker needs before it starts."""

import pytest

from schemas.topics import load_topics
from streams.settings.installation import WorkerSettings
from streams.worker.preflight import TopicsError, event_partitions

SETTINGS = WorkerSettings(topic_prefix="eu-", app_id="w")


def topics(**changes: int) -> dict[str, int]:
    named = {f"eu-{topic.name}": 4 for topic in load_topics()}
    return named | {"w-state-changelog": 4, "w-__assignor-__leader": 1} | {f"eu-{k}": v for k, v in changes.items()}


def test_topics_that_fit_say_how_many_partitions_there_are() -> None:
    assert event_partitions(SETTINGS, topics()) == 4


def test_missing_topics_are_named() -> None:
    found = topics()
    del found["eu-changes"], found["w-state-changelog"]
    with pytest.raises(TopicsError, match="no topic eu-changes, w-state-changelog: create it with"):
        event_partitions(SETTINGS, found)


def test_state_and_events_must_have_as_many_partitions() -> None:
    said = r"w-state-changelog has 4 partitions, eu-deploy_events has 5: they must be equal.*begin another log"
    with pytest.raises(TopicsError, match=said):
        event_partitions(SETTINGS, topics(deploy_events=5))
