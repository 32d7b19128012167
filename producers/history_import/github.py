"""GitHub: pull requests, commits, deployments and their statuses, and workflow runs, as its REST API lists them."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from typing_extensions import override

from producers.history_import.deliveries import (
    DeliverySimulator,
    ForgeExport,
    ImportedPromotion,
    Kinds,
    SideCommit,
    branch_steps,
    included_by_name,
    tell_side,
)
from producers.history_import.exports import ExportObject
from producers.history_import.graph import CommitGraph
from producers.history_import.imported_events import ImportedEvents
from producers.sidecar.webhooks import fields, github
from producers.sidecar.webhooks.reading import NameResolver

PAGES: Final[tuple[str, ...]] = ("workflow_runs",)
"""What wraps a page of results."""

_KINDS: Final[Kinds] = {
    "deployment status": ("deployment_url", "state"),
    "deployment": ("statuses_url", "task"),
    "workflow run": ("head_sha", "workflow_id"),
    "commit": ("commit", "parents"),
    "pull request": ("number", "merge_commit_sha", "base"),
}
_REPOSITORY: Final = re.compile(r"/repos/([^/]+/[^/]+)(?:/|$)")


class _Export(ForgeExport):
    def __init__(self, entries: Iterable[ExportObject], found: ImportedEvents) -> None:
        super().__init__(entries, _KINDS, found)
        self.pulls, self.commits, self.runs = self.of["pull request"], self.of["commit"], self.of["workflow run"]
        self.deployments, self.statuses = self.of["deployment"], self.of["deployment status"]

    @override
    def take(self, kind: str, entry: ExportObject) -> str | None:
        name = fields.text(fields.at(entry.value, "sha" if kind == "commit" else "id"))
        repo = _repo(entry.value, kind)
        if name is None or repo is None:
            return f"{kind}: says no {'id' if name is None else 'repository, as in its url'}"
        self.of[kind].add(name.lower() if kind == "commit" else f"{repo}#{name}", entry)
        return None


def read_github(
    entries: Iterable[ExportObject], names: NameResolver, found: ImportedEvents, default_branch: str | None = None
) -> None:
    """Find the events of exports. `default_branch` is needed where commits are exported and no pull request is."""
    export = _Export(entries, found)
    teller = DeliverySimulator(github.read, names, found)
    graph = CommitGraph({sha: _parents(entry.value) for sha, entry in export.commits})
    for _, pull in found.through("pull requests", export.pulls):
        teller.tell(_pull_body(pull.value), pull.place, {"x-github-event": "pull_request"})
    _tell_commits(export, graph, teller, default_branch)
    _tell_deployments(export, graph, teller)
    for _, run in found.through("workflow runs", export.runs):
        body = {"action": "completed", "workflow_run": run.value, "repository": run.value.get("repository")}
        teller.tell(body, run.place, {"x-github-event": "workflow_run"})


# --- commits ----------------------------------------------------------------------------------------------------------
def _pull_body(pull: Mapping[str, Any]) -> dict[str, Any]:
    """A list of requests has no `merged`, but says when."""
    merged = pull.get("merged_at") is not None
    return {
        "action": "closed" if pull.get("state") == "closed" else pull.get("state"),
        "number": pull.get("number"),
        "pull_request": {**pull, "merged": merged},
        "repository": fields.at(pull, "base", "repo"),
        "sender": pull.get("merged_by"),
    }


def _tell_commits(export: _Export, graph: CommitGraph, teller: DeliverySimulator, default_branch: str | None) -> None:
    pulls = [pull.value for _, pull in export.pulls]
    heads = {sha for pull in pulls if (sha := fields.sha(fields.at(pull, "head", "sha")))}
    merged = [sha for pull in pulls if pull.get("merged_at") and (sha := fields.sha(pull.get("merge_commit_sha")))]
    branches = {
        _repo(pull, "pull request"): fields.text(fields.at(pull, "base", "repo", "default_branch")) for pull in pulls
    }
    placed: set[str] = set()
    for step in teller.found.through("pushes", branch_steps(graph, heads, merged)):
        entry = export.commits.get(step.head)
        if entry is None:
            continue
        placed.update(step.brought)
        repo = _repo(entry.value, "commit") or ""
        default = default_branch or branches.get(repo)
        if default is None:
            teller.found.refuse(entry.place, f"commit of {repo}: which branch is its default? Give --default-branch")
            continue
        pushed = [each.value for sha in step.brought if (each := export.commits.get(sha))]
        body = {
            "ref": f"refs/heads/{default}",
            "commits": [_pushed(commit) for commit in pushed],
            "head_commit": _pushed(entry.value),
            "repository": _repository(repo, default),
        }
        teller.tell(body, entry.place, {"x-github-event": "push"})
    for name, pull in teller.found.through("commits of pull requests", export.pulls):
        _tell_side(name, pull, export, graph.walk([_head(pull.value)], placed).shas, teller)


def _tell_side(name: str, pull: ExportObject, export: _Export, shas: Iterable[str], teller: DeliverySimulator) -> None:
    repo = name.partition("#")[0]
    commits = [
        SideCommit(
            sha,
            fields.at(entry.value, "commit", "committer", "date"),
            fields.text(fields.at(entry.value, "commit", "author", "name")),
            _parents(entry.value),
            entry.place,
        )
        for sha in shas
        if (entry := export.commits.get(sha))
    ]
    if pull.value.get("merged_at") is None:
        teller.found.ignored["commit: of a request that was not merged"] += len(commits)
        return
    facts = {"repository.name": repo.rpartition("/")[2], "repository.full_name": repo}
    request = {
        "change_id": f"{repo}#{fields.text(pull.value.get('number'))}",
        "commit.branch": fields.text(fields.at(pull.value, "head", "ref")),
    }
    tell_side(teller, "github", facts, request, commits)


def _pushed(commit: Mapping[str, Any]) -> dict[str, Any]:
    """A commit as a push has it."""
    return {
        "id": commit.get("sha"),
        "message": fields.at(commit, "commit", "message"),
        "timestamp": fields.at(commit, "commit", "committer", "date"),
        "url": commit.get("html_url"),
        "author": {
            "name": fields.at(commit, "commit", "author", "name"),
            "username": fields.at(commit, "author", "login"),
        },
    }


def _parents(commit: Mapping[str, Any]) -> list[str]:
    return [sha for parent in fields.entries(commit.get("parents")) if (sha := fields.sha(fields.at(parent, "sha")))]


def _head(pull: Mapping[str, Any]) -> str:
    return fields.sha(fields.at(pull, "head", "sha")) or ""


# --- deployments ------------------------------------------------------------------------------------------------------
def _tell_deployments(export: _Export, graph: CommitGraph, teller: DeliverySimulator) -> None:
    pairs: list[tuple[ExportObject, str, ExportObject]] = []
    told: set[str] = set()
    for _, status in export.statuses:
        repo = _repo(status.value, "deployment status") or ""
        number = str(status.value.get("deployment_url", "")).rstrip("/").rpartition("/")[2]
        deployment = export.deployments.get(f"{repo}#{number}")
        if deployment is None:
            teller.found.refuse(status.place, f"deployment status: its deployment {number} is in no export")
            continue
        told.add(f"{repo}#{number}")
        pairs.append((status, repo, deployment))
    included = included_by_name((_promotion(*pair) for pair in pairs if pair[0].value.get("state") == "success"), graph)
    for status, repo, deployment in teller.found.through("deployment statuses", pairs):
        body = {
            "deployment_status": status.value,
            "deployment": deployment.value,
            "repository": _repository(repo, None),
        }
        carried = included.get(_named(repo, deployment.value))
        teller.tell(body, status.place, {"x-github-event": "deployment_status"}, carried)
    for name, deployment in export.deployments:
        if name not in told:
            teller.found.refuse(deployment.place, "deployment: what became of it is not known: no status is exported")


def _promotion(status: ExportObject, repo: str, deployment: ExportObject) -> ImportedPromotion:
    env = status.value.get("environment") or deployment.value.get("environment")
    service = fields.at(deployment.value, "payload", "service")
    return ImportedPromotion(
        f"{repo} {env} {service}",
        fields.time(status.value.get("created_at")) or "",
        _named(repo, deployment.value),
        fields.sha(deployment.value.get("sha")),
        rollback=github.is_rollback(fields.text(deployment.value.get("task"))),
    )


def _named(repo: str, deployment: Mapping[str, Any]) -> str:
    return f"{repo}#{fields.text(deployment.get('id'))}"


# --- common -----------------------------------------------------------------------------------------------------------
def _repo(value: Mapping[str, Any], kind: str) -> str | None:
    """`owner/name`."""
    if kind == "pull request":
        return fields.text(fields.at(value, "base", "repo", "full_name"))
    if kind == "workflow run":
        return fields.text(fields.at(value, "repository", "full_name"))
    address = value.get("url") if kind == "commit" else value.get("repository_url")
    match = _REPOSITORY.search(fields.text(address) or "")
    return match[1] if match else None


def _repository(repo: str, default: str | None) -> dict[str, Any]:
    return {"name": repo.rpartition("/")[2], "full_name": repo, "default_branch": default}
