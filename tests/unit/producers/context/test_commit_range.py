"""`candora-ci emit` in real git repositories: which commits are reported, and what `candora compute` makes of them."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import pytest

from producers import cli
from producers.context import commit_range
from producers.context.git import Git
from streams import cli as streams_cli
from tests.support.repository import DAY, Repository

HOUR: Final = 3600.0
AT: Final = f"{DAY}T23:00:00Z"
GITHUB: Final = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/shop", "GITHUB_RUN_ID": "7"}
PULL: Final = {**GITHUB, "GITHUB_REF": "refs/pull/12/merge", "GITHUB_BASE_REF": "main"}
MAIN: Final = {**GITHUB, "GITHUB_REF": "refs/heads/main"}
PROMOTED: Final = ("canary_promoted", "--env", "prod", "--occurred-at", f"{DAY}T18:00:00Z")


class Emitted(NamedTuple):
    """The events of a dry run, and what was said."""

    events: list[dict[str, Any]]
    said: str

    @property
    def shas(self) -> list[str]:
        return [event["commit_sha"] for event in self.events]


class Emit(Protocol):
    def __call__(
        self, where: Repository, environ: Mapping[str, str], *argv: str, event: object = None, code: int = 0
    ) -> Emitted: ...


@pytest.fixture
def emit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Emit:
    """Run the command as a job of this environment does, in this working copy, without sending anything."""

    def run(where: Repository, environ: Mapping[str, str], *argv: str, event: object = None, code: int = 0) -> Emitted:
        with monkeypatch.context() as patch:
            patch.chdir(where.folder)
            for name in (
                "GITHUB_ACTIONS",
                "GITLAB_CI",
                "CI",
                "GITHUB_OUTPUT",
                "GITHUB_STEP_SUMMARY",
                "GITHUB_EVENT_PATH",
            ):
                patch.delenv(name, raising=False)
            for name, value in environ.items():
                patch.setenv(name, value)
            if event is not None:
                (tmp_path / "event.json").write_text(json.dumps(event))
                patch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
            assert cli.main(["emit", *argv, "--dry-run"]) == code
        shown = capsys.readouterr()
        return Emitted([json.loads(line) for line in shown.out.splitlines()], shown.err)

    return run


@pytest.fixture
def leads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, float | None, float | None]]:
    """What `candora compute` says of events: the number of lead times of shop in prod, median and 90th percentile."""

    def compute(*runs: Emitted) -> tuple[int, float | None, float | None]:
        file = tmp_path / "events.jsonl"
        file.write_text("".join(json.dumps(event) + "\n" for run in runs for event in run.events))
        assert streams_cli.main(["compute", str(file), "--at", AT, "--json"]) == 0
        numbers = json.loads(capsys.readouterr().out)["services"]["shop/prod"]
        return numbers["lead_count"], numbers["lead_p50"], numbers["lead_p90"]

    return compute


Leads = Callable[..., tuple[int, float | None, float | None]]


@pytest.fixture
def origin(tmp_path: Path) -> Repository:
    return Repository.new(tmp_path / "origin")


def _opened(origin: Repository, name: str, *, base: str | None = None, **more: Any) -> dict[str, Any]:
    """The event file of a pull request's job."""
    sides = {"head": {"sha": origin.head(name)}, "base": {"sha": base or origin.head("main")}}
    return {"number": 12, "pull_request": {"number": 12, **sides, **more}, "repository": {"default_branch": "main"}}


def _pushed(before: str) -> dict[str, Any]:
    return {"before": before, "repository": {"default_branch": "main"}}


