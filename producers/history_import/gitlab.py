"""GitLab: merge requests, commits, deployments and incidents, as its REST API (v4) lists them."""

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
    seconds_of,
    tell_side,
)
from producers.history_import.exports import ExportObject
from producers.history_import.graph import CommitGraph
from producers.history_import.imported_events import ImportedEvents
from producers.sidecar.webhooks import fields, gitlab
from producers.sidecar.webhooks.reading import NameResolver

_KINDS: Final[Kinds] = {
    "project": ("path_with_namespace", "default_branch"),
    "merge request": ("merge_commit_sha", "target_branch"),
    "commit": ("parent_ids", "short_id"),
    "deployment": ("environment", "sha", "status"),
    "state event": ("resource_id", "state"),
    "issue": ("iid", "issue_type"),
}
_ADDRESS: Final = re.compile(r"https?://[^/]+/(.+?)/-/")
_REFERENCE: Final = re.compile(r"(.+)[!#][0-9]+")
_MOVES: Final = {"closed": "close", "reopened": "reopen"}


class _Export(ForgeExport):
    """`project` is for those that do not say theirs."""

    def __init__(self, entries: Iterable[ExportObject], found: ImportedEvents, project: str | None) -> None:
        self._project = project
        self.default_branches: dict[str, str] = {}
        super().__init__(entries, _KINDS, found)
        self.requests, self.commits = self.of["merge request"], self.of["commit"]
        self.deployments, self.issues, self.moves = self.of["deployment"], self.of["issue"], self.of["state event"]

    @override
    def take(self, kind: str, entry: ExportObject) -> str | None:
        value = entry.value
        if kind == "project":
            path, branch = fields.text(value.get("path_with_namespace")), fields.text(value.get("default_branch"))
            if path and branch:
                self.default_branches[path] = branch
            return None
        name = fields.text(value.get("id"))
        if name is None:
            return f"{kind}: says no id"
        if kind != "state event" and self.project_of(value) is None:
            return f"{kind}: which project it is of cannot be told; give --project group/name"
        self.of[kind].add(name, entry)
        return None

    def project_of(self, value: Mapping[str, Any]) -> str | None:
        """`group/name`."""
        match = _REFERENCE.fullmatch(fields.text(fields.at(value, "references", "full")) or "")
        if match is None:
            address = fields.text(value.get("web_url")) or fields.text(fields.at(value, "deployable", "web_url"))
            match = _ADDRESS.match(address or "")
        return match[1] if match else self._project


def read_gitlab(
    entries: Iterable[ExportObject],
    names: NameResolver,
    found: ImportedEvents,
    default_branch: str | None = None,
    project: str | None = None,
) -> None:
    """Find the events of exports. The default branch is that of an exported project, else `default_branch`."""
    export = _Export(entries, found, project)
    teller = DeliverySimulator(gitlab.read, names, found)
    graph = CommitGraph({fields.sha(name) or name: _parents(commit.value) for name, commit in export.commits})
    _tell_requests(export, teller, default_branch)
    _tell_commits(export, graph, teller, default_branch)
    _tell_deployments(export, graph, teller)
    _tell_incidents(export, teller)


def _branch(export: _Export, value: Mapping[str, Any], default_branch: str | None) -> str | None:
    return default_branch or export.default_branches.get(export.project_of(value) or "")


# --- requests and commits ---------------------------------------------------------------------------------------------
def _tell_requests(export: _Export, teller: DeliverySimulator, default_branch: str | None) -> None:
    for _, request in teller.found.through("merge requests", export.requests):
        value = request.value
        branch = _branch(export, value, default_branch)
        if branch is None:
            teller.found.refuse(request.place, _no_branch(f"merge request of {export.project_of(value)}"))
            continue
        last = export.commits.get(fields.text(value.get("sha")))
        body = {
            "object_kind": "merge_request",
            "user": value.get("merge_user") or value.get("merged_by"),
            "project": {"path_with_namespace": export.project_of(value), "default_branch": branch},
            "object_attributes": {
                **value,
                "action": "merge" if value.get("state") == "merged" else value.get("state"),
                "url": value.get("web_url"),
                "last_commit": _pushed(last.value) if last else {"id": value.get("sha")},
            },
        }
        teller.tell(body, request.place)


