"""From GitHub's and GitLab's deliveries to the three numbers, in memory."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import pytest

from schemas.values import DAY, SECOND, Micros
from streams.core.settings import MetricSettings
from streams.replay.compute import EnvironmentNumbers, compute
from tests.support.deliveries import become

JUDGED: Final[Micros] = 1_772_668_800 * SECOND  # 2026-03-05, a day and more after all of it
HOUR: Final = 3_600.0


def numbers(source: str, deliveries: Iterable[str]) -> EnvironmentNumbers:
    """The numbers of shop-api in prod once everything that was delivered is judged."""
    events = [event.value for name in deliveries for event in become(source, name).events]
    answer, _ = compute(events, JUDGED, MetricSettings(), 30 * DAY)
    return answer["services"]["shop-api/prod"]


class Story(NamedTuple):
    """Deliveries and what must be among the numbers."""

    name: str
    source: str
    deliveries: list[str]
    answer: dict[str, Any]


DEPLOYED: Final = ["deployment_status-in_progress", "deployment_status-success"]
ROLLED_BACK: Final = ["deployment_status-rollback-in_progress", "deployment_status-rollback"]

STORIES: Final = [
    Story(
        "a squashed request counts from when it was opened",
        "github",
        ["pull_request-merged", "push-squash", *DEPLOYED],
        {"judged": 1, "failed": 0, "deployments_total": 1, "lead_count": 1, "lead_p50": 19 * HOUR + 25 * 60},
    ),
    Story(
        "without the request only the squashed commit is known",
        "github",
        ["push-squash", *DEPLOYED],
        {"judged": 1, "lead_count": 1, "lead_p50": 25 * 60},
    ),
    Story(
        "a rollback makes the deployment that it takes back a failed one",
        "github",
        ["pull_request-merged", "push-squash", *DEPLOYED, *ROLLED_BACK],
        {"judged": 1, "failed": 1, "reasons": {"rollback": 1}, "deployments_total": 1, "lead_count": 1},
    ),
    Story(
        "a status of failure is no failed deployment and none that succeeded: it never finishes",
        "github",
        ["deployment_status-in_progress", "deployment_status-failure"],
        {"judged": 0, "failed": 0, "abandoned": 1},
    ),
    Story(
        "a merge request and a deployment of GitLab's",
        "gitlab",
        ["merge_request-merged", "deployment-running", "deployment-success"],
        {"judged": 1, "failed": 0, "lead_count": 1, "lead_p50": 19 * HOUR + 25 * 60},
    ),
    Story(
        "an incident fails the deployment only once it is graded",
        "gitlab",
        ["deployment-running", "deployment-success", "incident-open", "incident-close"],
        {"judged": 1, "failed": 1, "restore_count": 1, "restore_mean": 40 * 60.0},
    ),
    Story(
        "one that nobody graded fails nothing",
        "gitlab",
        ["deployment-running", "deployment-success", "incident-open"],
        {"judged": 1, "failed": 0, "open": 1},
    ),
    Story(
        "a grade that comes as an update counts from the opening",
        "gitlab",
        ["deployment-running", "deployment-success", "incident-open", "incident-graded"],
        {"judged": 1, "failed": 1, "open": 1},
    ),
    Story(
        "an incident that is opened again is open twice",
        "gitlab",
        ["incident-open", "incident-graded", "incident-close", "incident-reopen"],
        {"open": 1, "restore_count": 0},
    ),
    Story(
        "a canary of CDEvents and its promotion are one deployment",
        "cdevents",
        ["canary-started", "service-upgraded"],
        {"judged": 1, "failed": 0, "deployments_total": 1},
    ),
    Story(
        "its rollback is for the last one, for it says no other",
        "cdevents",
        ["canary-started", "service-rolledback-bare"],
        {"judged": 1, "failed": 1},
    ),
    Story(
        "Argo's abort is told twice and counts once",
        "argo_rollouts",
        ["started", "analysis-failed", "analysis-failed-again"],
        {"judged": 1, "failed": 1, "reasons": {"canary_rollback": 1}},
    ),
    Story(
        "where Argo tells of a way back, it is for the revision before",
        "argo_rollouts",
        ["started", "completed", "completed-way-back"],
        {"judged": 1, "failed": 1, "reasons": {"rollback": 1}},
    ),
    Story(
        "Flagger's failed canary is one failed deployment",
        "flagger",
        ["event-new-revision", "event-started", "event-advance", "event-rolling-back", "event-failed"],
        {"judged": 1, "failed": 1, "reasons": {"canary_rollback": 1}},
    ),
    Story(
        "Flagger's promotion",
        "flagger",
        ["event-new-revision", "event-started", "event-advance", "event-promoted"],
        {"judged": 1, "failed": 0, "deployments_success_total": 1},
    ),
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
@pytest.mark.parametrize("order", [1, -1], ids=["in order", "backwards"])
def test_the_numbers_of_a_story(story: Story, order: int) -> None:
    found = numbers(story.source, story.deliveries[::order])

    assert {name: value for name, value in found.items() if name in story.answer} == story.answer


def test_all_commits_of_a_merge_commit_are_one_change_from_the_first_of_them() -> None:
    events = [event.value for event in become("github", "push-merge-commit").events]

    assert {event["change_id"] for event in events} == {"acme/shop-api#41"}
    assert [event["occurred_at"] for event in events] == sorted(event["occurred_at"] for event in events)


def test_two_merges_in_one_push_are_not_guessed_apart() -> None:
    assert {event.value["change_id"] for event in become("github", "push-two-merges").events} == {None}