def test_a_merged_request_begins_with_its_first_commit(
    origin: Repository, emit: Emit, leads: Leads, tmp_path: Path
) -> None:
    before = origin.head()
    first, second = origin.feature("tea", "09:00", "10:00")
    merge = origin.merge("tea", "12:00", "Merge pull request #12 from acme/tea")
    job = origin.clone(tmp_path / "job")

    made = emit(job, {**MAIN, "GITHUB_SHA": merge}, "commit_created", event=_pushed(before))
    promoted = emit(job, {**MAIN, "GITHUB_SHA": merge}, *PROMOTED, "--since", before)

    assert made.shas == [merge, second, first]
    assert {event["change_id"] for event in made.events} == {"acme/shop#12"}
    assert [event["commit"].get("merge_sha") for event in made.events] == [None, merge, merge]
    assert [event["occurred_at"][11:16] for event in made.events] == ["12:00", "10:00", "09:00"]
    assert promoted.events[0]["canary"]["included_shas"] == [merge, second, first]
    assert leads(made, promoted) == (1, 9 * HOUR, 9 * HOUR)
    # A promotion that lists nothing still carries the change of its own commit.
    assert leads(made, emit(job, {**MAIN, "GITHUB_SHA": merge}, *PROMOTED)) == (1, 9 * HOUR, 9 * HOUR)


def test_a_squashed_request_begins_with_the_first_commit_that_its_own_job_saw(
    origin: Repository, emit: Emit, leads: Leads, tmp_path: Path
) -> None:
    before = origin.head()
    commits = origin.feature("tea", "09:00", "10:00")
    origin.trial_merge("tea", 12, "10:30")
    job = origin.clone(tmp_path / "request", ref="refs/pull/12/merge")
    opened = emit(job, PULL, "commit_created", event=_opened(origin, "tea"))
    squashed = origin.squash("tea", "12:00", "Add tea (#12)")
    landed = origin.clone(tmp_path / "landed", depth=1)

    made = emit(landed, {**MAIN, "GITHUB_SHA": squashed}, "commit_created", event=_pushed(before))
    promoted = emit(landed, {**MAIN, "GITHUB_SHA": squashed}, *PROMOTED)

    assert opened.shas == commits[::-1]
    assert made.shas == [squashed]
    assert {event["change_id"] for event in opened.events + made.events} == {"acme/shop#12"}
    assert "history_complete" not in made.events[0]["attributes"]
    assert leads(opened, made, promoted) == (1, 9 * HOUR, 9 * HOUR)
    assert leads(made, promoted) == (1, 6 * HOUR, 6 * HOUR)  # what a squash alone can tell


def test_a_rebased_request_is_joined_by_the_job_of_its_merge(
    origin: Repository, emit: Emit, leads: Leads, tmp_path: Path
) -> None:
    before = origin.head()
    old = origin.feature("tea", "09:00", "10:00")
    origin.git("checkout", "-q", "main")
    origin.commit("11:00", "meanwhile", {"other": "1"})
    origin.git("branch", "-q", "tea-as-it-was", "tea")
    closed = _opened(origin, "tea", base=before, merged_at=AT)
    new = origin.rebase("tea", "12:00")
    closed["pull_request"]["merge_commit_sha"] = new[-1]
    job = origin.clone(tmp_path / "job")

    merged = emit(job, {**PULL, "GITHUB_REF": "refs/heads/main"}, "commit_created", event=closed)
    made = emit(job, {**MAIN, "GITHUB_SHA": new[-1]}, "commit_created", event=_pushed(before))
    promoted = emit(job, {**MAIN, "GITHUB_SHA": new[-1]}, *PROMOTED)

    unknown = emit(job, {**PULL, "GITHUB_REF": "refs/heads/main", "GIT_DIR": "nowhere"}, "commit_created", event=closed)

    assert merged.shas == old[::-1]
    assert (unknown.shas, unknown.events[0]["commit"]["merge_sha"]) == (old[-1:], new[-1])
    assert {event["commit"]["merge_sha"] for event in merged.events} == {new[-1]}
    assert made.shas[:2] == new[::-1]
    assert leads(merged, made, promoted) == (1, 9 * HOUR, 9 * HOUR)
    assert leads(made, promoted) == (1, 6 * HOUR, 6 * HOUR)  # git alone sees the time of the rebase