def _tell_commits(export: _Export, graph: CommitGraph, teller: DeliverySimulator, default_branch: str | None) -> None:
    requests = [request.value for _, request in export.requests]
    heads = {sha for request in requests if (sha := fields.sha(request.get("sha")))}
    merged = [
        sha
        for request in requests
        if request.get("state") == "merged"
        for name in ("merge_commit_sha", "squash_commit_sha", "sha")
        if (sha := fields.sha(request.get(name))) and (name != "sha" or _fast_forward(request))
    ]
    placed: set[str] = set()
    for step in teller.found.through("pushes", branch_steps(graph, heads, merged)):
        placed.update(step.brought)
        entry = export.commits.get(step.head)
        if entry is None:
            continue
        branch = _branch(export, entry.value, default_branch)
        if branch is None:
            teller.found.refuse(entry.place, _no_branch(f"commit of {export.project_of(entry.value)}"))
            continue
        pushed = [each.value for sha in step.brought if (each := export.commits.get(sha))]
        body = {
            "object_kind": "push",
            "ref": f"refs/heads/{branch}",
            "after": step.head,
            "project": {"path_with_namespace": export.project_of(entry.value), "default_branch": branch},
            "commits": [_pushed(commit) for commit in pushed],
            "total_commits_count": len(pushed),
        }
        teller.tell(body, entry.place)
    for _, request in teller.found.through("commits of merge requests", export.requests):
        head = fields.sha(request.value.get("sha"))
        _tell_side(export, request.value, graph.walk([head] if head else [], placed).shas, teller)


def _tell_side(export: _Export, request: Mapping[str, Any], shas: Iterable[str], teller: DeliverySimulator) -> None:
    project, number = export.project_of(request) or "", fields.text(request.get("iid"))
    commits = [
        SideCommit(
            sha,
            entry.value.get("committed_date"),
            fields.text(entry.value.get("author_name")),
            _parents(entry.value),
            entry.place,
        )
        for sha in shas
        if (entry := export.commits.get(sha))
    ]
    if request.get("state") != "merged":
        teller.found.ignored["commit: of a request that was not merged"] += len(commits)
        return
    facts = {"project.name": project.rpartition("/")[2], "project.path_with_namespace": project}
    told = {"change_id": f"{project}!{number}", "commit.branch": fields.text(request.get("source_branch"))}
    tell_side(teller, "gitlab", facts, told, commits)


def _fast_forward(request: Mapping[str, Any]) -> bool:
    return request.get("merge_commit_sha") is None and request.get("squash_commit_sha") is None


def _pushed(commit: Mapping[str, Any]) -> dict[str, Any]:
    """A commit as a webhook has it."""
    return {
        "id": commit.get("id"),
        "message": commit.get("message"),
        "timestamp": commit.get("committed_date") or commit.get("created_at"),
        "url": commit.get("web_url"),
        "author": {"name": commit.get("author_name")},
    }


def _parents(commit: Mapping[str, Any]) -> list[str]:
    return [sha for parent in fields.entries(commit.get("parent_ids")) if (sha := fields.sha(parent))]


def _no_branch(what: str) -> str:
    return f"{what}: which branch is its default? Export the project too, or give --default-branch"


