"""Change one token of the code at a time and see whether a test notices: `make mutation SAMPLE=40 SEED=1`.

Each change is made in a copy of the sources, so a checkout is never touched, and is run against the quickest tests
first. A change that no test notices is printed as `survived`; docs/mutation.md says of each that is known why.
"""

import argparse
import ast
import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from typing_extensions import override

ROOT: Final = Path(__file__).resolve().parents[2]
COPIED: Final = ("schemas", "producers", "streams", "tests", "docs", "deploy", "pyproject.toml", "README.md")
PYTEST: Final = (
    "-m",
    "pytest",
    "-x",
    "-q",
    "--no-header",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:xdist",
    "--tb=line",
    "--timeout=0",
)
PROFILE: Final = "--hypothesis-profile=mutation"
TESTS: Final[dict[str, tuple[str, ...]]] = {
    "streams/core": (
        "tests/unit/streams/core/test_worked_examples.py",
        "tests/unit/streams/core",
        "tests/property/test_two_readings.py",
        "tests/property",
        "tests/fuzz/test_core.py",
    ),
    "streams/audit": ("tests/unit/streams/audit",),
    "producers/spool/spool.py": ("tests/unit/producers/spool/test_spool.py",),
}
"""What is asked of each part, the quickest first."""

LIMITED: Final = """
import resource, runpy, sys
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 9))
sys.argv = sys.argv[3:]
sys.path.insert(0, "")
runpy.run_module("pytest", run_name="__main__", alter_sys=True)
"""
"""Time is counted on the processor: a machine that others use, too, makes no change seem noticed."""

SWAPPED: Final[dict[type[ast.AST], tuple[str, ...]]] = {
    ast.Lt: ("<=", ">="),
    ast.LtE: ("<", ">"),
    ast.Gt: (">=", "<="),
    ast.GtE: (">", "<"),
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
    ast.Is: ("is not",),
    ast.IsNot: ("is",),
    ast.In: ("not in",),
    ast.NotIn: ("in",),
    ast.Add: ("-",),
    ast.Sub: ("+",),
    ast.Mult: ("//",),
    ast.Div: ("*",),
    ast.FloorDiv: ("*",),
    ast.Mod: ("//",),
    ast.BitOr: ("&",),
    ast.BitAnd: ("|",),
    ast.And: ("or",),
    ast.Or: ("and",),
}
SIGNS: Final[dict[type[ast.AST], str]] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.BitOr: "|",
    ast.BitAnd: "&",
    ast.And: "and",
    ast.Or: "or",
}
NAMES: Final = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "bisect_left": "bisect_right",
    "bisect_right": "bisect_left",
}
BARE: Final = (ast.Name, ast.Attribute, ast.Call)
"""Conditions that hold no operator of their own."""


class Mutant(NamedTuple):
    """One token of a file, and what is put in its place."""

    path: str
    line: int
    column: int
    start: int
    end: int
    old: str
    new: str

    @override
    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}  {self.old} -> {self.new or '(nothing)'}"


class Outcome(NamedTuple):
    """What the tests made of a change: the test that noticed it, "time" if they never ended, or nothing."""

    mutant: Mutant
    noticed_by: str | None
    seconds: float


class Finder:
    """Finds the tokens of one file that may be changed: none of a type, nor of a text."""

    def __init__(self, path: str, source: str) -> None:
        self.path = path
        self.source = source
        lines = source.encode().splitlines(keepends=True)
        self._starts = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]
        self._bytes = source.encode()

    def mutants(self) -> list[Mutant]:
        """Every change, in the order of the file."""
        return sorted(self._visit(ast.parse(self.source)), key=lambda one: (one.start, one.new))

    def _visit(self, node: ast.AST) -> Iterator[Mutant]:
        yield from self._of(node)
        for name, value in ast.iter_fields(node):
            if name in {"annotation", "returns", "decorator_list"}:
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not _left_alone(node, child):
                    yield from self._visit(child)

    def _of(self, node: ast.AST) -> Iterator[Mutant]:
        yield from self._operators(node)
        yield from self._words(node)
        if isinstance(node, (ast.If, ast.While, ast.IfExp)) and isinstance(node.test, BARE):
            start, _ = self._place(node.test)
            yield self._mutant(node.test, start, start, "not ")

    def _operators(self, node: ast.AST) -> Iterator[Mutant]:
        match node:
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                for (one, other), op in zip(pairwise([left, *comparators]), ops, strict=True):
                    yield from self._between(one, op, other)
            case ast.BinOp(left=left, op=op, right=right):
                yield from self._between(left, op, right)
            case ast.BoolOp(op=op, values=values):
                for one, other in pairwise(values):
                    yield from self._between(one, op, other)
            case ast.AugAssign(target=target, op=op, value=value):
                yield from self._between(target, op, value)
            case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
                yield self._mutant(node, self._place(node)[0], self._place(operand)[0], "")

    def _words(self, node: ast.AST) -> Iterator[Mutant]:
        match node:
            case ast.Constant(value=bool(value)):
                yield self._mutant(node, *self._place(node), str(not value))
            case ast.Constant(value=int(value)):
                yield self._mutant(node, *self._place(node), str(value + 1))
                yield self._mutant(node, *self._place(node), str(value - 1))
            case ast.Call(func=ast.Name(id=name) as called) if name in NAMES:
                yield self._mutant(called, *self._place(called), NAMES[name])
            case ast.Break():
                yield self._mutant(node, *self._place(node), "continue")
            case ast.Continue():
                yield self._mutant(node, *self._place(node), "break")

    def _between(self, one: ast.expr, op: ast.AST, other: ast.expr) -> Iterator[Mutant]:
        """The operator that stands between two expressions."""
        sign = SIGNS.get(type(op))
        if sign is None:
            return
        low, high = self._place(one)[1], self._place(other)[0]
        start = low + self._bytes[low:high].find(sign.encode())
        for new in SWAPPED[type(op)]:
            yield self._mutant(one, start, start + len(sign), new)

    def _place(self, node: ast.AST) -> tuple[int, int]:
        start = self._starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        end = self._starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
        return start, end

    def _mutant(self, node: ast.AST, start: int, end: int, new: str) -> Mutant:
        line = self._bytes[:start].count(b"\n")
        old = self._bytes[start:end].decode()
        return Mutant(self.path, line + 1, start - self._starts[line] + 1, start, end, old, new)


