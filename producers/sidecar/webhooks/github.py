"""GitHub: pushes, merged pull requests, deployments and test runs. The header `X-GitHub-Event` says which it is."""

import json
import re
from typing import Any, Final

from producers.events.event_builder import Assignment
from producers.sidecar.webhooks import fields
from producers.sidecar.webhooks.forge import commit_events, into_default_branch, pushed_commits
from producers.sidecar.webhooks.parts import (
    PayloadField,
    facts_of,
    identified,
    included,
    joined,
    lane,
    note,
    placed,
    placed_in_env,
    several,
    take,
    timed,
)
from producers.sidecar.webhooks.reading import (
    DeliveryIgnored,
    DeliveryUnmappable,
    NameResolver,
    WebhookDelivery,
    WebhookReading,
)

_SOURCE: Final = "github"
_SYSTEM: Final = Assignment("source.system", _SOURCE, "webhook")
_MOST: Final = 2048
"""Commits that GitHub puts into one push; the rest of a larger one is not told."""
_MERGE: Final = re.compile(r"Merge pull request #([1-9][0-9]*) from \S+")
_ROLLBACK: Final = re.compile(r"(?<![a-z])(?:auto-?)?(?:roll-?back|revert)(?![a-z])")
_TESTS: Final = re.compile(r"(?<![a-z])(?:ci|tests?|testing|checks?|verify)(?![a-z])")
_NO_EVENT: Final = "none of the ten events"
_WORD: Final = 60


def read(delivery: WebhookDelivery, names: NameResolver) -> WebhookReading:
    """Return the events of one delivery."""
    return several(lambda: _events(PayloadField(delivery.body), delivery, names))


def _events(body: PayloadField, delivery: WebhookDelivery, names: NameResolver) -> list[list[Assignment]]:
    kind = delivery.headers.get("x-github-event", "")
    match kind:
        case "push":
            return _push(body, delivery, names)
        case "pull_request":
            return [_pull_request(body, delivery, names)]
        case "deployment_status":
            return [_deployment_status(body, delivery, names)]
        case "workflow_run":
            return [_workflow_run(body, delivery, names)]
        case "":
            raise DeliveryUnmappable("the header X-GitHub-Event is missing: this is no delivery of GitHub")
        case _:
            raise DeliveryIgnored(f"{kind[:_WORD]}: {_NO_EVENT}")


# --- commits ----------------------------------------------------------------------------------------------------------
def _push(body: PayloadField, delivery: WebhookDelivery, names: NameResolver) -> list[list[Assignment]]:
    """The commits that a push brings to the default branch.

    One that GitHub calls not distinct was pushed to another branch before, as every commit of a request that is merged
    with a merge commit was: it is told here, for nothing else says when its change began.
    """
    if body.at("deleted").value is True:
        raise DeliveryIgnored(f"push: {fields.shown(body.at('ref').text)} was deleted")
    default = body.at("repository", "default_branch")
    commits = pushed_commits(body, default)
    common = joined(
        [Assignment("event_type", "commit_created", "header x-github-event"), _SYSTEM],
        placed(names, _SOURCE, _facts(body)),
        take("source.actor", body.at("sender", "login"), body.at("pusher", "name")),
        take("commit.branch", default),
        _merged_request(body, commits),
        [Assignment("attributes.history_complete", "false", f"commits: {_MOST}, no push tells more")]
        if len(commits) >= _MOST
        else [],
    )
    return commit_events(common, commits, delivery.received_at)


def _merged_request(body: PayloadField, commits: list[PayloadField]) -> list[Assignment]:
    """The request of all commits of a push, if GitHub's merge of one is its head, and no other was merged in it."""
    merges = [_MERGE.match(commit.at("message").text or "") for commit in commits]
    head = body.at("head_commit", "message")
    merged = _MERGE.match(head.text or "")
    if merged is None or sum(merge is not None for merge in merges) != 1:
        return []
    return [Assignment("change_id", f"{_repository(body)}#{merged[1]}", head.path)]


