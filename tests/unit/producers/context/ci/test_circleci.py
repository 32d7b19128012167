from typing import Final

import pytest

from tests.unit.producers.context.ci.rows import HEAD, LONG, Row, check, hostile

JOB: Final = {
    "CIRCLECI": "true",
    "CIRCLE_SHA1": HEAD,
    "CIRCLE_PROJECT_USERNAME": "acme",
    "CIRCLE_PROJECT_REPONAME": "shop",
    "CIRCLE_WORKFLOW_ID": "0b7f",
    "CIRCLE_BUILD_URL": "https://circleci.example/gh/acme/shop/9",
    "CIRCLE_USERNAME": "ann",
}

ROWS: Final = [
    Row(
        "a branch",
        {"CIRCLE_BRANCH": "main"},
        {
            "system": "circleci",
            "sha": HEAD,
            "repo": "acme/shop",
            "branch": "main",
            "run_id": "0b7f",
            "deployment_id": "0b7f",
            "url": "https://circleci.example/gh/acme/shop/9",
            "actor": "ann",
            "is_request": False,
        },
        ("change", "tag", "base", "committed_at", "default_branch"),
    ),
    Row("a tag", {"CIRCLE_TAG": "v1"}, {"tag": "v1"}, ("branch",)),
    Row(
        "a pull request",
        {"CIRCLE_BRANCH": "x", "CIRCLE_PULL_REQUEST": "https://github.example/acme/shop/pull/12"},
        {"change": "acme/shop#12", "branch": "x", "is_request": True},
    ),
    Row(
        "a fork's pull request",
        {"CIRCLE_BRANCH": "pull/12", "CIRCLE_PR_NUMBER": "12", "CIRCLE_PULL_REQUEST": "https://g/acme/shop/pull/12"},
        {"change": "acme/shop#12", "is_request": True},
        ("branch",),
    ),
    Row(
        "a merge request of GitLab",
        {"CIRCLE_PULL_REQUEST": "https://gitlab.example/acme/shop/-/merge_requests/12"},
        {"change": "acme/shop!12"},
    ),
    Row(
        "a project that has no name but its address",
        {"CIRCLE_PROJECT_USERNAME": "", "CIRCLE_REPOSITORY_URL": "git@github.example:acme/tea.git"},
        {"repo": "acme/tea"},
    ),
    Row("the base, said by the pipeline's parameter", {"CANDORA_BASE_SHA": "3" * 40}, {"base": "3" * 40}),
    Row("SHA-256 in capitals", {"CIRCLE_SHA1": LONG.upper()}, {"sha": LONG}),
    Row("a hash that is none", {"CIRCLE_SHA1": "main"}, {}, ("sha",), ignored=("CIRCLE_SHA1",)),
    Row(
        "a request that is none",
        {"CIRCLE_PULL_REQUEST": "https://g/x/none"},
        {},
        ("change",),
        ignored=("CIRCLE_PULL_REQUEST",),
    ),
    *hostile({"CIRCLE_SHA1": "sha", "CIRCLE_BRANCH": "branch", "CIRCLE_TAG": "tag", "CIRCLE_BUILD_URL": "url"}),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_circleci(row: Row) -> None:
    check(row, JOB)
