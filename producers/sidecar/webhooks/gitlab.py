"""GitLab: pushes, merged requests, deployments and incidents. `object_kind` says which it is."""

import re
from typing import Final

from producers.events.event_builder import Assignment
from producers.sidecar.webhooks import fields
from producers.sidecar.webhooks.forge import commit_events, into_default_branch, pushed_commits
from producers.sidecar.webhooks.incidents import IncidentReport, PayloadValue, at_receipt, find, incident_event
from producers.sidecar.webhooks.parts import (
    PayloadField,
    facts_of,
    identified,
    joined,
    note,
    placed,
    placed_in_env,
    several,
    take,
    timed,
    words_of,
)
from producers.sidecar.webhooks.reading import (
    DeliveryIgnored,
    DeliveryUnmappable,
    NameResolver,
    WebhookDelivery,
    WebhookReading,
)

_SOURCE: Final = "gitlab"
_SYSTEM: Final = Assignment("source.system", _SOURCE, "webhook")
_MERGE: Final = re.compile(r"^See merge request (\S+)!([1-9][0-9]*)$", re.MULTILINE)
_DEPLOYED: Final = {"running": "canary_started", "success": "canary_promoted"}
_ISSUES: Final = {"issue", "incident", "work_item"}
_NO_EVENT: Final = "none of the ten events"
_WORD: Final = 60


def read(delivery: WebhookDelivery, names: NameResolver) -> WebhookReading:
    """Return the events of one delivery."""
    return several(lambda: _events(PayloadField(delivery.body), delivery, names))


def _events(body: PayloadField, delivery: WebhookDelivery, names: NameResolver) -> list[list[Assignment]]:
    # System hooks say event_name, and object_kind only for some kinds.
    kind = body.at("object_kind").text or body.at("event_name").text
    match kind:
        case "push":
            return _push(body, delivery, names)
        case "merge_request":
            return [_merge_request(body, delivery, names)]
        case "deployment":
            return [_deployment(body, delivery, names)]
        case None:
            raise DeliveryUnmappable("object_kind: is missing: this is no delivery of GitLab")
        case _ if kind in _ISSUES:
            return [_incident(body, delivery, names)]
        case _:
            raise DeliveryIgnored(f"{kind[:_WORD]}: {_NO_EVENT}")


# --- commits ----------------------------------------------------------------------------------------------------------
def _push(body: PayloadField, delivery: WebhookDelivery, names: NameResolver) -> list[list[Assignment]]:
    """The commits that a push brings to the default branch: the newest 20 of them, which is what GitLab tells."""
    default = body.at("project", "default_branch")
    commits = pushed_commits(body, default)
    total = body.at("total_commits_count")
    cut = isinstance(total.value, int) and total.value > len(commits)
    common = joined(
        [Assignment("event_type", "commit_created", "object_kind"), _SYSTEM],
        placed(names, _SOURCE, _facts(body)),
        take("source.actor", body.at("user_username"), body.at("user_name")),
        take("commit.branch", default),
        _merged_request(body, commits),
        [Assignment("attributes.history_complete", "false", f"{total.path}: {total.value}")] if cut else [],
    )
    return commit_events(common, commits, delivery.received_at)


def _merged_request(body: PayloadField, commits: list[PayloadField]) -> list[Assignment]:
    """The request of all commits of a push, if GitLab's merge of one is its head, and no other was merged in it."""
    merges = {
        commit.at("id").text: (commit, merge[2])
        for commit in commits
        if (merge := _MERGE.search(commit.at("message").text or "")) and merge[1] == _project(body)
    }
    head = merges.get(body.at("after").text)
    if head is None or len(merges) != 1:
        return []
    commit, number = head
    return [Assignment("change_id", f"{_project(body)}!{number}", commit.at("message").path)]


def _merge_request(body: PayloadField, delivery: WebhookDelivery, names: NameResolver) -> list[Assignment]:
    """A merged request: its last commit, and the commit that brought it to the default branch.

    A request is opened with a commit, so its first one is no later than that, which is what counts for the change.
    """
    request = body.at("object_attributes")
    action, target, default = (
        part.text for part in (request.at("action"), request.at("target_branch"), body.at("project", "default_branch"))
    )
    number = request.at("iid").text
    if action != "merge":
        raise DeliveryIgnored(f"merge_request: {action}, not merged: {_NO_EVENT}")
    into_default_branch(f"merge_request: !{number}", target, default)
    if number is None:
        raise DeliveryUnmappable("merge_request: object_attributes.iid is missing: this is no delivery of GitLab")
    times = [request.at("created_at"), request.at("last_commit", "timestamp")]
    times.sort(key=lambda part: fields.time(part.value) or "~")
    return joined(
        [Assignment("event_type", "commit_created", "object_attributes.action"), _SYSTEM],
        timed(delivery.received_at, *times),
        placed(names, _SOURCE, _facts(body)),
        take("commit_sha", request.at("last_commit", "id"), read=fields.sha),
        [
            Assignment(
                "change_id", f"{_project(body)}!{number}", "project.path_with_namespace and object_attributes.iid"
            )
        ],
        take("source.url", request.at("url"), read=fields.url),
        take("source.actor", body.at("user", "username")),
        take("commit.author", request.at("last_commit", "author", "name")),
        take("commit.branch", request.at("source_branch")),
        # Without a merge commit (fast-forward) a squashed one is what stands on the branch.
        take("commit.merge_sha", request.at("merge_commit_sha"), request.at("squash_commit_sha"), read=fields.sha),
    )


