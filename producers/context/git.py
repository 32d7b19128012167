"""Query a repository by the `git` command: bounded in time, never through a shell."""

import os
import re
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Final, NamedTuple

LIMIT: Final = 20.0
"""Seconds for all questions of a run together. A repository on a disk answers each in milliseconds."""
FETCH_LIMIT: Final = 120.0
"""Seconds for fetching what a shallow clone left out."""

_FIELDS: Final = ("%H", "%P", "%cI", "%an", "%B")
_CONFIG: Final = ("-c", "core.quotePath=false", "-c", "log.showSignature=false", "-c", "i18n.logOutputEncoding=UTF-8")
_USER: Final = re.compile(r"://[^/@\s]*@")
"""A user and password in an address."""


class GitError(Exception):
    """Git could not answer; the message says why, and what to do."""


class GitCommit(NamedTuple):
    """A commit of the repository."""

    sha: str
    parents: tuple[str, ...]
    """As far as the clone has them: at the edge of a shallow one there are none."""
    committed_at: str
    """Committer time, ISO 8601 with its zone."""
    author: str
    message: str


class Git:
    """One repository. Every method raises GitError when git cannot be run, or has no such thing."""

    def __init__(self, folder: str, environ: Mapping[str, str], *, limit: float = LIMIT) -> None:
        self._folder = folder
        # Do not refresh the index or prompt for a password; English messages, as they are parsed.
        self._environ = {**environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        self._left = limit
        self._edge: frozenset[str] | None = None

    def top(self) -> str:
        """Return the folder of the working tree."""
        return self._run("rev-parse", "--show-toplevel").rstrip("\n")

    def remote(self) -> str:
        """Return the address of the repository that was cloned."""
        return self._run("remote", "get-url", "origin").rstrip("\n")

    def resolve(self, revision: str) -> str:
        """Return the full hash of a commit, by any name that git knows."""
        if "\0" in revision:
            raise GitError("the name of a revision has no NUL")
        found = self._run("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}").strip()
        return found.rpartition("\n")[2]  # some versions print --end-of-options too

    def has(self, revision: str) -> bool:
        """Return whether the clone has this commit."""
        try:
            return bool(self.resolve(revision))
        except GitError:
            return False

    def commit(self, sha: str) -> GitCommit:
        """Return one commit with its real parents, also at the boundary of a shallow clone."""
        [found] = self._log("--no-walk", sha)
        raw = self._run("cat-file", "commit", sha).partition("\n\n")[0]
        return found._replace(parents=tuple(re.findall(r"^parent ([0-9a-f]+)$", raw, re.MULTILINE)))

    def commits(
        self, tips: Sequence[str], without: Sequence[str], *, most: int, first_parent: bool = False
    ) -> list[GitCommit]:
        """Return the commits reachable from `tips`, not from `without`, newest first."""
        walk = ["--first-parent"] if first_parent else []
        return self._log(*walk, f"--max-count={most}", *tips, "--not", *without)

    def shas(self, tip: str, without: Sequence[str], *, most: int) -> list[str]:
        """Return the hashes of those commits, newest first."""
        return self._run("rev-list", f"--max-count={most}", tip, "--not", *without).split()

    def edge(self) -> frozenset[str]:
        """Return the boundary of a shallow clone: commits without their parents. Empty for a full clone."""
        if self._edge is None:
            self._edge = self._read_edge()
        return self._edge

    def _read_edge(self) -> frozenset[str]:
        path = self._run("rev-parse", "--git-path", "shallow").rstrip("\n")
        try:
            with open(os.path.join(self._folder, path), encoding="ascii") as file:  # noqa: PTH118, PTH123 - pathlib is slow to load
                return frozenset(file.read().split())
        except FileNotFoundError:
            return frozenset()

    def paths(self, commit: GitCommit) -> list[str]:
        """Return the paths that a commit changes: both of a rename; of a merge those that differ from every parent."""
        changed = self._run("diff-tree", "--root", "-r", "-c", "-z", "--no-commit-id", "--name-only", commit.sha)
        return [path for path in changed.split("\0") if path]

    def changed(self, commit: GitCommit) -> list[str]:
        """Return the paths in which a commit differs from its first parent: of a merge, all that it merged."""
        changed = self._run("diff-tree", "-r", "-z", "--name-only", commit.parents[0], commit.sha)
        return [path for path in changed.split("\0") if path]

    def newest_tag(self, glob: str, sha: str) -> str | None:
        """Return the newest tag that matches `glob` on an ancestor of `sha`, not on `sha` itself."""
        named = self._run(
            "for-each-ref", "--sort=-creatordate", "--format=%(refname)", f"--merged={sha}", f"--no-contains={sha}",
            f"refs/tags/{glob}",
        )  # fmt: skip
        return next(iter(named.splitlines()), None)

    def fetch_history(self, sha: str) -> None:
        """Fetch the commits and trees that a shallow clone lacks, without file contents."""
        self._edge = None
        more = ("fetch", "--quiet", "--no-tags", "--unshallow", "--filter=blob:none", "origin")
        try:
            self._run(*more, sha, limit=FETCH_LIMIT)
        except GitError:  # a server that gives out no single commits
            self._run(*more, limit=FETCH_LIMIT)

    def _log(self, *arguments: str) -> list[GitCommit]:
        form = "%x00".join(_FIELDS)
        said = self._run("log", "-z", "--no-color", "--no-show-signature", f"--format=tformat:{form}", *arguments)
        parts = said.split("\0")[:-1]
        rows = (parts[start : start + len(_FIELDS)] for start in range(0, len(parts), len(_FIELDS)))
        return [GitCommit(sha, tuple(parents.split()), time, author, text) for sha, parents, time, author, text in rows]

    def _run(self, *arguments: str, limit: float | None = None, given: str | None = None) -> str:
        import subprocess  # noqa: PLC0415 - most events are sent without asking git

        command = ["git", "--no-pager", "-C", self._folder, *_CONFIG, *arguments]
        began = monotonic()
        try:
            done = subprocess.run(  # noqa: S603 - no shell, and no word of it can be an option that it was not meant to be
                command,
                env=self._environ,
                input=(given or "").encode(),  # never our own: git must not prompt
                capture_output=True,
                timeout=limit or max(self._left, 0.01),
                check=False,
            )
        except FileNotFoundError:
            raise GitError("git is not installed here; install it, or give the commit's fields by flags") from None
        except OSError as error:
            raise GitError(f"git cannot be run: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            raise GitError(f"git {arguments[0]} takes too long; the time for git is over") from None
        finally:
            if limit is None:
                self._left -= monotonic() - began
        if done.returncode != 0:
            raise GitError(_explained(arguments[0], done.stderr.decode(errors="replace"), self._folder))
        return done.stdout.decode(errors="replace")


def _explained(command: str, said: str, folder: str) -> str:
    """Explain git's error in one line, with a remedy where one is known."""
    if "dubious ownership" in said:
        return (
            "git does not trust this repository, because it belongs to another user; say that it is safe: "
            f"git config --global --add safe.directory {os.path.abspath(folder)}"  # noqa: PTH100 - as above
        )
    if "not a git repository" in said:
        return "this is no git repository; run the command in the checkout"
    line = next((line for line in said.splitlines() if line.startswith(("fatal:", "error:"))), said.strip())
    return f"git {command}: {_USER.sub('://', line.partition(': ')[2] or line)}"
