"""What GitHub's, GitLab's and PagerDuty's REST APIs list of one small story, with the fields that they have.

The story: a merged request of two commits, a squashed one of two, two deployments and an incident of the second.
"""

from typing import Any, Final

from schemas.values import SECOND, Micros

JUDGED: Final[Micros] = 1_772_798_400 * SECOND
"""2026-03-06T12:00:00Z: a day and more after all of it."""
REPO: Final = "acme/shop-api"
PROJECT: Final = "acme/checkout/shop-api"


def sha(letter: str) -> str:
    return letter * 40


MESSAGES: Final = {
    "0": "Begin",
    "a": "Tea, one",
    "b": "Tea, two",
    "c": f"Merge pull request #7 from acme/tea\n\nTea\n\nSee merge request {PROJECT}!7",
    "d": "Cake, one",
    "e": "Cake, two",
    "f": "Cake (#8)",
}
PARENTS: Final = {"0": "", "a": "0", "b": "a", "c": "0b", "d": "0", "e": "d", "f": "c"}
TIMES: Final = {"0": "08:00", "a": "09:00", "b": "10:00", "c": "11:00", "d": "09:30", "e": "10:30", "f": "12:00"}


def at(clock: str) -> str:
    return f"2026-03-03T{clock}:00Z"


# --- GitHub -----------------------------------------------------------------------------------------------------------
def github_commit(letter: str) -> dict[str, Any]:
    person = {"name": "Grace Hopper", "email": "grace@shop.example", "date": at(TIMES[letter])}
    return {
        "sha": sha(letter),
        "node_id": "C_x",
        "url": f"https://api.github.com/repos/{REPO}/commits/{sha(letter)}",
        "html_url": f"https://github.com/{REPO}/commit/{sha(letter)}",
        "commit": {"author": person, "committer": person, "message": MESSAGES[letter], "comment_count": 0},
        "author": {"login": "grace", "id": 77, "type": "User"},
        "committer": {"login": "grace", "id": 77, "type": "User"},
        "parents": [{"sha": sha(parent), "url": "", "html_url": ""} for parent in PARENTS[letter]],
    }


def github_repository() -> dict[str, Any]:
    return {"id": 512044, "name": "shop-api", "full_name": REPO, "private": True, "default_branch": "main"}


def github_pull(number: int, head: str, merge: str | None, opened: str, branch: str) -> dict[str, Any]:
    return {
        "id": 9000 + number,
        "url": f"https://api.github.com/repos/{REPO}/pulls/{number}",
        "html_url": f"https://github.com/{REPO}/pull/{number}",
        "number": number,
        "state": "closed",
        "title": branch,
        "user": {"login": "grace"},
        "created_at": at(opened),
        "updated_at": at("12:30"),
        "merged_at": at(TIMES[merge]) if merge else None,
        "merge_commit_sha": sha(merge) if merge else sha("9"),
        "head": {"ref": branch, "sha": sha(head), "repo": github_repository()},
        "base": {"ref": "main", "sha": sha("0"), "repo": github_repository()},
    }


def github_deployment(number: int, letter: str, **more: Any) -> dict[str, Any]:
    return {
        "url": f"https://api.github.com/repos/{REPO}/deployments/{number}",
        "id": number,
        "sha": sha(letter),
        "ref": "main",
        "task": "deploy",
        "payload": {},
        "original_environment": "prod",
        "environment": "prod",
        "description": "",
        "creator": {"login": "github-actions[bot]"},
        "created_at": at("11:00"),
        "updated_at": at("13:00"),
        "statuses_url": f"https://api.github.com/repos/{REPO}/deployments/{number}/statuses",
        "repository_url": f"https://api.github.com/repos/{REPO}",
        **more,
    }


def github_status(number: int, deployment: int, state: str, clock: str) -> dict[str, Any]:
    return {
        "url": f"https://api.github.com/repos/{REPO}/deployments/{deployment}/statuses/{number}",
        "id": number,
        "state": state,
        "creator": {"login": "github-actions[bot]"},
        "description": "",
        "environment": "prod",
        "target_url": "",
        "created_at": at(clock),
        "updated_at": at(clock),
        "deployment_url": f"https://api.github.com/repos/{REPO}/deployments/{deployment}",
        "repository_url": f"https://api.github.com/repos/{REPO}",
        "log_url": f"https://github.com/{REPO}/actions/runs/7001/job/{number}",
    }


GITHUB: Final[list[dict[str, Any]]] = [
    *(github_commit(letter) for letter in MESSAGES),
    github_pull(7, "b", "c", "10:15", "tea"),
    github_pull(8, "e", "f", "10:45", "cake"),
    github_pull(9, "9", None, "11:45", "soup"),
    github_deployment(31, "0"),
    github_deployment(32, "f"),
    github_status(501, 31, "in_progress", "08:30"),
    github_status(502, 31, "success", "09:00"),
    github_status(503, 32, "queued", "12:20"),
    github_status(504, 32, "in_progress", "12:30"),
    github_status(505, 32, "success", "13:00"),
    github_status(506, 31, "inactive", "13:00"),
]


