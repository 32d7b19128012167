"""What a command loads: the workers' framework is slow to import, and only the workers need it."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[3]
WORKERS_ONLY: Final = {"faust", "aiokafka", "mode", "rocksdict"}
CLIENTS: Final = {"confluent_kafka", "pydantic", "fastavro", "rich"}
PROGRAM: Final = """
import sys
from streams.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as end:
    code = end.code
print(code, *{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""
LOG: Final = str(ROOT / "tests/support/data/public-delivery-history.jsonl")
COMMANDS: Final = ("trace", "report", "audit", "compute", "backfill metrics", "topics create", "topics check")


def loaded(*arguments: str) -> set[str]:
    """The top-level modules that a command has loaded when it ends, which it must do without a fault."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    code, *modules = done.stderr.splitlines()[-1].split()
    assert code == "0", done.stderr
    return set(modules)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_no_client(command: str) -> None:
    assert not loaded(*command.split(), "--help") & (WORKERS_ONLY | CLIENTS)


@pytest.mark.parametrize(
    "command", ["compute LOG", "trace --events LOG b64b8b85", "report --events LOG --last 7d --to 2026-01-12T00:00:00Z"]
)
def test_a_command_on_a_file_loads_no_framework(command: str) -> None:
    assert not loaded(*command.replace("LOG", LOG).split()) & WORKERS_ONLY


def test_what_reads_the_log_loads_no_framework() -> None:
    program = "import sys; from streams.replay import log_source; from streams.audit import run; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {name.partition(".")[0] for name in done.stdout.split()} & WORKERS_ONLY
