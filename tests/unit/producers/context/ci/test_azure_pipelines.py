from typing import Final

import pytest

from tests.unit.producers.context.ci.rows import HEAD, LONG, MERGE, Row, check, hostile

JOB: Final = {
    "TF_BUILD": "True",
    "BUILD_SOURCEVERSION": MERGE,
    "BUILD_REPOSITORY_NAME": "acme/shop",
    "BUILD_BUILDID": "88",
    "SYSTEM_JOBATTEMPT": "1",
    "SYSTEM_COLLECTIONURI": "https://dev.azure.example/acme/",
    "SYSTEM_TEAMPROJECT": "Web Shop",
    "BUILD_REQUESTEDFOR": "Ann",
}
PULL: Final = {
    "BUILD_SOURCEBRANCH": "refs/pull/12/merge",
    "SYSTEM_PULLREQUEST_PULLREQUESTID": "990",
    "SYSTEM_PULLREQUEST_SOURCEBRANCH": "refs/heads/add-tea",
    "SYSTEM_PULLREQUEST_TARGETBRANCH": "refs/heads/main",
    "SYSTEM_PULLREQUEST_SOURCECOMMITID": HEAD,
}

ROWS: Final = [
    Row(
        "a branch",
        {"BUILD_SOURCEBRANCH": "refs/heads/fix/a"},
        {
            "system": "azure_pipelines",
            "sha": MERGE,
            "repo": "acme/shop",
            "branch": "fix/a",
            "run_id": "88",
            "attempt": "1",
            "deployment_id": "88",
            "url": "https://dev.azure.example/acme/Web%20Shop/_build/results?buildId=88",
            "actor": "Ann",
            "is_request": False,
        },
        ("change", "tag", "base", "env"),
    ),
    Row("a tag", {"BUILD_SOURCEBRANCH": "refs/tags/v1"}, {"tag": "v1", "sha": MERGE}, ("branch",)),
    Row(
        "a pull request of GitHub: its number, and its head",
        {**PULL, "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER": "12"},
        {"sha": HEAD, "change": "acme/shop#12", "branch": "add-tea", "base_branch": "main", "is_request": True},
    ),
    Row("a pull request of Azure Repos", PULL, {"sha": HEAD, "change": "acme/shop#990"}),
    Row(
        "a pull request that tells too little",
        {"BUILD_SOURCEBRANCH": "refs/pull/12/merge"},
        {"is_request": True},
        ("sha", "change", "branch"),
    ),
    Row(
        "a variable that was not filled in",
        {"SYSTEM_PULLREQUEST_PULLREQUESTNUMBER": "$(System.PullRequest.Number)"},
        {},
        ("change",),
        ignored=("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER",),
    ),
    Row("a deployment job", {"ENVIRONMENT_NAME": "prod"}, {"env": "prod"}),
    Row(
        "a repository known by its address",
        {"BUILD_REPOSITORY_NAME": "", "BUILD_REPOSITORY_URI": "https://acme@dev.azure.example/acme/web/_git/shop"},
        {"repo": "acme/web/shop"},
    ),
    Row("a job that is run again", {"SYSTEM_JOBATTEMPT": "2"}, {"attempt": "2", "deployment_id": "88"}),
    Row("SHA-256 in capitals", {"BUILD_SOURCEVERSION": LONG.upper()}, {"sha": LONG}),
    *hostile({"BUILD_SOURCEVERSION": "sha", "BUILD_SOURCEBRANCH": "branch", "SYSTEM_TEAMPROJECT": "url"}),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_azure_pipelines(row: Row) -> None:
    check(row, JOB)
