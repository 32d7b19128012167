"""Real git repositories, made by the tests: every commit has the time that the test says."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

DAY: Final = "2026-01-05"
FIRST: Final = "08:00"
"""When the first commit of every repository was made."""

_QUIET: Final = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "Ann Åkesson",
    "GIT_AUTHOR_EMAIL": "ann@shop.example",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@shop.example",
}


class Repository:
    """A working copy."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder

    @classmethod
    def new(cls, folder: Path) -> Self:
        """A repository with one commit on main."""
        folder.mkdir()
        made = cls(folder)
        made.git("init", "-q", "-b", "main")
        made.git("config", "uploadpack.allowAnySHA1InWant", "true")
        made.git("config", "uploadpack.allowFilter", "true")
        made.commit(FIRST, "begin", {"README": "shop"})
        return made

    def git(self, *arguments: str, at: str = FIRST) -> str:
        """Run git; the clock of the commits that it makes stands at `at`."""
        time = {"GIT_AUTHOR_DATE": f"{DAY}T{at}:00Z", "GIT_COMMITTER_DATE": f"{DAY}T{at}:00Z"}
        done = subprocess.run(
            ["git", "-C", str(self.folder), *arguments],
            env={"PATH": os.environ["PATH"], **_QUIET, **time},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, at: str, message: str, files: Mapping[str, str] | None = None) -> str:
        """Commit files (none: an empty commit); return its hash."""
        for name, text in (files or {}).items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", message, at=at)
        return self.head()

    def head(self, name: str = "HEAD") -> str:
        """The hash of a name."""
        return self.git("rev-parse", name)

    def branch(self, name: str, at: str = "main") -> None:
        """Go to a new branch."""
        self.git("checkout", "-q", "-b", name, at)

    def feature(self, name: str, *hours: str) -> list[str]:
        """A branch with a commit at each of these times; oldest first."""
        self.branch(name)
        return [self.commit(hour, f"{name} {n}", {f"{name}/{n}": hour}) for n, hour in enumerate(hours)]

    def merge(self, name: str, at: str, message: str) -> str:
        """Merge a branch into main."""
        self.git("checkout", "-q", "main")
        self.git("merge", "-q", "--no-ff", "-m", message, name, at=at)
        return self.head()

    def squash(self, name: str, at: str, message: str) -> str:
        """Put a branch on main as one commit."""
        self.git("checkout", "-q", "main")
        self.git("merge", "-q", "--squash", name)
        self.git("commit", "-q", "-m", message, at=at)
        return self.head()

    def rebase(self, name: str, at: str) -> list[str]:
        """Put the commits of a branch on main one by one; the new ones, oldest first."""
        before = self.head("main")
        self.git("checkout", "-q", name)
        self.git("rebase", "-q", "main", at=at)
        self.git("checkout", "-q", "main")
        self.git("merge", "-q", "--ff-only", name)
        return self.git("rev-list", "--reverse", f"{before}..main").split()

    def trial_merge(self, name: str, number: int, at: str) -> str:
        """What GitHub makes of a request to test it: a merge that no branch has."""
        head, base = self.head(name), self.head("main")
        tree = self.git("merge-tree", "--write-tree", base, head)
        made = self.git("commit-tree", tree, "-p", base, "-p", head, "-m", f"Merge {head} into {base}", at=at)
        self.git("update-ref", f"refs/pull/{number}/merge", made)
        return made

    def clone(self, folder: Path, *, depth: int | None = None, ref: str = "refs/heads/main") -> "Repository":
        """Clone as a CI system does: one ref, checked out as a detached head."""
        folder.mkdir()
        made = Repository(folder)
        made.git("init", "-q")
        made.git("remote", "add", "origin", f"file://{self.folder}")
        limit = [f"--depth={depth}"] if depth else ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]
        made.git("fetch", "-q", "--no-tags", "origin", *limit, f"+{ref}:refs/remotes/candora/it")
        made.git("checkout", "-q", "--detach", "refs/remotes/candora/it")
        return made
