"""Describe a CI job, and read its values: cleaned, or ignored with a note. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

MAX_LENGTH: Final = 1_024
"""Characters. No name, hash or address of a CI system is longer; what is, is an accident or an attack."""
MAX_REPO: Final = 200
MAX_DIGITS: Final = 18
"""Of a number. The contract takes no larger ones."""

_SHA: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_NO_COMMIT: Final = re.compile(r"0+")
_USER: Final = re.compile(r"^([a-z][a-z0-9+.-]*://)[^/?#]*@", re.IGNORECASE)
_PLACE: Final = re.compile(r"^(?:[a-z][a-z0-9+.-]*://[^/]*/|(?:[^/@:]+@)?[^/@:]+:(?!//))", re.IGNORECASE)
_NOT_FILLED_IN: Final = re.compile(r"\$\([^)]*\)|\$\{[^}]*\}|\{\{.*\}\}")
_BRANCH_PREFIX: Final = re.compile(r"^(?:refs/heads/|refs/remotes/|remotes/)?(?:origin/)?")
_QUEUE: Final = re.compile(r"gh-readonly-queue/(?P<branch>.+)/pr-(?P<number>[0-9]+)-[0-9a-f]+")


class JobValue(NamedTuple):
    """A value, and where it comes from: "GITHUB_SHA", "event file: pull_request.head.sha"."""

    value: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CiJob:
    """A CI job. None: the system does not say, or not in a form that can be used."""

    system: str | None = None
    """The CI's canonical name, as `source.system` has it."""
    sha: JobValue | None = None
    """The commit that the job is about; of a pull request its head, never a merge made for the test."""
    repo: JobValue | None = None
    """`owner/name`, as the forge writes it."""
    branch: JobValue | None = None
    tag: JobValue | None = None
    change: JobValue | None = None
    """The pull or merge request: `owner/name#12`, on GitLab `group/name!12`."""
    is_request: bool = False
    """The job builds a pull or merge request that is not merged yet."""
    base: JobValue | None = None
    """The commit before the request's or the push's commits."""
    base_branch: JobValue | None = None
    """The branch that a request is for."""
    default_branch: JobValue | None = None
    merge_sha: JobValue | None = None
    """The commit that a request was merged as."""
    env: JobValue | None = None
    run_id: JobValue | None = None
    attempt: JobValue | None = None
    deployment_id: JobValue | None = None
    """What the rollouts of one run have in common, and those of another do not."""
    url: JobValue | None = None
    actor: JobValue | None = None
    committed_at: JobValue | None = None
    """Committer time of `sha`, ISO 8601."""
    ignored: tuple[str, ...] = ()
    """Values that cannot be used, a line each."""


