"""A run of a CI system, as its token proves it, and how an event is bound to it. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from producers.sidecar.auth.access import AccessRefused, RefusalReason
from producers.sidecar.auth.scope import Scope, text_at
from producers.sidecar.auth.settings import TrustSettings
from schemas.errors import InvalidEvent

Claims = Mapping[str, Any]
AnyTrust = TypeVar("AnyTrust", bound=TrustSettings)
Allowed = Callable[[AnyTrust], set[str]]
"""The names that a configuration may have, by an entry of the settings."""

ROLLOUTS: Final = frozenset({"canary_started", "canary_promoted", "rollback_triggered"})
"""These decide the numbers of an environment, so the forge must say that the job may touch it."""

OF_THE_COMMIT: Final = frozenset(
    {
        "commit_created",
        "artifact_built",
        "tests_passed",
        "security_scanned",
        "policy_passed",
        "canary_started",
        "canary_promoted",
    }
)
"""Types whose commit is the one that the run is of. A rollback and an incident name the commit that is at fault, and
the run that reports it is of a later one."""


@dataclass(frozen=True, slots=True)
class CiRun:
    """What is proven."""

    system: str
    repository: str
    commit: str
    ref: str
    branch: str | None
    """None for a tag, or where the forge makes up a branch."""
    for_request: bool
    """Whether it runs for a pull or merge request, on a commit that may never be merged."""
    request: str | None
    """Its number, if it is known."""
    run_id: str
    attempt: int | None
    actor: str
    home: str
    """The address of the repository."""
    url: str
    environment: str | None
    protected: bool
    """Whether the forge guards what it runs on, so that not just anybody can make it say what they like."""


@dataclass(frozen=True, slots=True)
class VerifiedRun:
    """A run of a repository that is let in: a `Caller`."""

    run: CiRun
    trust: TrustSettings

    @property
    def name(self) -> str:
        """See `Caller`."""
        return f"{self.run.system} {self.run.repository}"

    def bind(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """See `Caller`."""
        bound = dict(event)
        _bind_run(bound, self.run)
        _bind_commit(bound, self.run, self.trust)
        _bind_environment(bound, self.run, self.trust)
        Scope.of(self.trust).check(bound)
        return bound


def claim(claims: Claims, name: str) -> str:
    """A claim that must be there, as text.

    Raises:
        Refused: it is not.
    """
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise AccessRefused(RefusalReason.MISSING_CLAIM, f"the token has no {name}")
    return str(value)


def trusted(known: Sequence[AnyTrust], name: str, number: str, made_by: str, allowed: Allowed[AnyTrust]) -> AnyTrust:
    """The entry of the settings, of those with this name, that lets a run in which was `made_by` a configuration.

    Raises:
        Refused: there is none; the message says which part of it does not fit.
    """
    same = [each for each in known if each.number == number]
    if not same:
        why = f"with the number {number}, which is another one than in the settings" if known else "in the settings"
        raise AccessRefused(RefusalReason.WRONG_REPOSITORY, f"there is no {name} {why}")
    found = next((each for each in same if made_by in allowed(each)), None)
    if found is None:
        raise AccessRefused(RefusalReason.WRONG_WORKFLOW, f"the settings do not let {made_by} of {name} in")
    return found


def _bind_run(bound: dict[str, Any], run: CiRun) -> None:
    source = _record(bound, "source")
    proven: dict[str, object] = {"run_id": run.run_id, "actor": run.actor}
    if run.attempt is not None:
        proven["attempt"] = run.attempt
    for name, value in proven.items():
        _agree(f"source.{name}", source.get(name), value)
    url = source.get("url")
    if url is not None and not str(url).casefold().startswith(f"{run.home}/".casefold()):
        raise _mismatch("source.url", url, run.url)
    # A job may speak through another system, as with a CDEvent; the run is the forge's all the same.
    bound["source"] = {**source, **proven, "system": run.system, "url": url or run.url}

    attributes = _record(bound, "attributes")
    for name, word in (("repository", run.repository), ("ref", run.ref)):
        _agree(f"attributes.{name}", attributes.get(name), word)
    bound["attributes"] = {**attributes, "repository": run.repository, "ref": run.ref}
    _check_change(text_at(bound, "change_id"), run)


def _check_change(change: str | None, run: CiRun) -> None:
    """A change written `repo#7` or `repo!7` is one of this repository; in a request's run, it is that request."""
    found = re.fullmatch(r"(?P<repo>.*)[#!](?P<number>[0-9]+)", change or "")
    if found is None:
        return
    names = {"", run.repository.casefold(), run.repository.rpartition("/")[2].casefold()}
    foreign = found["repo"].casefold() not in names
    if foreign or (run.request is not None and found["number"] != run.request):
        raise _mismatch("change_id", change, f"{run.repository}#{run.request or '…'}")


def _bind_commit(bound: dict[str, Any], run: CiRun, trust: TrustSettings) -> None:
    kind = bound.get("event_type")
    if trust.commit == "event" or kind not in OF_THE_COMMIT:
        return
    if kind == "commit_created":
        commit = _record(bound, "commit")
        if run.branch is not None:
            _agree("commit.branch", commit.get("branch"), run.branch)
            bound["commit"] = {**commit, "branch": run.branch}
        if run.for_request:
            # The token has the throw-away merge; what is reported is the request's own commit.
            return
    _agree("commit_sha", bound.get("commit_sha"), run.commit)
    bound["commit_sha"] = run.commit


def _bind_environment(bound: dict[str, Any], run: CiRun, trust: TrustSettings) -> None:
    kind = bound.get("event_type")
    if kind not in ROLLOUTS:
        return
    if run.environment is None:
        raise AccessRefused(
            RefusalReason.NO_ENVIRONMENT, f"{kind} needs a job with `environment:`, so that the forge guards it"
        )
    if not run.protected:
        raise AccessRefused(
            RefusalReason.WRONG_TRIGGER, f"{kind} needs a run on a protected branch or tag, not on {run.ref}"
        )
    env = trust.environment_names.get(run.environment, run.environment)
    if bound.get("env") != run.environment:  # GitLab's jobs know it by the forge's name
        _agree("env", bound.get("env"), env)
    bound["env"] = env


def _record(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = event.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidEvent("is not an object", path=name)
    return value


def _agree(path: str, said: object, proven: object) -> None:
    if said is not None and str(said).casefold() != str(proven).casefold():
        raise _mismatch(path, said, proven)


def _mismatch(path: str, said: object, proven: object) -> AccessRefused:
    return AccessRefused(
        RefusalReason.CLAIM_MISMATCH, f"{path}: the event says {str(said)[:100]!r}, the token {proven!r}"
    )
