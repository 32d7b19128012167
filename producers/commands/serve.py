"""`candora-ci serve`: the long-running sidecar."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from producers.errors import ExitCode, UsageError
from producers.terminal.console import Console

HELP: Final = "receive events and webhooks over HTTP, keep them on disk, and send them to Kafka"

_EXTRA: Final = ("aiohttp", "jwt", "prometheus_client")
"""What the extra `sidecar` installs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("--config", required=True, metavar="FILE", help="the settings, in YAML")
    parser.add_argument("--check", action="store_true", help="check the settings and the secrets they name, and end")


def run(given: argparse.Namespace, environ: Mapping[str, str], console: Console) -> ExitCode:
    """Run the sidecar until SIGTERM."""
    missing = [name for name in _EXTRA if find_spec(name) is None]
    if missing:
        raise UsageError(f"`serve` needs {', '.join(missing)}: pip install 'candora[sidecar]'")
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_serve(Path(given.config), environ, console, only_check=given.check))
    return ExitCode.OK


async def _serve(file: Path, environ: Mapping[str, str], console: Console, *, only_check: bool) -> None:
    from producers.sidecar.server import assemble, serve
    from producers.sidecar.settings import load_settings

    parts = assemble(load_settings(file), file, environ)
    if only_check:
        parts.spool.close()
        console.info(f"{file}: the settings are good")
    elif not await serve(parts):
        raise RuntimeError("a part of the sidecar has failed; its log says which")
