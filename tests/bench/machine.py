"""What the numbers were measured on, and tables of them, in Markdown so that they can be kept as they are."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

from streams.terminal.version import core_form
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.kafka_jars import kafka_version

_KB: Final = 1024


def machine(broker: KafkaBroker | None = None) -> str:
    """One line: processor, cores, memory, Python, how our core runs, Kafka."""
    parts = [f"{_cpu()}, {os.cpu_count()} cores, {_memory()}", f"Python {platform.python_version()}"]
    parts.append(f"core: {core_form()}")
    if broker is not None:
        parts.append("Kafka at KAFKA_BOOTSTRAP" if broker.origin == "attached" else f"Kafka {kafka_version()}")
    return "; ".join((*parts, platform.system()))


def show(title: str, broker: KafkaBroker | None, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table under its title and its machine, with what else the machine was doing."""
    print(f"\n### {title}\n\n{machine(broker)}; load average {loads()}\n")
    table = [list(map(str, row)) for row in (header, *rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    table.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    for row in table:
        first, *others = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print(f"| {' | '.join((first, *others))} |")


def loads() -> str:
    """The load average of the last 1, 5 and 15 minutes; it counts the measured processes, too."""
    return " ".join(f"{load:.1f}" for load in os.getloadavg())


def spread(values: Sequence[float], digits: int = 0) -> str:
    """The median, and the smallest and largest in brackets."""
    if len(values) == 1:
        return f"{values[0]:,.{digits}f}"
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def setting(name: str, default: int) -> int:
    """A whole number from the environment."""
    return int(os.environ.get(name, default))


def memory(pid: int | str = "self") -> int:
    """Bytes that a process holds in memory now (RSS)."""
    return _status(pid, "VmRSS")


def cpu_seconds(pid: int) -> float:
    """Processor time that all threads of a process have taken."""
    after_name = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def _status(pid: int | str, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * _KB
    raise LookupError(field)


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _memory() -> str:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{total / _KB**3:.0f} GiB"
