from typing import Final

import pytest

from tests.unit.producers.context.ci.rows import BASE, HEAD, LONG, MERGE, ZEROS, Row, check, hostile

JOB: Final = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REPOSITORY": "Acme/shop",
    "GITHUB_SHA": MERGE,
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_RUN_ID": "1817",
    "GITHUB_RUN_ATTEMPT": "1",
    "GITHUB_ACTOR": "ann",
}
PULL: Final = {"GITHUB_REF": "refs/pull/12/merge", "GITHUB_HEAD_REF": "add-tea", "GITHUB_BASE_REF": "main"}
OPENED: Final = {
    "number": 12,
    "pull_request": {"number": 12, "head": {"sha": HEAD}, "base": {"sha": BASE}, "merged_at": None},
    "repository": {"default_branch": "main"},
}
PUSH: Final = {
    "before": BASE,
    "after": MERGE,
    "head_commit": {"id": MERGE, "timestamp": "2026-01-05T10:00:00+01:00"},
    "repository": {"full_name": "Acme/shop", "default_branch": "main"},
}

ROWS: Final = [
    Row(
        "a push to the default branch",
        {"GITHUB_REF": "refs/heads/main"},
        {
            "system": "github",
            "sha": MERGE,
            "repo": "Acme/shop",
            "branch": "main",
            "default_branch": "main",
            "base": BASE,
            "run_id": "1817",
            "attempt": "1",
            "deployment_id": "1817",
            "url": "https://github.example/Acme/shop/actions/runs/1817/attempts/1",
            "actor": "ann",
            "committed_at": "2026-01-05T10:00:00+01:00",
            "is_request": False,
        },
        ("change", "tag", "env"),
        PUSH,
    ),
    Row(
        "a new branch has no commit before",
        {"GITHUB_REF": "refs/heads/x"},
        {"branch": "x"},
        ("base",),
        {"before": ZEROS},
    ),
    Row("a branch with slashes", {"GITHUB_REF": "refs/heads/fix/a/b"}, {"branch": "fix/a/b"}, ("tag",)),
    Row("a tag", {"GITHUB_REF": "refs/tags/v1.2"}, {"tag": "v1.2", "sha": MERGE, "is_request": False}, ("branch",)),
    Row(
        "a pull request: its head, not the merge made for the test",
        PULL,
        {
            "sha": HEAD,
            "base": BASE,
            "branch": "add-tea",
            "base_branch": "main",
            "change": "Acme/shop#12",
            "is_request": True,
        },
        ("merge_sha", "committed_at"),
        OPENED,
    ),
    Row("a pull request without its event file", PULL, {"change": "Acme/shop#12", "is_request": True}, ("sha", "base")),
    Row(
        "a fork's pull request belongs to the repository it is for",
        PULL,
        {"repo": "Acme/shop", "change": "Acme/shop#12"},
        (),
        OPENED,
    ),
    Row(
        "pull_request_target: GITHUB_SHA is the base",
        {"GITHUB_REF": "refs/heads/main", "GITHUB_EVENT_NAME": "pull_request_target"},
        {"sha": HEAD, "change": "Acme/shop#12", "is_request": True},
        (),
        OPENED,
    ),
    Row(
        "a pull request that was just merged",
        PULL,
        {"sha": HEAD, "merge_sha": LONG, "change": "Acme/shop#12"},
        (),
        {"pull_request": {**OPENED["pull_request"], "merged_at": "2026-01-05T10:00:00Z", "merge_commit_sha": LONG}},  # type: ignore[dict-item]
    ),
    Row(
        "a merge queue",
        {"GITHUB_REF": f"refs/heads/gh-readonly-queue/main/pr-12-{BASE}"},
        {"sha": HEAD, "base": BASE, "branch": "main", "change": "Acme/shop#12", "is_request": False},
        (),
        {"merge_group": {"head_sha": HEAD, "base_sha": BASE}},
    ),
    Row(
        "a workflow after another: the commit of the first", {}, {"sha": HEAD}, (), {"workflow_run": {"head_sha": HEAD}}
    ),
    Row(
        "a run that is run again deploys again",
        {"GITHUB_RUN_ATTEMPT": "3"},
        {"attempt": "3", "run_id": "1817", "deployment_id": "1817.3"},
    ),
    Row("SHA-256 in capitals", {"GITHUB_SHA": LONG.upper()}, {"sha": LONG}),
    Row("a hash that is none", {"GITHUB_SHA": "HEAD"}, {}, ("sha",), ignored=("GITHUB_SHA",)),
    Row("an event file of another form", PULL, {}, ("sha",), {"pull_request": ["?"], "before": 7.5}),
    Row("an event file that is a list", {}, {"sha": MERGE}, (), [1, 2]),
    Row("a base in the event file that is no hash", {}, {}, ("base",), {"before": "main"}, ("event file: before",)),
    Row(
        "credentials in the server's address",
        {"GITHUB_SERVER_URL": "https://u:p@ghe"},
        {"url": "https://ghe/Acme/shop/actions/runs/1817/attempts/1"},
    ),
    Row(
        "an attempt beyond counting",
        {"GITHUB_RUN_ATTEMPT": "9" * 30},
        {},
        ("attempt",),
        ignored=("GITHUB_RUN_ATTEMPT",),
    ),
    *hostile({"GITHUB_SHA": "sha", "GITHUB_REF": "branch", "GITHUB_ACTOR": "actor", "GITHUB_REPOSITORY": "repo"}),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_github_actions(row: Row) -> None:
    check(row, JOB)
