"""The core is read through its methods: no other code reaches into what they are made of."""

import ast
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[4]
CORE: Final = ROOT / "streams/core"
PRIVATE: Final = {"joins", "_joins", "books"}
KINDS: Final = ("c/", "d/", "i/", "r/", "l/")


def violations(tree: ast.AST) -> list[int]:
    """The lines that reach into a service state, or spell a record key by hand."""
    expressions = [node for node in ast.walk(tree) if isinstance(node, ast.expr)]
    return sorted(node.lineno for node in expressions if reaches_in(node) or spells_key(node))


def reaches_in(node: ast.expr) -> bool:
    """Whether it names what only the core may touch."""
    return isinstance(node, ast.Attribute) and node.attr in PRIVATE and not is_module(node)


def spells_key(node: ast.expr) -> bool:
    """Whether it is a formatted string that begins as a record key does."""
    if not isinstance(node, ast.JoinedStr) or not node.values:
        return False
    start = node.values[0]
    return isinstance(start, ast.Constant) and start.value in KINDS


def is_module(node: ast.Attribute) -> bool:
    """Whether it is `streams.core.joins`, the module."""
    return isinstance(node.value, ast.Attribute) and node.value.attr == "core"


def test_nothing_outside_the_core_reaches_into_it() -> None:
    files = [*(ROOT / "streams").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    outside = [file for file in files if CORE not in file.parents]
    found = {str(file.relative_to(ROOT)): violations(ast.parse(file.read_text("utf-8"))) for file in outside}
    assert len(found) > 100
    assert {file: lines for file, lines in found.items() if lines} == {}


def test_a_violation_is_seen() -> None:
    source = 'state._joins.entities\npartition.books\nkey = f"d/{env}/{name}"\nstreams.core.joins.Joins\n'
    assert violations(ast.parse(source)) == [1, 2, 3]