# --- GitLab -----------------------------------------------------------------------------------------------------------
def gitlab_commit(letter: str) -> dict[str, Any]:
    return {
        "id": sha(letter),
        "short_id": sha(letter)[:8],
        "created_at": at(TIMES[letter]),
        "parent_ids": [sha(parent) for parent in PARENTS[letter]],
        "title": MESSAGES[letter].partition("\n")[0],
        "message": MESSAGES[letter],
        "author_name": "Grace Hopper",
        "authored_date": at(TIMES[letter]),
        "committer_name": "Grace Hopper",
        "committed_date": at(TIMES[letter]),
        "web_url": f"https://gitlab.example/{PROJECT}/-/commit/{sha(letter)}",
    }


def gitlab_request(number: int, head: str, merge: str | None, squash: str | None, opened: str) -> dict[str, Any]:
    return {
        "id": 800 + number,
        "iid": number,
        "project_id": 15,
        "title": "A request",
        "state": "merged" if merge or squash else "opened",
        "created_at": at(opened),
        "updated_at": at("12:30"),
        "merged_at": at("12:00"),
        "target_branch": "main",
        "source_branch": "work",
        "author": {"id": 4, "username": "grace", "name": "Grace Hopper"},
        "merge_user": {"id": 4, "username": "grace", "name": "Grace Hopper"},
        "sha": sha(head),
        "merge_commit_sha": sha(merge) if merge else None,
        "squash_commit_sha": sha(squash) if squash else None,
        "references": {"short": f"!{number}", "relative": f"!{number}", "full": f"{PROJECT}!{number}"},
        "web_url": f"https://gitlab.example/{PROJECT}/-/merge_requests/{number}",
    }


def gitlab_deployment(number: int, letter: str, status: str, began: str, ended: str) -> dict[str, Any]:
    return {
        "id": number,
        "iid": number - 700,
        "ref": "main",
        "sha": sha(letter),
        "created_at": at(began),
        "updated_at": at("23:00"),
        "status": status,
        "user": {"username": "grace"},
        "environment": {"id": 3, "name": "prod", "slug": "prod", "tier": "production"},
        "deployable": {
            "id": 9000 + number,
            "status": status,
            "started_at": at(began),
            "finished_at": at(ended),
            "web_url": f"https://gitlab.example/{PROJECT}/-/jobs/{9000 + number}",
        },
    }


def gitlab_incident(number: int = 9, **more: Any) -> dict[str, Any]:
    return {
        "id": 300 + number,
        "iid": number,
        "project_id": 15,
        "title": "Checkout answers 500",
        "state": "closed",
        "created_at": "2026-03-03T14:00:00.123Z",
        "updated_at": "2026-03-03T14:40:02.000Z",
        "closed_at": "2026-03-03T14:40:00.456Z",
        "labels": ["service::shop-api", "env::prod", "checkout"],
        "issue_type": "incident",
        "type": "INCIDENT",
        "severity": "HIGH",
        "author": {"username": "grace"},
        "references": {"full": f"{PROJECT}#{number}"},
        "web_url": f"https://gitlab.example/{PROJECT}/-/issues/{number}",
        **more,
    }


GITLAB: Final[list[dict[str, Any]]] = [
    {
        "id": 15,
        "path_with_namespace": PROJECT,
        "default_branch": "main",
        "web_url": f"https://gitlab.example/{PROJECT}",
    },
    *(gitlab_commit(letter) for letter in MESSAGES),
    gitlab_request(7, "b", "c", None, "10:15"),
    gitlab_request(8, "e", None, "f", "10:45"),
    gitlab_deployment(771, "0", "success", "08:30", "09:00"),
    gitlab_deployment(772, "f", "success", "12:30", "13:00"),
    gitlab_deployment(773, "f", "failed", "12:10", "12:20"),
    gitlab_incident(),
]


# --- PagerDuty --------------------------------------------------------------------------------------------------------
def pagerduty_incident(name: str = "Q1", **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "type": "incident",
        "incident_number": 412,
        "title": "Card payments answer 5xx",
        "created_at": at("14:00"),
        "updated_at": at("16:00"),
        "status": "resolved",
        "incident_key": "cards-5xx",
        "service": {"id": "PSVC", "type": "service_reference", "summary": "shop-api"},
        "urgency": "high",
        "priority": {"id": "P1", "type": "priority", "summary": "P1", "name": "P1"},
        "last_status_change_at": at("14:40"),
        "resolved_at": at("14:40"),
        "html_url": f"https://acme.pagerduty.com/incidents/{name}",
        "teams": [],
        **more,
    }


def log_entry(number: int, kind: str, clock: str, incident: str = "Q1") -> dict[str, Any]:
    return {
        "id": f"R{number}",
        "type": f"{kind}_log_entry",
        "created_at": at(clock),
        "agent": {"id": "PUSER", "type": "user_reference"},
        "incident": {"id": incident, "type": "incident_reference"},
        "service": {"id": "PSVC", "type": "service_reference"},
    }


PAGERDUTY: Final[list[dict[str, Any]]] = [
    {"incidents": [pagerduty_incident()], "limit": 100, "offset": 0, "more": False, "total": None},
    {
        "log_entries": [
            log_entry(1, "trigger", "14:00"),
            log_entry(2, "acknowledge", "14:05"),
            log_entry(3, "resolve", "14:40"),
            log_entry(4, "reopen", "15:00"),
            log_entry(5, "resolve", "15:20"),
        ],
        "more": False,
    },
]