def _pull_request(body: PayloadField, delivery: WebhookDelivery, names: NameResolver) -> list[Assignment]:
    """A merged request: its head, and the commit that brought it to the default branch.

    The delivery has no time of a commit. A request is opened with a commit, so when it was opened is the earliest that
    is known of its first one, which is what counts.
    """
    request, action = body.at("pull_request"), body.at("action").text
    base, default = request.at("base", "ref").text, body.at("repository", "default_branch").text
    number = request.at("number").text or body.at("number").text
    if action != "closed" or request.at("merged").value is not True:
        raise DeliveryIgnored(f"pull_request: {action}, not merged: {_NO_EVENT}")
    into_default_branch(f"pull_request: #{number}", base, default)
    if number is None:
        raise DeliveryUnmappable("pull_request.number: is missing: this is no delivery of GitHub")
    return joined(
        [Assignment("event_type", "commit_created", "action and pull_request.merged"), _SYSTEM],
        timed(delivery.received_at, request.at("created_at")),
        placed(names, _SOURCE, _facts(body)),
        take("commit_sha", request.at("head", "sha"), read=fields.sha),
        [Assignment("change_id", f"{_repository(body)}#{number}", "repository.full_name and pull_request.number")],
        take("source.url", request.at("html_url"), read=fields.url),
        take("source.actor", request.at("merged_by", "login")),
        take("commit.author", request.at("user", "login")),
        take("commit.branch", request.at("head", "ref")),
        take("commit.merge_sha", request.at("merge_commit_sha"), read=fields.sha),
        take("attributes.github.merged_at", request.at("merged_at"), read=fields.time),
    )


# --- deployments ------------------------------------------------------------------------------------------------------
def _deployment_status(body: PayloadField, delivery: WebhookDelivery, names: NameResolver) -> list[Assignment]:
    deployment, status = body.at("deployment"), body.at("deployment_status")
    task, state = deployment.at("task").text or "", status.at("state").text
    rollback = is_rollback(task)
    match state, rollback:
        case "in_progress", False:
            kind = "canary_started"
        case "success", False:
            kind = "canary_promoted"
        case "success", True:
            kind = "rollback_triggered"
        case "in_progress", True:
            raise DeliveryIgnored(f"deployment_status: the rollback (task {task}) counts when it has succeeded")
        case (("failure" | "error"), _):
            why = "nothing reached its traffic and nothing was rolled back"
            raise DeliveryIgnored(f"deployment_status: {state}: {why}: {_NO_EVENT}")
        case _:
            raise DeliveryIgnored(f"deployment_status: {state}: {_NO_EVENT}")
    payload = _payload(deployment)
    return joined(
        [
            Assignment("event_type", kind, f"deployment_status.state, and deployment.task: {fields.shown(task)}"),
            _SYSTEM,
            _status_id(body, status),
        ],
        timed(delivery.received_at, status.at("created_at"), status.at("updated_at")),
        placed_in_env(names, _SOURCE, _deployment_facts(body, payload)),
        _rollback(deployment, payload, task) if rollback else _deployed(deployment, payload),
        lane(payload.at("lane")),
        _run(body),
        take("source.url", status.at("log_url"), status.at("target_url"), deployment.at("url"), read=fields.url),
        take("source.actor", deployment.at("creator", "login"), status.at("creator", "login")),
        note("github.ref", deployment.at("ref")),
        note("github.task", deployment.at("task")),
        note("github.description", status.at("description")),
    )


def is_rollback(task: str | None) -> bool:
    """Whether a deployment of this task takes another one back."""
    return _ROLLBACK.search((task or "").lower()) is not None


def _deployed(deployment: PayloadField, payload: PayloadField) -> list[Assignment]:
    return joined(
        take("deployment_id", deployment.at("id")),
        take("commit_sha", deployment.at("sha"), read=fields.sha),
        included(payload.at("included_shas")),
    )


