from typing import Final

import pytest

from tests.unit.producers.context.ci.rows import BASE, HEAD, LONG, MERGE, Row, check, hostile

JOB: Final = {
    "JENKINS_URL": "https://jenkins.example/",
    "GIT_COMMIT": MERGE,
    "GIT_URL": "https://bot:secret@git.example/acme/shop.git",
    "BUILD_TAG": "jenkins-shop-main-12",
    "BUILD_URL": "https://jenkins.example/job/shop/12/",
}
CHANGE: Final = {
    "CHANGE_ID": "12",
    "CHANGE_TARGET": "main",
    "CHANGE_BRANCH": "add-tea",
    "BRANCH_NAME": "PR-12",
    "CHANGE_URL": "https://git.example/acme/shop/pull/12",
    "CHANGE_AUTHOR": "ann",
}

ROWS: Final = [
    Row(
        "a branch",
        {"BRANCH_NAME": "main", "BRANCH_IS_PRIMARY": "true", "GIT_PREVIOUS_COMMIT": BASE, "BUILD_USER_ID": "ann"},
        {
            "system": "jenkins",
            "sha": MERGE,
            "repo": "acme/shop",
            "branch": "main",
            "default_branch": "main",
            "base": BASE,
            "run_id": "jenkins-shop-main-12",
            "deployment_id": "jenkins-shop-main-12",
            "url": "https://jenkins.example/job/shop/12/",
            "actor": "ann",
            "is_request": False,
        },
        ("change", "tag", "committed_at"),
    ),
    Row("a job that is not multibranch", {"GIT_BRANCH": "origin/fix/a"}, {"branch": "fix/a"}, ("default_branch",)),
    Row("a detached head", {"GIT_BRANCH": "detached"}, {"sha": MERGE}, ("branch",)),
    Row("a tag", {"TAG_NAME": "v1", "BRANCH_NAME": "v1"}, {"tag": "v1"}, ("branch",)),
    Row(
        "a pull request: GIT_COMMIT may be a merge of this workspace, so git tells the head",
        CHANGE,
        {"change": "acme/shop#12", "branch": "add-tea", "base_branch": "main", "actor": "ann", "is_request": True},
        ("sha", "base", "default_branch"),
    ),
    Row(
        "a merge request of GitLab",
        {**CHANGE, "CHANGE_URL": "https://gitlab.example/acme/shop/-/merge_requests/12"},
        {"change": "acme/shop!12"},
    ),
    Row(
        "the pull request builder",
        {"ghprbPullId": "7", "ghprbActualCommit": HEAD, "ghprbSourceBranch": "x", "ghprbTargetBranch": "main"},
        {"sha": HEAD, "change": "acme/shop#7", "branch": "x", "base_branch": "main"},
    ),
    Row(
        "the GitLab plugin",
        {"gitlabMergeRequestIid": "7", "gitlabMergeRequestLastCommit": HEAD, "gitlabSourceBranch": "x"},
        {"sha": HEAD, "change": "acme/shop!7", "branch": "x"},
    ),
    Row("an address as ssh writes it", {"GIT_URL": "git@git.example:acme/shop.git"}, {"repo": "acme/shop"}),
    Row("Bitbucket's own server", {"GIT_URL": "ssh://git@bb.example:7999/scm/acme/shop.git"}, {"repo": "acme/shop"}),
    Row("a path on a home", {"GIT_URL": "ssh://git@git.example/~/shop.git"}, {"repo": "shop"}),
    Row("several remotes", {"GIT_URL": "", "GIT_URL_1": "https://git.example/acme/shop"}, {"repo": "acme/shop"}),
    Row("SHA-256 in capitals", {"GIT_COMMIT": LONG.upper()}, {"sha": LONG}),
    Row("HEAD is no commit", {"GIT_COMMIT": "HEAD"}, {}, ("sha",), ignored=("GIT_COMMIT",)),
    *hostile({"GIT_COMMIT": "sha", "BRANCH_NAME": "branch", "GIT_URL": "repo", "BUILD_URL": "url"}),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_jenkins(row: Row) -> None:
    check(row, JOB)