def _left_alone(parent: ast.AST, child: ast.AST) -> bool:
    """Whether something decides nothing when the code is run, or is only read by people."""
    match child:
        case ast.Raise() | ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Subscript(value=ast.Name(id="Literal" | "Final" | "Generic")) | ast.Call(func=ast.Name(id="TypeVar")):
            return True
    # `Entity = Change | Deployment` names a type
    return isinstance(parent, ast.Assign) and isinstance(child, ast.BinOp) and isinstance(child.op, ast.BitOr)


def mutants_in(paths: Sequence[str]) -> list[Mutant]:
    """Every change of the files, in their order."""
    return [one for path in paths for one in Finder(path, (ROOT / path).read_text(encoding="utf-8")).mutants()]


def tests_of(path: str) -> tuple[str, ...]:
    """What is asked of a file."""
    found = next((tests for prefix, tests in TESTS.items() if path.startswith(prefix)), None)
    if found is None:
        raise SystemExit(f"no tests are named for {path}; {', '.join(TESTS)} have some")
    return found


class Copy:
    """A copy of the sources, in which one change at a time is made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy(source, folder / name)

    def run(self, tests: Sequence[str], limit: int = 0) -> str | None:
        """The first test that fails, "time" if they take more seconds of a processor than this, None if all pass."""
        # Bytecode is told apart by the second and the size of its source: two changes of one second may look the same.
        env = {**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        env.pop("PYTHONSAFEPATH", None)
        limited = ["-c", LIMITED, str(limit)] if limit else []
        command = [sys.executable, *limited, *PYTEST, PROFILE, *tests]
        ended = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False)
        if ended.returncode == 0:
            return None
        if ended.returncode == -signal.SIGXCPU:
            return "time"
        lines = ended.stdout.splitlines()
        failed = [line.split(" ")[1] for line in lines if line.startswith(("FAILED ", "ERROR "))]
        return failed[0] if failed else (lines or ["(no output)"])[-1]

    def judge(self, mutant: Mutant, limit: int) -> Outcome:
        """Make a change, run the tests, and take it back."""
        target = self.folder / mutant.path
        source = target.read_bytes()
        began = time.monotonic()
        target.write_bytes(source[: mutant.start] + mutant.new.encode() + source[mutant.end :])
        try:
            noticed_by = self.run(tests_of(mutant.path), limit)
        finally:
            target.write_bytes(source)
        return Outcome(mutant, noticed_by, time.monotonic() - began)


def judged(mutants: Sequence[Mutant], jobs: int, limit: int) -> Iterator[Outcome]:
    """What becomes of each, as it is known; several at a time, each in a copy of its own."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copies: queue.Queue[Copy] = queue.Queue()
        for number in range(jobs):
            copies.put(Copy(Path(folder) / str(number)))
        first = copies.get()
        for tests in dict.fromkeys(tests_of(one.path) for one in mutants):
            broken = first.run(tests)
            if broken is not None:
                raise SystemExit(f"without any change, this fails: {broken}")
        copies.put(first)

        def judge(mutant: Mutant) -> Outcome:
            copy = copies.get()
            try:
                return copy.judge(mutant, limit)
            finally:
                copies.put(copy)

        with ThreadPoolExecutor(jobs) as pool:
            for one in as_completed([pool.submit(judge, mutant) for mutant in mutants]):
                yield one.result()


def main() -> int:
    """Read the command line, judge a sample and say what survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=0, help="so many changes by chance (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="of the chance")
    parser.add_argument("--only", nargs="*", default=[], help="files (default: streams/core/*.py)")
    parser.add_argument("--at", default="", help="only changes whose FILE:LINE:COLUMN begins so")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--limit", type=int, default=150, help="seconds of a processor for one change")
    parser.add_argument("--list", action="store_true", help="only say what would be changed")
    asked = parser.parse_args()
    paths = asked.only or sorted(str(path.relative_to(ROOT)) for path in (ROOT / "streams/core").glob("*.py"))
    every = [one for one in mutants_in(paths) if str(one).startswith(asked.at)]
    chosen = random.Random(asked.seed).sample(every, asked.sample) if 0 < asked.sample < len(every) else every
    if asked.list:
        say(*chosen)
        return 0
    survived: list[Mutant] = []
    began = time.monotonic()
    for mutant, noticed_by, seconds in judged(chosen, asked.jobs, asked.limit):
        if noticed_by is None:
            survived.append(mutant)
            say(f"SURVIVED  {mutant}  ({seconds:.1f} s)")
        else:
            say(f"killed    {mutant}  by {noticed_by}  ({seconds:.1f} s)")
    killed, took = len(chosen) - len(survived), time.monotonic() - began
    share = 100 * killed / max(len(chosen), 1)
    say(f"{killed} of {len(chosen)} killed ({share:.1f} %), chosen from {len(every)} changes with seed {asked.seed}")
    say(f"{took:.0f} s, {asked.jobs} at a time, load at the end {os.getloadavg()[0]:.1f}")
    say(*survived)
    return 0


def say(*lines: object) -> None:
    """Write lines at once, so that a long run can be watched."""
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