def test_a_merge_request_of_gitlab_is_named_as_its_webhook_names_it(
    origin: Repository, emit: Emit, leads: Leads, tmp_path: Path
) -> None:
    before = origin.head()
    origin.feature("tea", "09:00")
    merge = origin.merge("tea", "12:00", "Merge branch 'tea' into 'main'\n\nAdd tea\n\nSee merge request acme/shop!12")
    job = origin.clone(tmp_path / "job")
    environ = {"GITLAB_CI": "true", "CI_PROJECT_PATH": "acme/shop", "CI_COMMIT_SHA": merge, "CI_COMMIT_BRANCH": "main"}

    made = emit(job, {**environ, "CI_COMMIT_BEFORE_SHA": before}, "commit_created")

    assert {event["change_id"] for event in made.events} == {"acme/shop!12"}
    assert leads(made, emit(job, environ, *PROMOTED)) == (1, 9 * HOUR, 9 * HOUR)


def test_what_a_request_merged_from_its_target_is_not_its_own(origin: Repository, emit: Emit, tmp_path: Path) -> None:
    stale = origin.head()
    first = origin.feature("tea", "09:00")[0]
    origin.git("checkout", "-q", "main")
    origin.commit("09:30", "somebody else's", {"other": "1"})
    origin.git("checkout", "-q", "tea")
    origin.git("merge", "-q", "--no-ff", "-m", "Merge branch 'main' into tea", "main", at="10:00")
    job = origin.clone(tmp_path / "job", ref="refs/heads/tea")

    assert emit(job, PULL, "commit_created", event=_opened(origin, "tea", base=stale)).shas == [
        origin.head("tea"),
        first,
    ]


def test_a_job_that_runs_again_after_the_merge_says_the_same(origin: Repository, emit: Emit, tmp_path: Path) -> None:
    opened = _opened(origin, "main")
    commits = origin.feature("tea", "09:00", "10:00")
    opened["pull_request"]["head"] = {"sha": commits[-1]}
    origin.merge("tea", "12:00", "Merge pull request #12 from acme/tea")
    job = origin.clone(tmp_path / "job")

    first, again = (emit(job, PULL, "commit_created", event=opened) for _ in range(2))

    assert first.shas == commits[::-1]
    assert [event["event_id"] for event in first.events] == [event["event_id"] for event in again.events]


def test_in_a_clone_of_the_trial_merge_alone_the_head_is_found_and_nothing_is_guessed(
    origin: Repository, emit: Emit, tmp_path: Path
) -> None:
    commits = origin.feature("tea", "09:00", "10:00")
    origin.trial_merge("tea", 12, "10:30")
    job = origin.clone(tmp_path / "job", depth=1, ref="refs/pull/12/merge")

    shallow = emit(job, PULL, "commit_created")
    fetched = emit(job, PULL, "commit_created", "--fetch-history")

    assert shallow.shas == [commits[-1]]
    assert shallow.events[0]["attributes"]["history_complete"] == "false"
    assert "fetch-depth: 0" in shallow.said
    assert shallow.said.count("::warning title=candora-ci::") == 1
    assert fetched.shas == commits[::-1]
    assert "history_complete" not in fetched.events[0]["attributes"]


def test_of_a_merge_that_jenkins_made_the_request_is_the_first_side(
    origin: Repository, emit: Emit, tmp_path: Path
) -> None:
    commits = origin.feature("tea", "09:00", "10:00")
    origin.git("checkout", "-q", "main")
    base = origin.commit("10:10", "meanwhile", {"other": "1"})
    job = origin.clone(tmp_path / "job", ref="refs/heads/tea")
    job.git("merge", "-q", "--no-ff", "-m", f"Merge commit '{base}' into HEAD", base, at="10:30")
    environ = {"JENKINS_URL": "https://jenkins.example", "GIT_URL": "https://git.example/acme/shop.git"}

    made = emit(
        job, {**environ, "CHANGE_ID": "12", "CHANGE_TARGET": "main", "GIT_COMMIT": job.head()}, "commit_created"
    )

    assert made.shas == commits[::-1]
    assert {event["change_id"] for event in made.events} == {"acme/shop#12"}


