"""A git repository: its commits, and a deployment for each tag of a form, or for each commit on a deploy branch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from producers.context.ci.job import JobValue as Said
from producers.context.ci.job import repo_of
from producers.context.commit_range import RangeCommit
from producers.context.git import GitError
from producers.context.pull_requests import request_of
from producers.context.service_map import ServiceMap
from producers.errors import UsageError
from producers.events.event_builder import Assignment
from producers.history_import.git_log import RepositoryHistory
from producers.history_import.graph import CommitGraph, CommitSequence
from producers.history_import.imported_events import UNTOLD, ImportedEvents, micros_of
from schemas.rules import MAX_INCLUDED, MAX_TEXT

_SERVICE: Final = "{service}"
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class GitImportRequest:
    """What is to be read from a repository."""

    deploy_tags: Sequence[str] = ()
    deploy_branch: str | None = None
    rollback_tags: Sequence[str] = ()
    branch: str | None = None
    """The main line; without one the branch that a clone is on."""
    service: str | None = None
    services: ServiceMap | None = None
    env: str = "prod"
    repository: str | None = None
    """`owner/name`, for the ids of requests; without one the address of origin says."""
    system: str = "git"


class GitRelease(NamedTuple):
    """A moment at which a commit came to the environment, or came back to it."""

    at: datetime
    name: str
    """The tag; of a commit on a deploy branch nothing."""
    sha: str
    origin: str
    rollback: bool = False


def read_git(git: RepositoryHistory, asked: GitImportRequest, found: ImportedEvents) -> None:
    """Find the events of a repository.

    Raises:
        UsageError: it is none, it is not whole, or it has not what is asked for.
    """
    try:
        _History(git, asked, found).read()
    except GitError as problem:
        raise UsageError(str(problem)) from problem


class _History:
    def __init__(self, git: RepositoryHistory, asked: GitImportRequest, found: ImportedEvents) -> None:
        self._git, self._asked, self._found = git, asked, found
        if git.edge():
            raise UsageError("this clone is shallow: its history is cut off. Run git fetch --unshallow --tags")
        self._repository = asked.repository or self._cloned()
        name = asked.service or (self._repository or "").rpartition("/")[2]
        if not name and asked.services is None:
            raise UsageError("service: the repository has no origin to name it after; give --service")
        self._service = name
        found.progress("reading the commits", 0, None)
        self._main = git.branch(asked.branch) if asked.branch else git.default_branch()
        self._releases = self._all_releases()
        branches = [self._main, *([git.branch(asked.deploy_branch)] if asked.deploy_branch else [])]
        main, *others = map(git.resolve, branches)
        tips = list(dict.fromkeys((main, *(each.sha for _, each in self._releases), *others)))
        self._commits = git.all_commits(tips)
        self._graph = CommitGraph({sha: commit.parents for sha, commit in self._commits.items()})
        self._steps = self._graph.steps(tips)
        self._by_head = {step.head: step for step in self._steps}
        self._made = dict(self._each_made())
        self._paths = self._all_paths()

    def _cloned(self) -> str | None:
        try:
            repo = repo_of(Said(self._git.remote(), "git: address of origin"))
        except GitError:
            return None
        return repo.value if repo else None

    # --- commits ------------------------------------------------------------------------------------------------------

    def _each_made(self) -> Iterator[tuple[str, RangeCommit]]:
        """Each commit with the request it came from, as the job of its push says it."""
        for step in self._steps:
            change = request_of(self._commits[step.head].message, self._repository)
            yield step.head, RangeCommit(self._commits[step.head], change, mainline=True)
            for sha in step.brought[1:]:
                yield sha, RangeCommit(self._commits[sha], change, step.head)

    def _all_paths(self) -> dict[str, list[str]]:
        if self._asked.services is None:
            return {}
        return self._git.all_paths(self._commits.values(), (step.head for step in self._steps))

    def _services_of(self, shas: Sequence[str]) -> list[str]:
        if self._asked.services is None:
            return [self._service]
        return self._asked.services.touched(path for sha in shas for path in self._paths.get(sha, ()))

    def _commit_events(self, carried: set[str]) -> None:
        """The commits of the time that is asked for, and all that its deployments carry."""
        branch = self._main.removeprefix("refs/heads/").removeprefix("refs/remotes/origin/")
        branch = "" if branch == "HEAD" else branch  # a detached one is on no branch
        untouched = 0
        for sha, made in self._found.through("commits", self._made.items()):
            at = _moment(made.commit.committed_at)
            since, until = self._found.span
            if until is not None and micros_of(at) >= until:
                self._found.outside += 1
                continue
            if sha not in carried and since is not None and micros_of(at) < since:
                self._found.outside += 1
                continue
            services = self._services_of([sha])
            untouched += not services
            for service in services:
                self._found.add(self._commit_event(made, service, branch), sha[:12])
        if untouched:
            self._found.ignored["commit: touches no service of the map"] += untouched

    def _commit_event(self, made: RangeCommit, service: str, branch: str) -> list[Assignment]:
        commit = made.commit
        known = {
            "event_type": "commit_created",
            "service": service,
            "commit_sha": commit.sha,
            "occurred_at": commit.committed_at,
            "change_id": made.change,
            "commit.author": commit.author[:MAX_TEXT] or None,
            "commit.branch": branch or None,
            "commit.merge_sha": made.merge_sha,
            "commit.parents": list(commit.parents) or None,
            "source.system": self._asked.system,
            "attributes.repository": self._repository,
        }
        return [Assignment(path, value, "git") for path, value in known.items() if value is not None]

    # --- deployments --------------------------------------------------------------------------------------------------

    def _all_releases(self) -> list[tuple[str | None, GitRelease]]:
        """The tagged ones, each with the service that its tag names, if it names one; in order of time."""
        found = [one for glob in self._asked.deploy_tags for one in self._tagged(glob, rollback=False)]
        rollbacks = [one for glob in self._asked.rollback_tags for one in self._tagged(glob, rollback=True)]
        if self._asked.deploy_tags and not found:
            forms = ", ".join(self._asked.deploy_tags)
            raise UsageError(f"no tag has the form {forms}; git fetch --tags fetches them")
        names = {(service, release.name) for service, release in rollbacks}
        kept = [one for one in found if (one[0], one[1].name) not in names]
        return sorted(dict.fromkeys(kept + rollbacks), key=lambda one: (one[1].at, one[1].name))

    def _tagged(self, glob: str, *, rollback: bool) -> Iterator[tuple[str | None, GitRelease]]:
        services: Sequence[str | None] = [None]
        if _SERVICE in glob:
            if self._asked.services is None:
                raise UsageError(f"{glob}: {_SERVICE} stands for each service of candora.yaml, and there is none")
            services = list(self._asked.services.patterns)
        for service in services:
            tags, others = self._git.tags(glob.replace(_SERVICE, service or ""))
            for name in others:
                self._found.refuse(f"tag {name}", "is on no commit")
            for tag in tags:
                origin = "the tag's own time" if tag.has_time else "the commit's time, for the tag has none"
                yield service, GitRelease(_moment(tag.at), tag.name, tag.sha, origin, rollback)

    def read(self) -> None:
        """Find everything."""
        named: dict[str | None, list[GitRelease]] = {}
        for service, release in self._releases:
            named.setdefault(service, []).append(release)
        if self._asked.deploy_branch:
            tip = self._git.resolve(self._git.branch(self._asked.deploy_branch))
            origin = "the commit's time"
            named[None] = [
                *named.get(None, []),
                *(
                    GitRelease(_moment(self._commits[s].committed_at), "", s, origin)
                    for s in reversed(self._graph.line(tip))
                ),
            ]
            # A clock that was wrong does not change what came first on a branch; a rollback stands at its time.
            if any(release.rollback for release in named[None]):
                named[None].sort(key=lambda one: one.at)
        carried: set[str] = set()
        for service, releases in named.items():
            self._tell(service, releases, carried)
        self._commit_events(carried)
        self._say_times(named)

    def _tell(self, only: str | None, releases: Sequence[GitRelease], carried: set[str]) -> None:
        """The events of one series of releases: each brings what the one before it has not."""
        before: GitRelease | None = None
        series = CommitSequence(self._graph)
        services: Sequence[str] = [only] if only else self._services_of(())
        for release in self._found.through("deployments", releases):
            brings = series.brings(release.sha)
            brought = [] if release.rollback else brings
            if not release.rollback:
                services = [only] if only else self._deployed(release, brought)
            inside = self._found.span.holds(micros_of(release.at))
            if not inside:
                self._found.outside += 1
            else:
                if brought is not None:
                    carried.update(brought)
                carried.add(release.sha)
                for service in services:
                    told = self._rollback(release, before) if release.rollback else self._promotion(release, brought)
                    place = f"tag {release.name}" if release.name else release.sha[:12]
                    self._found.add([Assignment("service", service, "asked"), *told], place)
                if not services:
                    self._found.ignored["deployment: touches no service of the map"] += 1
            if before is not None and before.sha == release.sha and not release.rollback and inside:
                self._found.notes.append(f"{release.name} is on the commit of {before.name}: one more deployment of it")
            before = release

    def _deployed(self, release: GitRelease, brought: list[str] | None) -> Sequence[str]:
        """The services that came with it: of the first tag all that there are."""
        if brought is None and release.name and self._asked.services is not None:
            return list(self._asked.services.patterns)
        return self._services_of([release.sha] if brought is None else brought)

    def _promotion(self, release: GitRelease, brought: list[str] | None) -> list[Assignment]:
        listed = self._listed(release, brought)
        known = {
            "event_type": "canary_promoted",
            "occurred_at": release.at.isoformat(),
            "env": self._asked.env,
            "commit_sha": release.sha,
            "deployment_id": release.name or None,
            "canary.included_shas": listed,
            "source.system": self._asked.system,
            "attributes.repository": self._repository,
            "attributes.history_complete": "false" if brought is not None and listed != brought else None,
        }
        return [Assignment(path, value, release.origin) for path, value in known.items() if value is not None]

    def _rollback(self, release: GitRelease, before: GitRelease | None) -> list[Assignment]:
        known = {
            "event_type": "rollback_triggered",
            "occurred_at": release.at.isoformat(),
            "env": self._asked.env,
            "commit_sha": before.sha if before else None,
            "deployment_id": (before.name or None) if before else None,
            "rollback.trigger": "manual",
            "rollback.to_sha": release.sha,
            "rollback.reason": f"tag {release.name}"[:MAX_TEXT],
            "source.system": self._asked.system,
            "attributes.repository": self._repository,
        }
        return [Assignment(path, value, release.origin) for path, value in known.items() if value is not None]

    def _listed(self, release: GitRelease, brought: list[str] | None) -> list[str] | None:
        """As many as an event may list: those of the main line first, for each stands for all that it merged."""
        if brought is None or len(brought) <= MAX_INCLUDED:
            return brought
        self._found.notes.append(
            f"{release.name or release.sha[:12]} carries {len(brought)} commits; {MAX_INCLUDED} are listed, "
            "those of the main line before those that they merged"
        )
        return sorted(brought, key=lambda sha: sha not in self._by_head)[:MAX_INCLUDED]

    def _say_times(self, named: Mapping[str | None, Sequence[GitRelease]]) -> None:
        releases = [one for each in named.values() for one in each]
        untold = [one.name for one in releases if one.name and "has none" in one.origin]
        if untold:
            shown = ", ".join(untold[:_SHOWN]) + (", ..." if len(untold) > _SHOWN else "")
            self._found.notes.append(
                f"{len(untold)} of {len(releases)} tags are plain names without a time of their own ({shown}): "
                "the time of their commit counts, so lead times are too short by the time until it was tagged"
            )


def _moment(text: str) -> datetime:
    """A time as git writes it. Of a broken commit it may be none, which the contract then refuses by name."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return UNTOLD
