"""Complete events from the CI job, the repository and its service map."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, NamedTuple

from producers.context.ci.job import CiJob, JobValue, repo_of
from producers.context.commit_range import CommitRange, IncludedCommits, RangeCommit, of_push, of_request, since
from producers.context.git import Git, GitCommit, GitError
from producers.context.pull_requests import request_of, trial_merge
from producers.context.service_map import ServiceMap
from producers.errors import UsageError
from producers.events.assignments import assignments
from producers.events.event_builder import Assignment
from schemas.rules import MAX_TEXT

STAGES: Final = frozenset({"commit_created", "artifact_built", "tests_passed", "security_scanned", "policy_passed"})
ROLLOUTS: Final = frozenset({"canary_started", "canary_promoted"})
_IN_ENV: Final = ROLLOUTS | {"rollback_triggered"}

_REMEDY: Final = (
    "clone with all commits (GitHub: fetch-depth: 0, GitLab: GIT_DEPTH: 0), or give --fetch-history; "
    "until then the event says history_complete=false"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextRequest:
    """The events that the caller wants reported."""

    event_type: str
    given: Mapping[str, str | Sequence[str] | None]
    """The text of each field's flag by its `dest`."""
    services: Sequence[JobValue] = ()
    """Each gets events of its own. Empty: the map of services says, or the repository's name."""
    sets: Sequence[str] = ()
    attributes: Sequence[str] = ()
    sha: str | None = None
    """Exactly this commit, whatever the job is about."""
    alone: bool = False
    """Only one commit: something that is said holds for no other."""
    base: str | None = None
    """The commit before those of the change, by any name that git knows."""
    since: str | None = None
    """The commit that was promoted last, by any name that git knows."""
    since_tag: str | None = None
    """The form of the tags that promotions leave behind."""
    fetch_history: bool = False


class CollectedFields(NamedTuple):
    """The fields of each event, and what people should know about them."""

    events: Sequence[list[Assignment]]
    warnings: Sequence[str]
    notes: Sequence[str]
    """For --explain."""


