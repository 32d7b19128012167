from typing import Final

import pytest

from tests.unit.producers.context.ci.rows import BASE, HEAD, LONG, MERGE, ZEROS, Row, check, hostile

JOB: Final = {
    "GITLAB_CI": "true",
    "CI_PROJECT_PATH": "acme/web/shop",
    "CI_COMMIT_SHA": MERGE,
    "CI_COMMIT_TIMESTAMP": "2026-01-05T09:00:00+00:00",
    "CI_DEFAULT_BRANCH": "main",
    "CI_PIPELINE_ID": "551",
    "CI_PIPELINE_URL": "https://gitlab.example/acme/web/shop/-/pipelines/551",
    "GITLAB_USER_LOGIN": "ann",
}
REQUEST: Final = {
    "CI_MERGE_REQUEST_IID": "12",
    "CI_MERGE_REQUEST_PROJECT_PATH": "acme/web/shop",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "add-tea",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    "CI_MERGE_REQUEST_DIFF_BASE_SHA": BASE,
    "CI_COMMIT_BEFORE_SHA": ZEROS,
    "CI_COMMIT_REF_NAME": "add-tea",
}

ROWS: Final = [
    Row(
        "a push to the default branch",
        {"CI_COMMIT_BRANCH": "main", "CI_COMMIT_BEFORE_SHA": BASE},
        {
            "system": "gitlab",
            "sha": MERGE,
            "repo": "acme/web/shop",
            "branch": "main",
            "default_branch": "main",
            "base": BASE,
            "run_id": "551",
            "deployment_id": "551",
            "url": "https://gitlab.example/acme/web/shop/-/pipelines/551",
            "actor": "ann",
            "committed_at": "2026-01-05T09:00:00+00:00",
            "is_request": False,
        },
        ("change", "tag", "attempt", "env"),
    ),
    Row("a first push", {"CI_COMMIT_BRANCH": "x", "CI_COMMIT_BEFORE_SHA": ZEROS}, {"branch": "x"}, ("base",)),
    Row("a tag", {"CI_COMMIT_TAG": "v1", "CI_COMMIT_REF_NAME": "v1"}, {"tag": "v1", "sha": MERGE}, ("branch",)),
    Row(
        "a merge request of its branch",
        REQUEST,
        {
            "sha": MERGE,
            "base": BASE,
            "branch": "add-tea",
            "base_branch": "main",
            "change": "acme/web/shop!12",
            "is_request": True,
        },
    ),
    Row(
        "merged results: the source's commit, not the merge made for the test",
        {**REQUEST, "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": HEAD},
        {"sha": HEAD, "change": "acme/web/shop!12"},
        ("committed_at",),
    ),
    Row(
        "a fork's pipeline belongs to the project that the request is for",
        {**REQUEST, "CI_PROJECT_PATH": "bob/shop"},
        {"change": "acme/web/shop!12", "repo": "bob/shop"},
    ),
    Row(
        "an external pull request",
        {
            "CI_EXTERNAL_PULL_REQUEST_IID": "7",
            "CI_EXTERNAL_PULL_REQUEST_TARGET_REPOSITORY": "acme/shop",
            "CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_SHA": HEAD,
            "CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_NAME": "main",
        },
        {"sha": HEAD, "change": "acme/shop#7", "base_branch": "main", "is_request": True},
    ),
    Row("a deployment job", {"CI_ENVIRONMENT_NAME": "prod"}, {"env": "prod"}),
    Row("only the job's address", {"CI_PIPELINE_URL": "", "CI_JOB_URL": "https://u:p@g/j/1"}, {"url": "https://g/j/1"}),
    Row("SHA-256 in capitals", {"CI_COMMIT_SHA": LONG.upper()}, {"sha": LONG}),
    Row("a short hash", {"CI_COMMIT_SHA": "2222222"}, {}, ("sha", "committed_at"), ignored=("CI_COMMIT_SHA",)),
    Row(
        "a request that is no number",
        {"CI_MERGE_REQUEST_IID": "twelve"},
        {"is_request": False},
        ("change",),
        ignored=("CI_MERGE_REQUEST_IID",),
    ),
    Row(
        "a time that is none", {"CI_COMMIT_TIMESTAMP": "today"}, {}, ("committed_at",), ignored=("CI_COMMIT_TIMESTAMP",)
    ),
    Row(
        "no zone", {"CI_COMMIT_TIMESTAMP": "2026-01-05T09:00"}, {}, ("committed_at",), ignored=("CI_COMMIT_TIMESTAMP",)
    ),
    Row("a name that is too long", {"CI_PROJECT_PATH": "a/" * 150}, {}, ("repo", "change")),
    *hostile({"CI_COMMIT_SHA": "sha", "CI_COMMIT_BRANCH": "branch", "CI_PROJECT_PATH": "repo"}),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_gitlab_ci(row: Row) -> None:
    check(row, JOB)
