from typing import Final

import pytest

from tests.unit.producers.context.ci.rows import BASE, HEAD, LONG, Row, check, hostile

JOB: Final = {
    "BUILDKITE": "true",
    "BUILDKITE_COMMIT": HEAD,
    "BUILDKITE_REPO": "git@github.example:acme/shop.git",
    "BUILDKITE_BUILD_ID": "01f0",
    "BUILDKITE_BUILD_URL": "https://buildkite.example/acme/shop/builds/5",
    "BUILDKITE_BUILD_CREATOR": "Ann",
    "BUILDKITE_PULL_REQUEST": "false",
    "BUILDKITE_RETRY_COUNT": "0",
    "BUILDKITE_PIPELINE_DEFAULT_BRANCH": "main",
}

ROWS: Final = [
    Row(
        "a branch",
        {"BUILDKITE_BRANCH": "main"},
        {
            "system": "buildkite",
            "sha": HEAD,
            "repo": "acme/shop",
            "branch": "main",
            "default_branch": "main",
            "run_id": "01f0",
            "attempt": "1",
            "deployment_id": "01f0",
            "url": "https://buildkite.example/acme/shop/builds/5",
            "actor": "Ann",
            "is_request": False,
        },
        ("change", "tag", "base"),
    ),
    Row("a tag", {"BUILDKITE_BRANCH": "v1", "BUILDKITE_TAG": "v1"}, {"tag": "v1"}, ("branch",)),
    Row(
        "a pull request",
        {"BUILDKITE_PULL_REQUEST": "12", "BUILDKITE_PULL_REQUEST_BASE_BRANCH": "main", "BUILDKITE_BRANCH": "x"},
        {"change": "acme/shop#12", "base_branch": "main", "branch": "x", "sha": HEAD, "is_request": True},
    ),
    Row(
        "a pull request that is built merged",
        {"BUILDKITE_PULL_REQUEST": "12", "BUILDKITE_PULL_REQUEST_USING_MERGE_REFSPEC": "true"},
        {"change": "acme/shop#12"},
        ("sha",),
    ),
    Row("a fork's branch", {"BUILDKITE_BRANCH": "bob:x", "BUILDKITE_PULL_REQUEST": "12"}, {"branch": "bob:x"}),
    Row(
        "GitLab",
        {"BUILDKITE_PULL_REQUEST": "12", "BUILDKITE_PIPELINE_PROVIDER": "gitlab_ee"},
        {"change": "acme/shop!12"},
    ),
    Row(
        "a merge queue",
        {"BUILDKITE_BRANCH": f"gh-readonly-queue/main/pr-12-{BASE}", "BUILDKITE_MERGE_QUEUE_BASE_COMMIT": BASE},
        {"branch": "main", "change": "acme/shop#12", "base": BASE, "is_request": False},
    ),
    Row("a build of whatever is newest", {"BUILDKITE_COMMIT": "HEAD"}, {}, ("sha",), ignored=("BUILDKITE_COMMIT",)),
    Row("a job that is run again", {"BUILDKITE_RETRY_COUNT": "2"}, {"attempt": "3", "deployment_id": "01f0"}),
    Row("SHA-256 in capitals", {"BUILDKITE_COMMIT": LONG.upper()}, {"sha": LONG}),
    *hostile({"BUILDKITE_COMMIT": "sha", "BUILDKITE_BRANCH": "branch", "BUILDKITE_REPO": "repo"}),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_buildkite(row: Row) -> None:
    check(row, JOB)
