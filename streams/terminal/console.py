"""What people read: eighty columns wide wherever it goes, and in colour only where that is asked for."""

from typing import IO, Final

from rich.console import Console

WIDTH: Final = 80


def page(file: IO[str], *, colour: bool) -> Console:
    """A console that writes text as it stands: nothing in it is markup, an emoji or a number to highlight."""
    return Console(
        file=file,
        width=WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        force_terminal=colour,
        color_system="standard" if colour else None,
    )