@pytest.mark.parametrize(("depth", "complete"), [(2, False), (3, False), (4, True)])
def test_a_clone_that_is_deep_enough_counts_as_whole(
    origin: Repository, emit: Emit, tmp_path: Path, depth: int, complete: bool
) -> None:
    commits = origin.feature("tea", "09:00", "10:00", "11:00")
    job = origin.clone(tmp_path / "job", depth=depth, ref="refs/heads/tea")

    made = emit(job, {**PULL, "GITHUB_SHA": "0"}, "commit_created", event=_opened(origin, "tea"))

    assert made.shas == (commits[::-1] if complete else commits[-1:])
    assert [event["attributes"].get("history_complete") for event in made.events] == [
        None if complete else "false"
    ] * len(made.shas)


def test_a_merge_whose_other_side_is_not_cloned_stands_alone(origin: Repository, emit: Emit, tmp_path: Path) -> None:
    before = origin.head()
    origin.feature("tea", "09:00")
    merge = origin.merge("tea", "12:00", "Merge pull request #12 from acme/tea")
    job = origin.clone(tmp_path / "job", depth=1)

    made = emit(job, {**MAIN, "GITHUB_SHA": merge}, "commit_created", event=_pushed(before))

    assert made.shas == [merge]
    assert made.events[0]["attributes"]["history_complete"] == "false"
    assert len(made.events[0]["commit"]["parents"]) == 2


def test_in_a_shallow_clone_no_commits_are_listed_as_included(origin: Repository, emit: Emit, tmp_path: Path) -> None:
    before = origin.head()
    origin.feature("tea", "09:00", "10:00")
    merge = origin.merge("tea", "12:00", "Merge pull request #12 from acme/tea")
    job = origin.clone(tmp_path / "job", depth=2)

    [event] = emit(job, {**MAIN, "GITHUB_SHA": merge}, *PROMOTED, "--since", before).events

    assert "canary" not in event
    assert event["attributes"]["history_complete"] == "false"


def test_the_last_promotion_is_found_by_the_tag_that_it_left(origin: Repository, emit: Emit, tmp_path: Path) -> None:
    origin.git("tag", "promoted/1")
    origin.commit("09:00", "one", {"a": "1"})
    origin.git("tag", "promoted/2")
    newest = origin.commit("10:00", "two", {"a": "2"})
    origin.git("tag", "promoted/3")
    job = origin.clone(tmp_path / "job")

    emitted = emit(job, {**MAIN, "GITHUB_SHA": newest}, *PROMOTED, "--since-tag", "promoted/*", "--explain")

    assert emitted.events[0]["canary"]["included_shas"] == [newest]
    assert "--since-tag promoted/*: promoted/2" in emitted.said


def test_a_tag_that_nobody_made_is_said_and_nothing_is_listed(origin: Repository, emit: Emit, tmp_path: Path) -> None:
    job = origin.clone(tmp_path / "job")

    emitted = emit(job, {**MAIN, "GITHUB_SHA": job.head()}, *PROMOTED, "--since-tag", "promoted/*")

    assert "canary" not in emitted.events[0]
    assert "has a tag promoted/*, so only its own change is carried" in emitted.said
    assert "history_complete" not in emitted.events[0]["attributes"]


def test_a_deployment_of_what_runs_already_lists_nothing_new(origin: Repository, emit: Emit, tmp_path: Path) -> None:
    job = origin.clone(tmp_path / "job")

    [event] = emit(job, {**MAIN, "GITHUB_SHA": job.head()}, *PROMOTED, "--since", "HEAD").events

    assert event["canary"]["included_shas"] == []


