"""A program to measure: one partition state alone in a process, and the memory that its deployments take.

Called with number of events, services and the file for the answer: [bytes before, bytes after, deployments]. Before:
everything is imported and one event was read.
"""

import gc
import json
import sys
import time
from pathlib import Path
from typing import Final

from streams.core.partition_state import PartitionState
from streams.core.settings import MetricSettings
from tests.support.load import load

BATCH: Final = 8_000
STEP: Final = 5_000_000
"""Microseconds between events: a million of them are younger than the longest window."""


def main() -> None:
    count, services, answer = sys.argv[1:]
    partition_state = PartitionState(0, MetricSettings())
    before = started = 0
    for offset, event in enumerate(load(int(count), int(services), time.time_ns() // 1000, step=STEP)):
        partition_state.read(event, event["occurred_at"], offset)
        started += event["event_type"] == "canary_started"
        if offset % BATCH == 0:
            partition_state.collect()
            before = before or held()
    partition_state.collect()
    Path(answer).write_text(json.dumps([before, held(), started]), "utf-8")


def held() -> int:
    """Bytes of memory of this process, without garbage."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    return pages * 4096


if __name__ == "__main__":
    main()
