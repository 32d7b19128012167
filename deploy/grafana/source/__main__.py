"""Write every dashboard into the folder that is named, or into ../dashboards."""

import sys
from pathlib import Path

from . import canary, gates, overview, pipeline, service
from .board import as_json

BOARDS = (overview.board, service.board, canary.board, gates.board, pipeline.board)


def main() -> None:
    """One file for each dashboard, named after its uid."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "dashboards"
    for make in BOARDS:
        board = make().build()
        (folder / f"{board.uid}.json").write_text(as_json(board), encoding="utf-8")


if __name__ == "__main__":
    main()