def test_more_commits_than_a_message_holds_are_cut_and_said(
    origin: Repository, emit: Emit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_range, "MAX_INCLUDED", 2)
    monkeypatch.setattr(commit_range, "MAX_COMMITS", 2)
    before = origin.head()
    commits = origin.feature("tea", "09:00", "10:00", "11:00")
    job = origin.clone(tmp_path / "job", ref="refs/heads/tea")

    promoted = emit(job, {**MAIN, "GITHUB_SHA": commits[-1]}, *PROMOTED, "--since", before)
    made = emit(job, PULL, "commit_created", event=_opened(origin, "tea"))

    assert promoted.events[0]["canary"]["included_shas"] == [commits[2], commits[1]]
    assert "only the newest 2 commits" in promoted.said
    assert made.shas == [commits[2], commits[0]]  # the first is where lead time starts
    assert "more than 2 commits" in made.said


SERVICES: Final = """\
services:
  shop: [services/shop, "libs/**/*.py"]
  cart:
    - services/cart/**
    - "!**/*.md"
"""


def test_in_a_monorepo_a_commit_is_reported_once_for_each_service_that_it_touches(
    origin: Repository, emit: Emit, leads: Leads, tmp_path: Path
) -> None:
    before = origin.commit("08:30", "services", {"candora.yaml": SERVICES})
    origin.branch("tea")
    for hour, files in (
        ("09:00", {"services/shop/a": "1"}),
        ("10:00", {"services/cart/a": "1", "libs/money/int/a.py": "1"}),
        ("10:30", {"services/cart/README.md": "1", "docs/a": "1"}),
    ):
        origin.commit(hour, hour, files)
    merge = origin.merge("tea", "12:00", "Merge pull request #12 from acme/tea")
    job = origin.clone(tmp_path / "job")
    environ = {**MAIN, "GITHUB_SHA": merge}

    made = emit(job, environ, "commit_created", "--explain", event=_pushed(before))
    promoted = emit(job, environ, *PROMOTED, "--service", "shop", "--service", "cart")
    tested = emit(job, environ, "tests_passed", event=_pushed(before))

    assert [(event["occurred_at"][11:16], event["service"]) for event in made.events] == [
        ("12:00", "shop"), ("12:00", "cart"), ("10:00", "shop"), ("10:00", "cart"), ("09:00", "shop"),
    ]  # fmt: skip
    assert len({event["event_id"] for event in made.events}) == 5
    assert "touches no service of candora.yaml" in made.said
    assert [event["service"] for event in promoted.events] == ["shop", "cart"]
    assert [event["service"] for event in tested.events] == ["shop", "cart"]
    assert leads(made, promoted) == (1, 9 * HOUR, 9 * HOUR)


def test_commits_that_touch_no_service_are_no_events_and_a_rollout_must_name_its_service(
    origin: Repository, emit: Emit, tmp_path: Path
) -> None:
    origin.commit("08:30", "services", {"candora.yaml": SERVICES})
    origin.commit("09:00", "words", {"docs/a": "1"})
    job = origin.clone(tmp_path / "job")
    environ = {**MAIN, "GITHUB_SHA": job.head()}

    nothing = emit(job, environ, "commit_created")
    refused = emit(job, environ, *PROMOTED, code=2)

    assert nothing.events == []
    assert "no event: " in nothing.said
    assert "canary_promoted needs a service: --service or CANDORA_SERVICE, one of shop, cart" in refused.said


@pytest.mark.parametrize("ref", ["refs/heads/tea", "refs/pull/12/merge"])
def test_in_a_shallow_monorepo_no_service_is_guessed(origin: Repository, emit: Emit, tmp_path: Path, ref: str) -> None:
    origin.commit("08:30", "services", {"candora.yaml": SERVICES, "services/cart/a": "1"})
    origin.branch("tea")
    origin.commit("09:00", "shop only", {"services/shop/a": "1"})
    origin.trial_merge("tea", 12, "10:30")
    job = origin.clone(tmp_path / "job", depth=1, ref=ref)

    for kind in ("commit_created", "tests_passed"):
        shallow = emit(job, PULL, kind, event=_opened(origin, "tea"))
        assert shallow.events == []
        assert f"{kind} is reported for no service" in shallow.said
    fetched = emit(job, PULL, "commit_created", "--fetch-history", event=_opened(origin, "tea"))
    assert [event["service"] for event in fetched.events] == ["shop"]


