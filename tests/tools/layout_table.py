"""Write the layout table of docs/design.md from the layers in pyproject.toml and the packages' docstrings."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "design.md"
BEGIN: Final = "<!-- layout: made by `make layout` -->"
END: Final = "<!-- end of layout -->"


def layers() -> Iterator[tuple[str, list[list[str]]]]:
    """The layers of each container, from the top down: who may import whom stands nowhere else."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    for contract in project["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers":
            (container,) = contract["containers"]
            yield container, [re.split(r"\s*\|\s*", layer) for layer in contract["layers"]]


def holds(module: str) -> str:
    """The first line of a package's docstring; "" for a module that is no package."""
    file = ROOT / module.replace(".", "/") / "__init__.py"
    if not file.is_file():
        return ""
    doc = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    return doc.splitlines()[0] if doc else ""


def table() -> list[str]:
    """A row for each sub-package, with what it holds and whom of its own container it may import."""
    rows = ["| package | what it does | may import |", "|---|---|---|"]
    for container, stack in layers():
        others = "nothing of ours" if container == "schemas" else "`schemas`"
        rows.append(f"| **{container}** | {holds(container)} | {others} |")
        for at, layer in enumerate(stack):
            below = [name for lower in stack[at + 1 :] for name in lower if holds(f"{container}.{name}")]
            may = ", ".join(below) if below else "none beside it"
            rows += [
                f"| `{container}.{name}` | {text} | {may} |" for name in layer if (text := holds(f"{container}.{name}"))
            ]
    return rows


def render(page: str) -> str:
    """Return the page with its table written anew."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return "\n".join([f"{before}{BEGIN}", *table(), f"{END}{after}"])


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text("utf-8")), "utf-8")