def _rollback(deployment: PayloadField, payload: PayloadField, task: str) -> list[Assignment]:
    """A rollback deploys an old commit. Which one it takes back only the payload can say; else it is the last one."""
    said = payload.at("trigger").text
    trigger = "auto" if said == "auto" or "auto" in task.lower() else "manual"
    return joined(
        [Assignment("rollback.trigger", trigger, payload.at("trigger").path if said else "deployment.task")],
        take("rollback.to_sha", deployment.at("sha"), read=fields.sha),
        [Assignment("rollback.succeeded", value=True, origin="deployment_status.state")],
        take("rollback.reason", payload.at("reason"), deployment.at("description"), read=fields.title),
        take("commit_sha", payload.at("from_sha"), read=fields.sha),
        take("deployment_id", payload.at("from_deployment_id")),
    )


def _status_id(body: PayloadField, status: PayloadField) -> Assignment:
    number = status.at("id").text
    if number is None:
        raise DeliveryUnmappable("deployment_status.id: is missing: this is no delivery of GitHub")
    return identified(_SOURCE, _repository(body), "deployment_status", number)


def _payload(deployment: PayloadField) -> PayloadField:
    """What the deployer put in: an object, or the text of one."""
    payload = deployment.at("payload")
    if isinstance(payload.value, str):
        try:
            return payload._replace(value=json.loads(payload.value))
        except (ValueError, RecursionError):
            return payload._replace(value=None)
    return payload


def _deployment_facts(body: PayloadField, payload: PayloadField) -> dict[str, PayloadField]:
    """The environment of old deliveries stands at the deployment only."""
    environments = (
        payload.at("env"),
        body.at("deployment_status", "environment"),
        body.at("deployment", "environment"),
    )
    return facts_of(payload.at("service")) | _facts(body) | facts_of(*environments)


def _run(body: PayloadField) -> list[Assignment]:
    """The workflow run that deployed, if one did."""
    run = body.at("workflow_run")
    return joined(take("source.run_id", run.at("id")), take("source.attempt", run.at("run_attempt"), read=_count))


# --- tests ------------------------------------------------------------------------------------------------------------
def _workflow_run(body: PayloadField, delivery: WebhookDelivery, names: NameResolver) -> list[Assignment]:
    run = body.at("workflow_run")
    conclusion, name = run.at("conclusion").text, run.at("name").text or ""
    path = (run.at("path").text or body.at("workflow", "path").text or "").partition("@")[0]
    file = path.rpartition("/")[2].rpartition(".")[0]
    if body.at("action").text != "completed" or conclusion != "success":
        raise DeliveryIgnored(f"workflow_run: {body.at('action').text}, {conclusion}: {_NO_EVENT}")
    if not any(_TESTS.search(word.lower()) for word in (file, name)):
        hint = "call it so, or let it say `candora-ci emit tests_passed` itself"
        raise DeliveryIgnored(f"workflow_run: {fields.shown(name)} ({path}) names no test; if it tests, {hint}")
    number, attempt = run.at("id").text or "", run.at("run_attempt").text or "1"
    return joined(
        [
            Assignment("event_type", "tests_passed", "workflow_run.conclusion, and its name"),
            _SYSTEM,
            identified(_SOURCE, _repository(body), "workflow_run", number, attempt),
        ],
        timed(delivery.received_at, run.at("updated_at")),
        placed(names, _SOURCE, _facts(body) | facts_of(run.at("path"))),
        take("commit_sha", run.at("head_sha"), read=fields.sha),
        _run(body),
        take("source.url", run.at("html_url"), read=fields.url),
        take("source.actor", run.at("triggering_actor", "login"), run.at("actor", "login")),
        note("github.workflow", run.at("name")),
    )


# --- common -----------------------------------------------------------------------------------------------------------
def _repository(body: PayloadField) -> str:
    name = body.at("repository", "full_name").text
    if name is None:
        raise DeliveryUnmappable("repository.full_name: is missing: this is no delivery of GitHub")
    return name


def _facts(body: PayloadField) -> dict[str, PayloadField]:
    return facts_of(body.at("repository", "name"), body.at("repository", "full_name"))


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