class JobReader:
    """Reads values by the names of variables, or by dotted paths of the event file."""

    def __init__(self, environ: Mapping[str, str], event: object = None) -> None:
        self._environ = environ
        self._event = event
        self._ignored: list[str] = []

    @property
    def ignored(self) -> tuple[str, ...]:
        """Notes on the values that could not be used so far."""
        return tuple(dict.fromkeys(self._ignored))

    def text(self, *names: str) -> JobValue | None:
        """Return the first of the variables that is set to a usable text."""
        return next((found for name in names if (found := self._clean(self._environ.get(name), name))), None)

    def event(self, path: str) -> JobValue | None:
        """Return a text or number of the event file."""
        node: Any = self._event
        for name in path.split("."):
            node = node.get(name) if isinstance(node, Mapping) else None
        if isinstance(node, bool) or not isinstance(node, str | int):
            return None
        return self._clean(str(node), f"event file: {path}")

    def is_set(self, name: str) -> bool:
        """Return whether a variable is true."""
        return self._environ.get(name, "").strip().lower() in {"true", "1", "yes"}

    def sha(self, *found: JobValue | None) -> JobValue | None:
        """Return the first full commit hash, in lower case. All zeros mean no commit."""
        for value, origin in filter(None, found):
            lower = value.lower()
            if _SHA.fullmatch(lower):
                if not _NO_COMMIT.fullmatch(lower):
                    return JobValue(lower, origin)
            else:
                self._ignore(origin, "is not a full commit hash")
        return None

    def number(self, *found: JobValue | None, add: int = 0) -> JobValue | None:
        """Return the first whole number, plus `add`."""
        for value, origin in filter(None, found):
            if value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS:
                return JobValue(str(int(value) + add), origin)
            self._ignore(origin, "is not a whole number")
        return None

    def time(self, *found: JobValue | None) -> JobValue | None:
        """Return the first time with a zone."""
        for value, origin in filter(None, found):
            try:
                if datetime.fromisoformat(value).tzinfo is not None:
                    return JobValue(value, origin)
            except ValueError:
                pass
            self._ignore(origin, "is not a time with its zone")
        return None

    def url(self, *found: JobValue | None) -> JobValue | None:
        """Return the first web address, without user and password."""
        for value, origin in filter(None, found):
            if value.lower().startswith(("https://", "http://")):
                return JobValue(_USER.sub(r"\1", value), origin)
            self._ignore(origin, "is not a web address")
        return None

    def _clean(self, text: str | None, origin: str) -> JobValue | None:
        text = (text or "").strip()
        if not text:
            return None
        fault = None
        if len(text) > MAX_LENGTH:
            fault = f"has {len(text)} characters"
        elif not text.isprintable():
            fault = "has control characters"
        elif _NOT_FILLED_IN.search(text):
            fault = f"was not filled in: {text[:60]}"
        if fault is not None:
            self._ignore(origin, fault)
            return None
        return JobValue(text, origin)

    def _ignore(self, origin: str, why: str) -> None:
        self._ignored.append(f"{origin} is not used: it {why}")


def branch_of(found: JobValue | None) -> JobValue | None:
    """Return a branch's plain name; None for any other ref: a tag, a request's ref, a detached head."""
    if found is None:
        return None
    name = _BRANCH_PREFIX.sub("", found.value, count=1)
    if name.startswith(("refs/", "tags/", "pull/")) or name in {"", "HEAD", "detached"}:
        return None
    return JobValue(name, found.origin)


def tag_of(found: JobValue | None) -> JobValue | None:
    """Return the tag's plain name, if the ref is one of a tag."""
    if found is None or not found.value.startswith(("refs/tags/", "tags/")):
        return None
    return JobValue(found.value.partition("tags/")[2], found.origin)


def queue_of(found: JobValue | None) -> tuple[JobValue, JobValue] | None:
    """Return the target branch and the request's number, of a branch of GitHub's merge queue."""
    branch = branch_of(found)
    queue = _QUEUE.fullmatch(branch.value) if branch else None
    if branch is None or queue is None:
        return None
    return JobValue(queue["branch"], branch.origin), JobValue(queue["number"], branch.origin)


def repo_of(found: JobValue | None) -> JobValue | None:
    """Return `owner/name` of an address of a repository, or of a name that is given already."""
    if found is None:
        return None
    path = _PLACE.sub("", found.value, count=1).strip("/").removesuffix(".git").strip("/")
    parts = [part for part in path.split("/") if part not in {"", "~", "_git"}]
    if parts[:1] == ["scm"]:  # Bitbucket's own server
        del parts[0]
    name = "/".join(parts)
    return JobValue(name, found.origin) if 0 < len(name) <= MAX_REPO else None


def change_of(repo: JobValue | None, number: JobValue | None, *, gitlab: bool = False) -> JobValue | None:
    """Return the id of a request, as the webhooks of its forge give it too."""
    if repo is None or number is None:
        return None
    return JobValue(f"{repo.value}{'!' if gitlab else '#'}{number.value}", f"{repo.origin}, {number.origin}")


def last_part(found: JobValue | None) -> JobValue | None:
    """Return the part after the last slash, such as the number in a request's address."""
    return None if found is None else JobValue(found.value.rstrip("/").rpartition("/")[2], found.origin)
