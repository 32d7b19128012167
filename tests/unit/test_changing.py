"""The page that says where to change what names files that are there."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "changing.md"


def missing(text: str) -> list[str]:
    """The paths that a page names and that the repository does not have."""
    named = re.findall(r"`([\w.-]+(?:/[\w.-]+)+)`", text)
    return [path for path in named if not (ROOT / path).exists()]


def test_every_path_is_there() -> None:
    text = PAGE.read_text("utf-8")
    assert text.count("\n## ") == 10
    assert missing(text) == []


def test_a_path_that_is_gone_is_seen() -> None:
    assert missing("`streams/core/gone.py` and `streams/core/facts.py`") == ["streams/core/gone.py"]
