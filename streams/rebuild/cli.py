"""`candora rebuild`: what came of it on standard output and as an exit code."""

import argparse
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from streams.audit.report import EXIT_CODES
from streams.errors import Inconclusive
from streams.rebuild.run import Rebuild, RebuildResult, next_names, settings_beside
from streams.settings.installation import WorkerSettings
from streams.terminal.progress import ProgressBar


def run_rebuild(given: argparse.Namespace, settings: WorkerSettings) -> int:
    """0: ready to be switched over to, 1: different, 2: could not be decided. `settings` are the running workers'."""
    try:
        beside, rebuilt = _rebuild(given, settings)
        for line in rebuilt.lines():
            print(line)
        if rebuilt.exit_code == EXIT_CODES["equal"]:
            _tell(beside, given.switch_file)
    except Inconclusive as error:
        print(f"undecided: {error}")
        return EXIT_CODES["undecided"]
    except Exception:  # noqa: BLE001 - Python's own exit code for a crash, 1, would say that something is different
        traceback.print_exc()
        return EXIT_CODES["undecided"]
    return rebuilt.exit_code


def _rebuild(given: argparse.Namespace, running: WorkerSettings) -> tuple[WorkerSettings, RebuildResult]:
    app_id, outputs = next_names(running)
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="candora-rebuild-"))
        beside = settings_beside(running, given.app_id or app_id, given.output_prefix or outputs, Path(folder))
        print(f"rebuilding as {beside.app_id}, outputs {beside.outputs}…", file=sys.stderr)
        first = stack.enter_context(ExitStack())
        reading, recomputing = first.enter_context(ProgressBar("rebuilding")), stack.enter_context(ProgressBar())

        def audited(read: int, total: int) -> None:
            first.close()  # a terminal has room for one bar
            recomputing(read, total)

        return beside, Rebuild(running, beside, given.wait, reading, audited).run()


def variables(beside: WorkerSettings) -> dict[str, str]:
    """Return the settings that switch over."""
    return {"CANDORA_APP_ID": beside.app_id, "CANDORA_OUTPUT_PREFIX": beside.outputs}


def _tell(beside: WorkerSettings, switch_file: Path | None) -> None:
    lines = [f"{name}={value}" for name, value in variables(beside).items()]
    if switch_file is not None:
        switch_file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    for line in _steps(lines):
        print(line)


def _steps(lines: list[str]) -> Iterator[str]:
    yield "ready. To switch over:"
    yield "1. restart the workers with"
    yield from (f"     {line}" for line in lines)
    yield "2. run `candora audit` with both until it exits with 0: then they have read all that the old ones had"
    yield "3. restart `candora serve-metrics` with the second"
