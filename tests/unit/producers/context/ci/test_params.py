"""Tekton and Argo Workflows, which say nothing by themselves, and what an operator says about any other system."""

from typing import Final

import pytest

from producers.context.ci.detect import MARKS, read_job, system_of
from producers.errors import UsageError
from tests.unit.producers.context.ci.rows import BASE, HEAD, LONG, Row, check, hostile

JOB: Final = {"CANDORA_REPO": "https://bot:secret@git.example/acme/shop.git", "CANDORA_RUN_ID": "shop-run-x7k"}

ROWS: Final = [
    Row(
        "all that can be said",
        {
            "CANDORA_SHA": HEAD,
            "CANDORA_BRANCH": "refs/heads/main",
            "CANDORA_DEFAULT_BRANCH": "main",
            "CANDORA_BASE_SHA": BASE,
            "CANDORA_RUN_URL": "https://u:p@tekton.example/run",
            "CANDORA_ACTOR": "ann",
            "CANDORA_ATTEMPT": "2",
        },
        {
            "sha": HEAD,
            "repo": "acme/shop",
            "branch": "main",
            "default_branch": "main",
            "base": BASE,
            "run_id": "shop-run-x7k",
            "deployment_id": "shop-run-x7k",
            "url": "https://tekton.example/run",
            "actor": "ann",
            "attempt": "2",
            "is_request": False,
        },
        ("change", "tag", "committed_at"),
    ),
    Row("a revision that is a commit", {"CANDORA_REVISION": LONG.upper()}, {"sha": LONG}, ("branch",)),
    Row("a revision that is a branch", {"CANDORA_REVISION": "fix/a"}, {"branch": "fix/a"}, ("sha",)),
    Row("a revision that is HEAD", {"CANDORA_REVISION": "HEAD"}, {}, ("branch", "sha")),
    Row("a tag", {"CANDORA_TAG": "v1"}, {"tag": "v1"}, ("branch",)),
    Row("a request", {"CANDORA_CHANGE": "acme/shop#12"}, {"change": "acme/shop#12", "is_request": True}),
    Row("a request's base", {"CANDORA_CHANGE": "acme/shop#12", "CANDORA_BASE_BRANCH": "main"}, {"base_branch": "main"}),
    Row("retries are counted from 0", {"CANDORA_RETRY": "0"}, {"attempt": "1"}),
    Row("nothing is empty", {"CANDORA_CHANGE": "", "CANDORA_TAG": " "}, {"is_request": False}, ("change", "tag")),
    Row(
        "a parameter of Argo that was not filled in",
        {"CANDORA_RUN_ID": "{{workflow.name}}"},
        {},
        ("run_id",),
        ignored=("CANDORA_RUN_ID",),
    ),
    Row(
        "a parameter of Tekton that was not filled in",
        {"CANDORA_RUN_ID": "$(context.pipelineRun.name)"},
        {},
        ("run_id",),
        ignored=("CANDORA_RUN_ID",),
    ),
    Row("a short hash", {"CANDORA_SHA": "1111111"}, {}, ("sha",), ignored=("CANDORA_SHA",)),
    *hostile({"CANDORA_SHA": "sha", "CANDORA_BRANCH": "branch", "CANDORA_REPO": "repo"}),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("system", ["tekton", "argo_workflows"])
def test_systems_that_say_nothing_by_themselves(system: str, row: Row) -> None:
    check(row._replace(said={**row.said, "system": system}), {**JOB, "CANDORA_CI": system.replace("_", "-")})


def test_what_the_operator_says_comes_before_the_system() -> None:
    job = read_job({"GITHUB_ACTIONS": "true", "GITHUB_SHA": HEAD, "GITHUB_REPOSITORY": "a/b", "CANDORA_REPO": "c/d"})

    assert (job.system, job.repo and job.repo.value, job.sha and job.sha.value) == ("github", "c/d", HEAD)


def test_a_request_id_of_the_operator_makes_no_request_of_a_push() -> None:
    job = read_job({"GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/heads/main", "CANDORA_CHANGE": "a/b#1"})

    assert not job.is_request


@pytest.mark.parametrize(("name", "mark"), [(name, mark) for name, mark in MARKS.items() if mark])
def test_each_system_is_known_by_its_mark(name: str, mark: str) -> None:
    assert system_of({mark: "true"}) == name
    assert system_of({mark: "false"}) is None
    assert system_of({mark: "true", "CANDORA_CI": "none"}) is None


def test_a_system_that_is_not_known_is_refused() -> None:
    with pytest.raises(UsageError, match=r"CANDORA_CI: 'travis' is not known; it is one of github, "):
        system_of({"CANDORA_CI": "travis"})
