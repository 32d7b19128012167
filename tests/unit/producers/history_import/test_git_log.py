"""`candora-ci history git` in real repositories: what is told of their commits, tags and branches."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from producers import cli
from schemas.values import SECOND, Micros
from tests.support.repository import DAY, Repository
from tests.unit.producers.history_import.runs import HOUR, Capture, history, numbers_of

NAMED = ("--service", "shop", "--repository-name", "acme/shop")
JUDGED: Micros = 1_767_787_200 * SECOND  # 2026-01-07T12:00:00Z


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    """v1 at 09:00; a merged request (10:00 to 12:00) and a squashed one, in v2, which was tagged at 15:00."""
    made = Repository.new(tmp_path / "shop")
    made.git("tag", "-a", "-m", "one", "v1", at="09:00")
    made.feature("tea", "10:00", "11:00")
    made.merge("tea", "12:00", "Merge pull request #7 from acme/tea")
    made.feature("cake", "12:30")
    made.squash("cake", "13:00", "Sell cake (#8)")
    made.git("tag", "-a", "-m", "two", "v2", at="15:00")
    return made


def test_a_tag_is_a_deployment_of_the_commits_since_the_tag_before(
    shop: Repository, tmp_path: Path, capsys: Capture
) -> None:
    ran = history(capsys, tmp_path / "out", "git", shop.folder, "--deploy-tags", "v*", *NAMED)

    assert ran.code == 0, ran.said
    first, second = ran.of("canary_promoted")
    assert (first["deployment_id"], first["occurred_at"]) == ("v1", f"{DAY}T09:00:00Z")
    assert "canary" not in first  # the first one inherits nothing
    assert (second["deployment_id"], second["occurred_at"]) == ("v2", f"{DAY}T15:00:00Z")
    assert set(second["canary"]["included_shas"]) == set(shop.git("rev-list", "v1..v2").split())
    numbers = numbers_of(ran.events, JUDGED, "shop/prod")
    # v1: its own commit, 08:00 to 09:00. v2: request 7 from 10:00 on, request 8 from its squash at 13:00 on.
    assert (numbers["judged"], numbers["failed"], numbers["lead_count"]) == (2, 0, 3)
    assert numbers["lead_p50"] == 2 * HOUR
    assert numbers["lead_p90"] == pytest.approx(2 * HOUR + 0.8 * 3 * HOUR)


def test_the_ids_are_those_of_the_jobs_that_report_from_now_on(
    shop: Repository, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = history(
        capsys, tmp_path / "out", "git", shop.folder, "--deploy-tags", "v*", *NAMED, "--source-system", "github"
    )
    job = shop.clone(tmp_path / "job")
    monkeypatch.chdir(job.folder)
    for name in ("GITHUB_EVENT_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITLAB_CI", "CI"):
        monkeypatch.delenv(name, raising=False)
    variables = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_RUN_ID": "7",
        "GITHUB_REF": "refs/heads/main",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    capsys.readouterr()
    assert cli.main(["emit", "commit_created", "--base", shop.head("v1"), "--service", "shop", "--dry-run"]) == 0
    live = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert len(live) == 4
    assert {event["event_id"] for event in live} <= ran.ids()
    # Both told: everything counts once.
    assert numbers_of([*ran.events, *live], JUDGED, "shop/prod") == numbers_of(ran.events, JUDGED, "shop/prod")


def test_every_merge_on_a_deploy_branch_is_a_deployment(shop: Repository, tmp_path: Path, capsys: Capture) -> None:
    ran = history(capsys, tmp_path / "out", "git", shop.folder, "--deploy-branch", "main", *NAMED)

    begin, merge, squash = ran.of("canary_promoted")
    assert [begin["occurred_at"][11:16], merge["occurred_at"][11:16], squash["occurred_at"][11:16]] == [
        "08:00",
        "12:00",
        "13:00",
    ]
    assert set(merge["canary"]["included_shas"]) == {
        merge["commit_sha"],
        *shop.git("rev-list", "refs/heads/tea").split(),
    } - {begin["commit_sha"]}
    assert squash["canary"]["included_shas"] == [squash["commit_sha"]]
    assert {event["change_id"] for event in ran.of("commit_created") if "change_id" in event} == {
        "acme/shop#7",
        "acme/shop#8",
    }


def test_a_tag_without_a_time_has_that_of_its_commit_and_the_summary_says_so(
    shop: Repository, tmp_path: Path, capsys: Capture
) -> None:
    shop.git("tag", "v3")
    ran = history(capsys, tmp_path / "out", "git", shop.folder, "--deploy-tags", "v*", *NAMED)

    assert ran.of("canary_promoted")[1]["deployment_id"] == "v3"  # before v2, which was tagged later
    assert "v3" in ran.summary["notes"][-1]
    assert "lead times are too short" in ran.said


def test_a_rollback_is_one_only_if_it_is_asked_for(shop: Repository, tmp_path: Path, capsys: Capture) -> None:
    shop.git("tag", "-a", "-m", "back", "rollback/v1", "v1", at="16:00")
    shop.commit("17:00", "Mend the cake")
    shop.git("tag", "-a", "-m", "three", "v3", at="18:00")
    without = history(capsys, tmp_path / "without", "git", shop.folder, "--deploy-tags", "v*", *NAMED)
    asked = ("--rollback-tags", "rollback/*")
    ran = history(capsys, tmp_path / "out", "git", shop.folder, "--deploy-tags", "v*", *asked, *NAMED)

    assert not without.of("rollback_triggered")
    [back] = ran.of("rollback_triggered")
    assert (back["deployment_id"], back["rollback"]["to_sha"]) == ("v2", shop.head("v1^{commit}"))
    numbers = numbers_of(ran.events, JUDGED, "shop/prod")
    assert (numbers["judged"], numbers["failed"], numbers["reasons"]) == (3, 1, {"rollback": 1})
    last = ran.of("canary_promoted")[-1]
    assert set(last["canary"]["included_shas"]) == set(shop.git("rev-list", "v1..v3").split())


def test_since_leaves_out_what_was_deployed_before_and_keeps_what_a_later_one_carries(
    shop: Repository, tmp_path: Path, capsys: Capture
) -> None:
    since = ("--since", f"{DAY}T13:30:00Z")
    ran = history(capsys, tmp_path / "out", "git", shop.folder, "--deploy-tags", "v*", *NAMED, *since)

    assert [event["deployment_id"] for event in ran.of("canary_promoted")] == ["v2"]
    assert {event["commit_sha"] for event in ran.of("commit_created")} == set(shop.git("rev-list", "v1..v2").split())
    assert numbers_of(ran.events, JUDGED, "shop/prod")["lead_count"] == 2


def test_until_is_where_live_reports_begin(shop: Repository, tmp_path: Path, capsys: Capture) -> None:
    ran = history(
        capsys, tmp_path / "out", "git", shop.folder, "--deploy-tags", "v*", *NAMED, "--until", f"{DAY}T12:00:00Z"
    )
    assert max(event["occurred_at"] for event in ran.events) == f"{DAY}T11:00:00Z"
    assert ran.summary["outside"] == 3


SERVICES = "services:\n  shop: [shop/**]\n  bank: [bank/**]\n"


def test_a_deployment_is_of_the_services_that_its_commits_touch(tmp_path: Path, capsys: Capture) -> None:
    made = Repository.new(tmp_path / "both")
    made.commit("08:30", "a map", {"candora.yaml": SERVICES})
    made.git("tag", "-a", "-m", "1", "v1", at="09:00")
    made.commit("10:00", "tea", {"shop/tea": "1"})
    made.git("tag", "-a", "-m", "2", "v2", at="11:00")
    made.commit("12:00", "loan", {"bank/loan": "1", "shop/tea": "2"})
    made.git("tag", "-a", "-m", "3", "v3", at="13:00")
    ran = history(capsys, tmp_path / "out", "git", made.folder, "--deploy-tags", "v*")

    assert [(event["deployment_id"], event["service"]) for event in ran.of("canary_promoted")] == [
        *sorted([("v1", "shop"), ("v1", "bank")], key=lambda one: ran_order(ran.events, one)),
        ("v2", "shop"),
        *sorted([("v3", "shop"), ("v3", "bank")], key=lambda one: ran_order(ran.events, one)),
    ]
    assert sorted(event["service"] for event in ran.of("commit_created")) == ["bank", "shop", "shop"]


def ran_order(events: list[dict[str, str]], one: tuple[str, str]) -> int:
    """Where an event of a deployment and a service stands."""
    return [(event.get("deployment_id"), event["service"]) for event in events].index(one)


def test_tags_may_name_their_service(tmp_path: Path, capsys: Capture) -> None:
    made = Repository.new(tmp_path / "both")
    made.commit("08:30", "a map", {"candora.yaml": SERVICES})
    made.git("tag", "-a", "-m", "1", "shop/1", at="09:00")
    made.commit("10:00", "loan", {"bank/loan": "1"})
    made.git("tag", "-a", "-m", "1", "bank/1", at="10:30")
    made.commit("11:00", "tea", {"shop/tea": "1"})
    made.git("tag", "-a", "-m", "2", "shop/2", at="12:00")
    ran = history(capsys, tmp_path / "out", "git", made.folder, "--deploy-tags", "{service}/*")

    told = {event["deployment_id"]: event for event in ran.of("canary_promoted")}
    assert {name: event["service"] for name, event in told.items()} == {
        "shop/1": "shop",
        "bank/1": "bank",
        "shop/2": "shop",
    }
    assert len(told["shop/2"]["canary"]["included_shas"]) == 2


def test_more_commits_than_a_deployment_may_list(
    shop: Repository, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.history_import.git_source.MAX_INCLUDED", 2)
    ran = history(capsys, tmp_path / "out", "git", shop.folder, "--deploy-tags", "v*", *NAMED)

    listed = ran.of("canary_promoted")[1]["canary"]["included_shas"]
    assert set(listed) == set(shop.git("rev-list", "--first-parent", "v1..v2").split())  # each stands for all it merged
    assert "carries 4 commits" in ran.said
    assert numbers_of(ran.events, JUDGED, "shop/prod")["lead_count"] == 3


def test_what_git_cannot_tell_is_wrong_usage(shop: Repository, tmp_path: Path, capsys: Capture) -> None:
    shallow = shop.clone(tmp_path / "shallow", depth=1)
    (tmp_path / "empty").mkdir()
    for folder, more, problem in (
        (shallow.folder, ("--deploy-branch", "main"), "this clone is shallow"),
        (tmp_path / "empty", ("--deploy-branch", "main"), "no git repository"),
        (tmp_path / "nowhere", ("--deploy-branch", "main"), "nowhere"),
        (shop.folder, ("--deploy-tags", "release-*"), "no tag has the form release-*"),
        (shop.folder, ("--deploy-branch", "production"), "there is no branch production"),
        (shop.folder, (), "say what a deployment is"),
        (shop.folder, ("--deploy-tags", "{service}/*"), "candora.yaml"),
    ):
        ran = history(capsys, tmp_path / "out", "git", folder, *more, *NAMED)
        assert ran.code == 2
        assert problem in ran.said
        assert not ran.events


def test_tags_that_are_on_no_commit_are_named(shop: Repository, tmp_path: Path, capsys: Capture) -> None:
    shop.git("tag", "v9", "HEAD^{tree}")
    shop.git("tag", "-a", "-m", "of a tag", "v10", "v2", at="19:00")
    ran = history(capsys, tmp_path / "out", "git", shop.folder, "--deploy-tags", "v*", *NAMED)

    assert ran.code == 1
    assert ran.summary["refused"] == [{"place": "tag v9", "problem": "is on no commit"}]
    assert [event["deployment_id"] for event in ran.of("canary_promoted")] == ["v1", "v2", "v10"]
    assert "v10 is on the commit of v2" in ran.said


def test_a_repository_that_is_out_to_do_harm(shop: Repository, tmp_path: Path, capsys: Capture) -> None:
    """Clocks that are wrong by decades are named; names that nobody expected are taken as they are."""
    for year in ("1971", "2099"):
        date = f"{year}-01-05T10:00:00Z"
        tree = shop.git("rev-parse", "HEAD^{tree}")
        raw = f"tree {tree}\nparent {shop.head()}\nauthor a\x1b[31m;rm <a@b> 0 +0000\ncommitter a <a@b> "
        stamp = int(datetime.fromisoformat(date).timestamp())
        (tmp_path / "commit").write_text(f"{raw}{stamp} +0000\n\n--all; $(touch /x)\n", "utf-8")
        shop.git("reset", "-q", "--hard", shop.git("hash-object", "-t", "commit", "-w", str(tmp_path / "commit")))
    shop.git("tag", "-a", "-m", "--all", "v-$(touch${IFS}x);`y`-ü", at="20:00")
    ran = history(capsys, tmp_path / "out", "git", shop.folder, "--deploy-tags", "v*", *NAMED)

    assert ran.code == 1
    assert len(ran.summary["refused"]) == 2
    assert "occurred_at" in ran.said
    assert ran.of("canary_promoted")[-1]["deployment_id"] == "v-$(touch${IFS}x);`y`-ü"
    assert not list(shop.folder.glob("[xy]"))


def test_a_detached_clone_is_on_no_branch(shop: Repository, tmp_path: Path, capsys: Capture) -> None:
    job = shop.clone(tmp_path / "job")
    ran = history(capsys, tmp_path / "out", "git", job.folder, "--deploy-tags", "v*", *NAMED)

    assert {event["commit"].get("branch") for event in ran.of("commit_created")} == {None}
    assert len(ran.of("commit_created")) == 5