def test_git_that_hangs_is_given_up(
    origin: Repository, emit: Emit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setattr("producers.context.sources.Git", partial(Git, limit=0.2))

    emitted = emit(
        origin, {**MAIN, "PATH": f"{tmp_path}:/usr/bin:/bin"}, "canary_started", "--env", "prod", "--explain"
    )

    assert "takes too long" in emitted.said
    assert emitted.events[0]["deployment_id"] == "7"


def test_a_rename_touches_where_it_came_from_too(origin: Repository, emit: Emit, tmp_path: Path) -> None:
    origin.commit("08:30", "services", {"candora.yaml": SERVICES, "services/cart/größe": "same " * 50})
    origin.git("mv", "services/cart/größe", "libs")
    origin.commit("09:00", "Verschiebe die Größe 🛒")
    job = origin.clone(tmp_path / "job")

    [event] = emit(job, {**MAIN, "GITHUB_SHA": job.head()}, "commit_created").events

    assert event["service"] == "cart"
    assert event["commit"]["author"] == "Ann Åkesson"


def test_an_octopus_brings_in_all_its_sides_and_an_empty_commit_is_a_commit(
    origin: Repository, emit: Emit, tmp_path: Path
) -> None:
    before = origin.head()
    one, two = origin.feature("one", "09:00")[0], origin.feature("two", "10:00")[0]
    origin.git("checkout", "-q", "main")
    origin.git("merge", "-q", "--no-ff", "-m", "all of it", "one", "two", at="12:00")
    octopus = origin.head()
    empty = origin.commit("13:00", "nothing")
    job = origin.clone(tmp_path / "job")

    made = emit(job, {**MAIN, "GITHUB_SHA": empty}, "commit_created", event=_pushed(before))

    assert made.shas == [empty, octopus, two, one]
    assert [event["commit"].get("merge_sha") for event in made.events] == [None, None, octopus, octopus]


def test_a_merge_of_the_main_branch_elsewhere_brings_in_nothing(origin: Repository, emit: Emit, tmp_path: Path) -> None:
    origin.feature("tea", "09:00")
    origin.git("checkout", "-q", "main")
    origin.commit("09:30", "somebody else's", {"other": "1"})
    origin.git("checkout", "-q", "tea")
    origin.git("merge", "-q", "--no-ff", "-m", "Merge branch 'main' into tea", "main", at="10:00")
    job = origin.clone(tmp_path / "job", ref="refs/heads/tea")
    environ = {**GITHUB, "GITHUB_REF": "refs/heads/tea", "GITHUB_SHA": job.head()}

    assert emit(job, environ, "commit_created").shas == [job.head()]


def test_a_commit_from_a_clock_that_is_wrong_is_left_out_and_said(
    origin: Repository, emit: Emit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = origin.feature("tea", "09:00")[0]
    origin.git("-c", "user.name=x", "commit", "-q", "--allow-empty", "-m", "from the future", at="10:00")
    monkeypatch.setattr("tests.support.repository.DAY", "2099-01-05")
    future = origin.commit("11:00", "later", {"x": "1"})
    job = origin.clone(tmp_path / "job", ref="refs/heads/tea")

    made = emit(job, PULL, "commit_created", event=_opened(origin, "tea"))

    assert future not in made.shas
    assert first in made.shas
    assert f"{future} is left out: " in made.said


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"PATH": ""}, "git is not installed here"),
        ({"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}, "git config --global --add safe.directory"),
        ({"GIT_DIR": "nowhere"}, "no git repository"),
    ],
)
def test_without_git_it_is_said_what_is_missing_and_the_rest_is_reported(
    origin: Repository, emit: Emit, environ: dict[str, str], says: str
) -> None:
    told = {"GITHUB_SHA": origin.head()}

    assert says in emit(origin, {**MAIN, **told, **environ}, "commit_created", "--explain").said
    assert emit(origin, {**MAIN, **told, **environ}, "tests_passed").events[0]["commit_sha"] == origin.head()
    assert says in emit(origin, {**MAIN, **environ}, "commit_created", code=2).said


