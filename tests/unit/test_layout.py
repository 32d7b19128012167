"""Where tests lie: no level imports another, and `tests/unit` mirrors the packages."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).parents[1]
ROOT: Final = TESTS.parent
LEVELS: Final = frozenset({"unit", "property", "contract", "fuzz", "broker", "deploy", "chaos", "bench"})
SHARED: Final = frozenset({"support", "tools"})


def imported(source: str) -> Iterator[str]:
    """Yield the dotted name of every module that a source imports, also inside functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def crossings(level: str, source: str) -> set[str]:
    """The modules of other test levels that a source below `tests/<level>` imports."""
    names = [name for name in imported(source) if name.startswith("tests.")]
    return {name for name in names if (room := name.split(".")[1]) in LEVELS and room != level}


def misplaced(test: str, modules: set[str]) -> bool:
    """Tell whether a test file has the name of a module, and none that lies where the test does.

    `test` is relative to `tests/unit`, `modules` to the root: `streams/report/page.py`.
    """
    folder, _, name = test.rpartition("/")
    named = name.removeprefix("test_")
    same = {module for module in modules if module.endswith(f"/{named}")}
    return len(same) == 1 and f"{folder}/{named}" not in same


@pytest.mark.parametrize("level", sorted(LEVELS | SHARED))
def test_no_test_level_imports_another(level: str) -> None:
    found = {
        str(file.relative_to(ROOT)): names
        for file in sorted((TESTS / level).rglob("*.py"))
        if (names := crossings(level, file.read_text("utf-8")))
    }
    assert not found, f"move what is shared into tests/support: {found}"


@pytest.mark.parametrize("package", ["schemas", "producers", "streams"])
def test_unit_tests_mirror_the_packages(package: str) -> None:
    modules = {str(file.relative_to(ROOT)) for file in (ROOT / package).rglob("*.py")}
    for file in sorted((TESTS / "unit" / package).rglob("test_*.py")):
        test = file.relative_to(TESTS / "unit")
        assert (ROOT / test.parent).is_dir(), f"{file}: there is no package {test.parent}"
        assert not misplaced(str(test), modules), f"{file}: the module of this name lies in another folder"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from tests.unit.streams.report.test_rendering import texts", {"tests.unit.streams.report.test_rendering"}),
        ("import tests.chaos.run", {"tests.chaos.run"}),
        ("from tests import unit", {"tests.unit"}),
        ("def late():\n    from tests.bench import budget", {"tests.bench", "tests.bench.budget"}),
        ("from tests.support.events import commit\nfrom tests.tools import mixin", set()),
        ("from tests.broker.helpers import asked", set()),
    ],
)
def test_a_crossing_is_found(source: str, expected: set[str]) -> None:
    found = crossings("broker", source)
    assert found >= expected
    assert bool(found) == bool(expected)


def test_a_misplaced_test_is_found() -> None:
    modules = {"streams/report/page.py", "streams/trace/chain.py"}
    assert misplaced("streams/trace/test_page.py", modules)
    assert not misplaced("streams/report/test_page.py", modules)
    assert not misplaced("streams/report/test_rendering.py", modules)
