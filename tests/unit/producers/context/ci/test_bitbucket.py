from typing import Final

import pytest

from tests.unit.producers.context.ci.rows import HEAD, LONG, Row, check, hostile

JOB: Final = {
    "BITBUCKET_BUILD_NUMBER": "31",
    "BITBUCKET_COMMIT": HEAD,
    "BITBUCKET_REPO_FULL_NAME": "acme/shop",
    "BITBUCKET_STEP_TRIGGERER_UUID": "{77}",
    "BITBUCKET_STEP_RUN_NUMBER": "1",
}

ROWS: Final = [
    Row(
        "a branch",
        {"BITBUCKET_BRANCH": "main"},
        {
            "system": "bitbucket",
            "sha": HEAD,
            "repo": "acme/shop",
            "branch": "main",
            "run_id": "31",
            "attempt": "1",
            "deployment_id": "31",
            "url": "https://bitbucket.org/acme/shop/addon/pipelines/home#!/results/31",
            "actor": "{77}",
            "is_request": False,
        },
        ("change", "tag", "base", "env"),
    ),
    Row("a tag", {"BITBUCKET_TAG": "v1"}, {"tag": "v1"}, ("branch",)),
    Row(
        "a pull request",
        {"BITBUCKET_PR_ID": "12", "BITBUCKET_BRANCH": "x", "BITBUCKET_PR_DESTINATION_BRANCH": "main"},
        {"sha": HEAD, "change": "acme/shop#12", "branch": "x", "base_branch": "main", "is_request": True},
    ),
    Row("a deployment step", {"BITBUCKET_DEPLOYMENT_ENVIRONMENT": "prod"}, {"env": "prod"}),
    Row("a step that is run again", {"BITBUCKET_STEP_RUN_NUMBER": "2"}, {"attempt": "2", "deployment_id": "31"}),
    Row(
        "a repository known by its address",
        {"BITBUCKET_REPO_FULL_NAME": "", "BITBUCKET_GIT_HTTP_ORIGIN": "https://u:p@bitbucket.org/acme/tea"},
        {"repo": "acme/tea"},
    ),
    Row("SHA-256 in capitals", {"BITBUCKET_COMMIT": LONG.upper()}, {"sha": LONG}),
    Row("a short hash", {"BITBUCKET_COMMIT": "1111111"}, {}, ("sha",), ignored=("BITBUCKET_COMMIT",)),
    Row("a request that is none", {"BITBUCKET_PR_ID": "-1"}, {}, ("change",), ignored=("BITBUCKET_PR_ID",)),
    *hostile({"BITBUCKET_COMMIT": "sha", "BITBUCKET_BRANCH": "branch", "BITBUCKET_REPO_FULL_NAME": "repo"}),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_bitbucket_pipelines(row: Row) -> None:
    check(row, JOB)
