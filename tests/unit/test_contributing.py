"""CONTRIBUTING names every target of the Makefile and every folder of tests."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]


def unnamed(page: str, makefile: str, folders: list[str]) -> set[str]:
    """Return the documented targets and the folders of tests that a page does not name."""
    targets = re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE)
    wanted = {f"`make {target}`" for target in targets if target != "help"} | {f"`tests/{name}`" for name in folders}
    return {name for name in wanted if name not in page}


def test_every_target_and_folder_is_named() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    folders = [folder.parent.name for folder in (ROOT / "tests").glob("*/__init__.py")]
    assert unnamed(page, (ROOT / "Makefile").read_text("utf-8"), folders) == set()


def test_a_target_and_a_folder_that_are_not_named_are_seen() -> None:
    found = unnamed("`make unit` runs `tests/unit`", "unit: venv ## x\nchaos: ## y\n", ["unit", "chaos"])
    assert found == {"`make chaos`", "`tests/chaos`"}
