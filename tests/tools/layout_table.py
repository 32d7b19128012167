"""Write the layout table of docs/design.md from the layers in pyproject.toml and the packages' docstrings."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "design.md"
BEGIN: Final = "<!-- layout: made by `make layout` -->"
END: Final = "<!-- end of layout -->"


def contracts(kind: str) -> Iterator[dict[str, Any]]:
    """Yield the import contracts of one type: who may import whom stands nowhere else."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    for contract in project["tool"]["importlinter"]["contracts"]:
        if contract["type"] == kind:
            yield contract


def layers() -> Iterator[tuple[str, list[list[str]]]]:
    """Yield each container whose layers name all of its modules, with them from the top down."""
    for contract in contracts("layers"):
        if contract.get("exhaustive"):
            (container,) = contract["containers"]
            yield container, [re.split(r"\s*\|\s*", layer) for layer in contract["layers"]]


def forbidden(package: str) -> set[str]:
    """Return the modules that contracts forbid to a package in addition to its layer."""
    return {
        module
        for contract in contracts("forbidden")
        if package in contract["source_modules"]
        for module in contract["forbidden_modules"]
    }


def inner_rows(package: str, outer: list[str]) -> list[str]:
    """Return a row for each package inside a package.

    It may import what its parent may (`outer`), less what a contract forbids it, and its siblings in layers below it.
    """
    container = package.split(".", maxsplit=1)[0]
    orders = [contract["layers"] for contract in contracts("layers") if contract["containers"] == [package]]
    rows = []
    for file in sorted((ROOT / package.replace(".", "/")).glob("*/__init__.py")):
        name = file.parent.name
        inner = f"{package}.{name}"
        below = [sibling for order in orders if name in order for sibling in order[order.index(name) + 1 :]]
        never = forbidden(inner)
        may = below + [other for other in outer if f"{container}.{other}" not in never]
        rows.append(f"| `{inner}` | {holds(inner)} | {', '.join(may) or 'none beside it'} |")
    return rows


def holds(module: str) -> str:
    """The first line of a package's docstring; "" for a module that is no package."""
    file = ROOT / module.replace(".", "/") / "__init__.py"
    if not file.is_file():
        return ""
    doc = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    return doc.splitlines()[0] if doc else ""


def table() -> list[str]:
    """Return a row for each sub-package, with what it holds and what of its own container it may import."""
    rows = ["| package | what it does | may import |", "|---|---|---|"]
    for container, stack in layers():
        others = "nothing of ours" if container == "schemas" else "`schemas`"
        rows.append(f"| **{container}** | {holds(container)} | {others} |")
        for at, layer in enumerate(stack):
            below = [name for lower in stack[at + 1 :] for name in lower if holds(f"{container}.{name}")]
            for name in layer:
                package = f"{container}.{name}"
                if text := holds(package):
                    never = forbidden(package)
                    may = [other for other in below if f"{container}.{other}" not in never]
                    rows.append(f"| `{package}` | {text} | {', '.join(may) or 'none beside it'} |")
                    rows += inner_rows(package, may)
    return rows


def render(page: str) -> str:
    """Return the page with its table written anew."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return "\n".join([f"{before}{BEGIN}", *table(), f"{END}{after}"])


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text("utf-8")), "utf-8")