@dataclass(slots=True)
class ContextCollector:
    """Collects the fields of one command's events. Git is queried only for what the job does not give."""

    request: ContextRequest
    job: CiJob
    git: Git
    services: ServiceMap | None
    environ: Mapping[str, str]
    now: datetime
    _warnings: list[str] = field(default_factory=list)
    _notes: list[str] = field(default_factory=list)

    def collect(self) -> CollectedFields:
        """Return the events.

        Raises:
            UsageError: there is no service to report for.
        """
        self._notes += self.job.ignored
        if self.request.fetch_history:
            self._fetch()
        kind = self.request.event_type
        if kind in STAGES or kind in ROLLOUTS:
            self._find_sha()
        if kind == "commit_created":
            events = self._commits()
        elif kind in STAGES:
            events = [self._event(service, self._stage()) for service in self._touched_services()]
        else:
            facts = self._rollout() if kind in ROLLOUTS else []
            facts += _known("env", self.job.env) if kind in _IN_ENV else []
            events = [self._event(service, facts) for service in self._named_services()]
        return CollectedFields(events, self._warnings, self._notes)

    # --- the commit -----------------------------------------------------------------------------------------------

    def _fetch(self) -> None:
        try:
            if self.git.edge():
                self.git.fetch_history(self.git.resolve("HEAD"))
        except GitError as problem:
            self._warnings.append(f"--fetch-history: {problem}")

    def _find_sha(self) -> None:
        """Determine the commit of the events: the CI system's, else the one that is checked out."""
        if self.request.sha is not None:
            self.job = replace(self.job, sha=JobValue(self.request.sha.lower(), "--sha"))
        if self.job.sha is not None:
            return
        try:
            checked_out = self.git.commit(self.git.resolve("HEAD"))
        except GitError as problem:
            messages = self._warnings if self.request.event_type in STAGES else self._notes
            messages.append(f"no commit is known: {problem}")
            return
        merge = trial_merge(checked_out.message, checked_out.parents)
        if merge is None:
            self.job = replace(self.job, sha=JobValue(checked_out.sha, "git: HEAD"))
        else:
            head = JobValue(merge.head, f"git: HEAD, {checked_out.sha[:12]}, is a merge for a trial, and this its head")
            base = JobValue(merge.base, "git: the other side of that merge")
            self.job = replace(self.job, sha=head, base=base)

    def _commit(self) -> GitCommit | None:
        """Return the job's commit from git; None, with a note, if git does not have it."""
        if self.job.sha is None:
            return None
        try:
            return self.git.commit(self.git.resolve(self.job.sha.value))
        except GitError as problem:
            self._notes.append(f"git has no commit {self.job.sha.value[:12]}: {problem}")
            return None

    # --- commit_created -------------------------------------------------------------------------------------------

    def _commits(self) -> list[list[Assignment]]:
        commit = self._commit()
        if commit is None:
            services = self._named_services() if self._one_service_for_all else self._no_services("the commit")
            return [self._event(service, self._unknown_commit()) for service in services]
        history = self._history(commit)
        gap = self._gap(history.gap)
        if self.services is None or self._one_service_for_all:
            services = self._named_services()
            return [
                self._event(service, [*self._commit_fields(entry), *gap])
                for entry in history.commits
                for service in services
            ]
        return [
            self._event(service, [*self._commit_fields(entry), *gap])
            for entry in history.commits
            for service in self._services_of([entry], self.services)
        ]

    def _history(self, commit: GitCommit) -> CommitRange:
        """Return the commits to report: this one alone if it was named, else all of the request or push."""
        job = self.job
        if self.request.sha is not None or self.request.alone:
            change = job.change.value if job.change and job.is_request else request_of(commit.message, _value(job.repo))
            return CommitRange([RangeCommit(commit, change, _value(job.merge_sha), mainline=not job.is_request)])
        try:
            if job.is_request:
                return of_request(self.git, commit, self._bases(), job)
            base = self.request.base or _value(job.base)
            if base is None and (fork := self._target_branch()) is not None:
                return of_request(self.git, commit, [fork], job)
            return of_push(self.git, commit, base, job)
        except GitError as problem:
            return CommitRange([RangeCommit(commit, _value(job.change))], f"only the last commit is known: {problem}")

    def _bases(self) -> list[str]:
        """Return the revisions that a request's commits exclude: the caller's base, else all known of its target."""
        if self.request.base is not None:
            return [self.request.base]
        bases = [self.job.base.value] if self.job.base else []
        try:
            checked_out = self.git.commit(self.git.resolve("HEAD"))
            merge = trial_merge(checked_out.message, checked_out.parents)
        except GitError:
            merge = None
        if merge is not None:
            return [merge.base, *bases]
        if self.job.base_branch is not None:
            bases.append(f"refs/remotes/origin/{self.job.base_branch.value}")
        return bases

    def _target_branch(self) -> str | None:
        """Return the branch that this one will be merged into, for a branch build without a request."""
        target = self.job.base_branch or self.job.default_branch
        if target is None or self.job.branch is None or self.job.branch.value == target.value:
            return None
        name = f"refs/remotes/origin/{target.value}"
        return name if self.git.has(name) else None

    def _commit_fields(self, entry: RangeCommit) -> list[Assignment]:
        commit = entry.commit
        facts = [
            Assignment(
                "commit_sha", commit.sha, self.job.sha.origin if self._is_tip(commit) and self.job.sha else "git"
            ),
            Assignment("occurred_at", commit.committed_at, "git: committer time"),
            Assignment("commit.author", commit.author[:MAX_TEXT], "git"),
        ]
        if commit.parents:
            facts.append(Assignment("commit.parents", list(commit.parents), "git"))
        if entry.change:
            origin = self.job.change.origin if self.job.change and self.job.is_request else "git: commit message"
            facts.append(Assignment("change_id", entry.change, origin))
        elif self._is_tip(commit) and not self.request.sha:
            facts += _known("change_id", self.job.change)
        if entry.merge_sha and entry.merge_sha != commit.sha:
            origin = self.job.merge_sha.origin if self.job.merge_sha else "git: the merge that brought it in"
            facts.append(Assignment("commit.merge_sha", entry.merge_sha, origin))
        return [*facts, *_known("commit.branch", self.job.branch)]

    def _is_tip(self, commit: GitCommit) -> bool:
        return self.job.sha is not None and commit.sha == self.job.sha.value

    def _unknown_commit(self) -> list[Assignment]:
        """Return the fields of a commit that git does not have, as far as the CI system gives them."""
        facts = [*self._stage(), *_known("commit.branch", self.job.branch)]
        facts += _known("commit.merge_sha", self.job.merge_sha)
        if self.request.sha is not None:
            return facts
        time = _known("occurred_at", self.job.committed_at)
        return [*facts, *time, *self._gap("the commit is not in this clone, so its first commit is not known")]

    def _gap(self, gap: str | None) -> list[Assignment]:
        if gap is None:
            return []
        self._warnings.append(f"{gap}: {_REMEDY}")
        return [Assignment("attributes.history_complete", "false", "git")]

    # --- rollouts and the other stages ----------------------------------------------------------------------------

    def _stage(self) -> list[Assignment]:
        return [*_known("commit_sha", self.job.sha), *_known("change_id", self.job.change)]

    def _rollout(self) -> list[Assignment]:
        facts = [*_known("commit_sha", self.job.sha), *_known("deployment_id", self.job.deployment_id)]
        try:
            base = self._last_promoted()
            if base is None or self.job.sha is None:
                return facts
            included = since(self.git, self.git.resolve(self.job.sha.value), base.value)
        except GitError as problem:
            included, base = (
                IncludedCommits(None, f"the commits since the last promotion are not known: {problem}"),
                None,
            )
        facts += self._gap(included.gap)
        if included.shas is not None and base is not None:
            origin = f"git: the {len(included.shas)} commits since {base.value[:12]} ({base.origin})"
            facts.append(Assignment("canary.included_shas", list(included.shas), origin))
        return facts

    def _last_promoted(self) -> JobValue | None:
        """Return the last promoted commit, if the caller says how to find it.

        Raises:
            GitError: it cannot be found.
        """
        if self.request.since is not None:
            return JobValue(self.git.resolve(self.request.since), f"--since {self.request.since}")
        if self.request.since_tag is None:
            return None
        if self.job.sha is None:
            raise GitError("there is no commit to look for tags before")
        tag = self.git.newest_tag(self.request.since_tag, self.git.resolve(self.job.sha.value))
        if tag is None and self.git.edge():
            raise GitError(f"no commit of this shallow clone has a tag {self.request.since_tag}")
        if tag is None:
            self._warnings.append(
                f"no commit before {self.job.sha.value[:12]} has a tag {self.request.since_tag}, so only its own "
                "change is carried: right for a first promotion, else let the clone have the tags"
            )
            return None
        return JobValue(
            self.git.resolve(tag), f"--since-tag {self.request.since_tag}: {tag.removeprefix('refs/tags/')}"
        )

    # --- services -------------------------------------------------------------------------------------------------

    def _touched_services(self) -> Sequence[JobValue]:
        """Return the services that the request or push touches; the only one, in a repository of one service."""
        if self.services is None or self._one_service_for_all:
            return self._named_services()
        commit = self._commit()
        if commit is None:
            return self._no_services("the commit")
        history = self._history(commit)
        self._gap(history.gap)
        return self._services_of(history.commits, self.services)

    @property
    def _one_service_for_all(self) -> bool:
        """Whether services do not depend on what a commit touches."""
        named = self.request.services or any(text.startswith("service=") for text in self.request.sets)
        return bool(named) or self.services is None

    def _no_services(self, what: str) -> Sequence[JobValue]:
        self._warnings.append(
            f"{self.request.event_type} is reported for no service, for what {what} touches is not in this clone: "
            "clone with all commits (GitHub: fetch-depth: 0, GitLab: GIT_DEPTH: 0), "
            "or give --fetch-history or --service"
        )
        return []

    def _named_services(self) -> Sequence[JobValue]:
        if self.request.services or any(text.startswith("service=") for text in self.request.sets):
            return self.request.services or [JobValue("", "")]
        if self.services is not None:
            names = ", ".join(self.services.patterns)
            raise UsageError(f"{self.request.event_type} needs a service: --service or CANDORA_SERVICE, one of {names}")
        repo = self.job.repo or self._remote_repo()
        if repo is None:
            raise UsageError("service: not known: give --service or set CANDORA_SERVICE")
        name = repo.value.rpartition("/")[2]
        return [JobValue(name, f"name of the repository ({repo.origin})")]

    def _remote_repo(self) -> JobValue | None:
        try:
            return repo_of(JobValue(self.git.remote(), "git: address of origin"))
        except GitError:
            return None

    def _services_of(self, commits: Iterable[RangeCommit], services: ServiceMap) -> list[JobValue]:
        touched: dict[str, JobValue] = {}
        for entry in commits:
            names = services.touched(self._paths(entry))
            touched |= {name: JobValue(name, services.origin) for name in names}
            if not names:
                self._notes.append(f"{entry.commit.sha[:12]} touches no service of {services.origin}")
        return list(touched.values())

    def _paths(self, entry: RangeCommit) -> list[str]:
        """Return the paths that a commit changes on its branch."""
        commit = entry.commit
        try:
            # At the edge of a shallow clone a commit seems to have made every file.
            if commit.sha not in self.git.edge():
                return self.git.changed(commit) if entry.mainline and commit.parents else self.git.paths(commit)
            self._no_services(commit.sha[:12])
        except GitError as problem:
            self._warnings.append(f"the paths of {commit.sha[:12]} are not known: {problem}")
        return []

    # --- whole events ---------------------------------------------------------------------------------------------

    def _event(self, service: JobValue, facts: Iterable[Assignment]) -> list[Assignment]:
        job = self.job
        job_fields = [
            *([Assignment("source.system", job.system, "detected")] if job.system else []),
            *_known("source.run_id", job.run_id),
            *([Assignment("source.attempt", int(job.attempt.value), job.attempt.origin)] if job.attempt else []),
            *_known("source.url", job.url),
            *_known("source.actor", job.actor),
            *_known("attributes.repository", job.repo),
        ]
        facts = list(facts)
        chosen = [Assignment("service", service.value, service.origin)] if service.value else []
        # CANDORA_SHA names the commit of the job; the others that it reports are not that one.
        chosen += [fact for fact in facts if fact.path == "commit_sha" and fact.value != _value(job.sha)]
        facts = [fact for fact in facts if fact not in chosen]
        return assignments(
            self.request.event_type,
            self.request.given,
            sets=self.request.sets,
            attributes=self.request.attributes,
            environ=self.environ,
            now=self.now,
            chosen=chosen,
            known=[*facts, *job_fields],
        )


def _known(path: str, found: JobValue | None) -> list[Assignment]:
    return [Assignment(path, found.value, found.origin)] if found else []


def _value(found: JobValue | None) -> str | None:
    return found.value if found else None