# --- deployments ------------------------------------------------------------------------------------------------------
def _tell_deployments(export: _Export, graph: CommitGraph, teller: DeliverySimulator) -> None:
    """A deployment is listed as it is now: when its job began and ended are its two reports."""
    promotions = [
        ImportedPromotion(
            f"{export.project_of(entry.value)} {fields.at(entry.value, 'environment', 'name')}",
            _finished(entry.value) or "",
            name,
            fields.sha(entry.value.get("sha")),
        )
        for name, entry in export.deployments
        if entry.value.get("status") == "success"
    ]
    included = included_by_name(promotions, graph)
    for name, entry in teller.found.through("deployments", export.deployments):
        value = entry.value
        status, carried = fields.text(value.get("status")), included.get(name)
        began = fields.time(fields.at(value, "deployable", "started_at"))
        body = {
            "object_kind": "deployment",
            "deployment_id": value.get("id"),
            "deployable_id": fields.at(value, "deployable", "id"),
            "deployable_url": fields.at(value, "deployable", "web_url"),
            "environment": fields.at(value, "environment", "name"),
            "environment_tier": fields.at(value, "environment", "tier"),
            "project": {"path_with_namespace": export.project_of(value)},
            "ref": value.get("ref"),
            "user": value.get("user"),
            "commit_url": f"/-/commit/{fields.text(value.get('sha')) or ''}",
        }
        if began is not None and status in {"success", "failed", "canceled", "running"}:
            teller.tell({**body, "status": "running", "status_changed_at": began}, entry.place, included=carried)
        if status != "running":
            teller.tell(
                {**body, "status": status, "status_changed_at": _finished(value)}, entry.place, included=carried
            )


def _finished(deployment: Mapping[str, Any]) -> str | None:
    """When it ended: `updated_at` also moves when something is changed later, and stands in for old versions only."""
    candidates = (
        fields.at(deployment, "finished_at"),
        fields.at(deployment, "deployable", "finished_at"),
        fields.at(deployment, "updated_at"),
    )
    return next((told for value in candidates if (told := fields.time(value))), None)


# --- incidents --------------------------------------------------------------------------------------------------------
def _tell_incidents(export: _Export, teller: DeliverySimulator) -> None:
    """An issue tells of its last closing only; the state events of an issue, if they are exported, of each."""
    moves: dict[str, list[ExportObject]] = {}
    for _, move in export.moves:
        moves.setdefault(fields.text(move.value.get("resource_id")) or "", []).append(move)
    for name, issue in teller.found.through("incidents", export.issues):
        value = issue.value
        if fields.text(value.get("issue_type")) != "incident" and fields.text(value.get("type")) != "INCIDENT":
            teller.found.ignored[f"issue: of type {fields.shown(value.get('type'))}, no incident"] += 1
            continue
        told = [(entry.value.get("state"), entry.value.get("created_at"), entry) for entry in moves.pop(name, [])]
        if not told and value.get("closed_at") is not None:
            told = [("closed", value.get("closed_at"), issue)]
        teller.tell(_issue_body(export, value, "update", value.get("created_at")), issue.place)
        for state, at, entry in told:
            action = _MOVES.get(state) if isinstance(state, str) else None
            if action is None:
                teller.found.ignored[f"state event: {fields.shown(state)}"] += 1
                continue
            teller.tell(_issue_body(export, value, action, at), entry.place)
    for name, entries in moves.items():
        for entry in entries:
            teller.found.refuse(entry.place, f"state event: its issue {fields.shown(name)} is in no export")


def _issue_body(export: _Export, issue: Mapping[str, Any], action: str, at: Any) -> dict[str, Any]:
    when = seconds_of(at)
    severity = fields.text(issue.get("severity"))
    return {
        "object_kind": "issue",
        "user": issue.get("author"),
        "project": {"path_with_namespace": export.project_of(issue)},
        "labels": [{"title": label} for label in fields.entries(issue.get("labels"))],
        "changes": {"severity": {"current": severity or "unknown"}},
        "object_attributes": {
            "type": "Incident",
            "action": action,
            "iid": issue.get("iid"),
            "title": issue.get("title"),
            "severity": severity.lower() if severity else None,
            "url": issue.get("web_url"),
            **{"update": {"created_at": when}, "reopen": {"updated_at": when}, "close": {"closed_at": when}}[action],
        },
    }