def test_the_commit_of_a_job_is_not_each_of_its_commits(origin: Repository, emit: Emit, tmp_path: Path) -> None:
    commits = origin.feature("tea", "09:00", "10:00")
    job = origin.clone(tmp_path / "job", ref="refs/heads/tea")
    environ = {"CANDORA_CI": "tekton", "CANDORA_SHA": commits[-1], "CANDORA_REPO": "acme/shop"}

    made = emit(job, {**environ, "CANDORA_CHANGE": "acme/shop#12", "CANDORA_BASE_BRANCH": "main"}, "commit_created")

    assert made.shas == commits[::-1]
    assert {event["change_id"] for event in made.events} == {"acme/shop#12"}
    assert (
        "given by environment CANDORA_SHA" in emit(job, {**environ, "CANDORA_SHA": "tea"}, "tests_passed", code=2).said
    )


def test_a_branch_without_a_request_is_told_from_the_one_that_it_left(
    origin: Repository, emit: Emit, tmp_path: Path
) -> None:
    commits = origin.feature("tea", "09:00", "10:00")
    job = origin.clone(tmp_path / "job", ref="refs/heads/tea")
    environ = {"CIRCLECI": "true", "CIRCLE_SHA1": commits[-1], "CIRCLE_BRANCH": "tea", "CANDORA_REPO": "acme/shop"}

    assert emit(job, environ, "commit_created").shas == commits[-1:]
    made = emit(job, {**environ, "CANDORA_DEFAULT_BRANCH": "main"}, "commit_created")
    assert made.shas == commits[::-1]
    assert all("change_id" not in event for event in made.events)


def test_a_commit_that_is_named_stands_alone(origin: Repository, emit: Emit, tmp_path: Path) -> None:
    first, _ = origin.feature("tea", "09:00", "10:00")
    job = origin.clone(tmp_path / "job", ref="refs/heads/tea")

    [event] = emit(job, PULL, "commit_created", "--sha", first.upper(), event=_opened(origin, "tea")).events

    assert (event["commit_sha"], event["occurred_at"][11:16]) == (first, "09:00")
    assert event["change_id"] == "acme/shop#12"


def _kinds() -> Sequence[tuple[str, Sequence[str]]]:
    return [
        ("rollback_triggered", ["--env", "prod"]),
        ("incident_opened", ["--env", "prod", "--incident", "I-1"]),
        ("incident_resolved", ["--incident", "I-1"]),
    ]


@pytest.mark.parametrize(("kind", "flags"), _kinds())
def test_what_a_job_builds_is_not_what_is_rolled_back_or_broken(
    origin: Repository, emit: Emit, kind: str, flags: Sequence[str]
) -> None:
    [event] = emit(origin, {**MAIN, "GITHUB_SHA": origin.head()}, kind, *flags).events

    assert {"commit_sha", "deployment_id", "change_id"}.isdisjoint(event)
    assert event["source"]["run_id"] == "7"


def test_a_run_that_is_run_again_reports_tests_once_and_deploys_twice(origin: Repository, emit: Emit) -> None:
    first, again = ({**MAIN, "GITHUB_SHA": origin.head(), "GITHUB_RUN_ATTEMPT": n} for n in ("1", "2"))

    def ids(*argv: str) -> set[str]:
        return {emit(origin, environ, *argv).events[0]["event_id"] for environ in (first, again)}

    assert len(ids("tests_passed")) == 1
    assert len(ids("commit_created")) == 1
    assert len(ids("canary_promoted", "--env", "prod")) == 2
    assert len(ids("rollback_triggered", "--env", "prod")) == 2


def test_the_start_and_the_promotion_of_one_run_are_one_deployment(origin: Repository, emit: Emit) -> None:
    environ = {**MAIN, "GITHUB_SHA": origin.head()}
    kinds = ("canary_started", "canary_promoted")

    assert {emit(origin, environ, kind, "--env", "prod").events[0]["deployment_id"] for kind in kinds} == {"7"}