# --- deployments ------------------------------------------------------------------------------------------------------
def _deployment(body: PayloadField, delivery: WebhookDelivery, names: NameResolver) -> list[Assignment]:
    status = body.at("status").text
    if status not in _DEPLOYED:
        raise DeliveryIgnored(f"deployment: {status}: {_NO_EVENT}")
    number = body.at("deployment_id").text
    if number is None:
        raise DeliveryUnmappable("deployment: deployment_id is missing; GitLab 14.1 and later send it")
    # No field has the full hash, but the address of the commit ends with it.
    address = body.at("commit_url")
    commit = address._replace(value=(address.text or "").rstrip("/").rpartition("/")[2])
    return joined(
        [
            Assignment("event_type", _DEPLOYED[status], "status"),
            _SYSTEM,
            identified(_SOURCE, _project(body), "deployment", number, status),
        ],
        timed(delivery.received_at, body.at("status_changed_at")),
        placed_in_env(names, _SOURCE, _facts(body) | facts_of(body.at("environment"), body.at("environment_tier"))),
        take("deployment_id", body.at("deployment_id")),
        take("commit_sha", commit, read=fields.sha),
        take("source.run_id", body.at("deployable_id")),
        take("source.url", body.at("deployable_url"), read=fields.url),
        take("source.actor", body.at("user", "username")),
        note("gitlab.ref", body.at("ref")),
        note("gitlab.environment_tier", body.at("environment_tier")),
    )


# --- incidents --------------------------------------------------------------------------------------------------------
def _incident(body: PayloadField, delivery: WebhookDelivery, names: NameResolver) -> list[Assignment]:
    """An issue of the type Incident. Most are opened before anybody says how bad it is: that comes as an update."""
    issue = body.at("object_attributes")
    kind, action, number = (issue.at(field).text for field in ("type", "action", "iid"))
    if kind != "Incident":
        raise DeliveryIgnored(f"issue: of type {kind}, no incident: {_NO_EVENT}")
    graded = body.at("changes", "severity").value is not None
    match action:
        case "open":
            opens, times = True, [issue.at("created_at")]
        case "reopen":
            opens, times = True, [issue.at("updated_at")]
        case "update" if graded:
            opens, times = True, [issue.at("created_at")]
        case "close":
            opens, times = False, [issue.at("closed_at"), issue.at("updated_at")]
        case _:
            raise DeliveryIgnored(f"incident #{number}: {action}: neither opened, graded nor closed")
    if number is None:
        raise DeliveryUnmappable("incident: object_attributes.iid is missing: this is no delivery of GitLab")
    when = find(fields.time, *times)
    report = IncidentReport(
        source=_SOURCE,
        opened=opens,
        incident_id=PayloadValue(f"{_project(body)}#{number}", "project.path_with_namespace and object_attributes.iid"),
        occurred_at=when if when.value else at_receipt(delivery),
        facts=words_of(_labels(body) | _facts(body)),
        severities=[find(fields.text, issue.at("severity"))],
        title=find(fields.title, issue.at("title")),
        url=find(fields.url, issue.at("url")),
    )
    return incident_event(report, names) + take("source.actor", body.at("user", "username"))


def _labels(body: PayloadField) -> dict[str, PayloadField]:
    """Scoped labels as facts: "env::prod" is `labels.env`. Others are facts of their own name."""
    found: dict[str, PayloadField] = {}
    labels = body.at("labels").entries() or body.at("object_attributes", "labels").entries()
    for label in labels:
        title = label.at("title")
        scope, colons, value = (title.text or "").rpartition("::")
        found[f"labels.{scope}" if colons else f"label.{value}"] = title._replace(value=value)
    return found


# --- common -----------------------------------------------------------------------------------------------------------
def _project(body: PayloadField) -> str:
    path = body.at("project", "path_with_namespace").text
    if path is None:
        raise DeliveryUnmappable("project.path_with_namespace: is missing: this is no delivery of GitLab")
    return path


def _facts(body: PayloadField) -> dict[str, PayloadField]:
    """`project.name` is the name in the project's address here: the one that GitLab sends is written for people."""
    path = body.at("project", "path_with_namespace")
    return {"project.name": path._replace(value=_project(body).rpartition("/")[2]), path.path: path}
