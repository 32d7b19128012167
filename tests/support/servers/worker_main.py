"""A worker process that counts instead of joining: `python worker_main.py SHELF`, settings from CANDORA_… variables.

SHELF is a class of fake_shelf.py.
It is run as a file, because the tests are no package that a child could import.
"""

import runpy
import sys
from pathlib import Path

from streams.settings.installation import WorkerSettings
from streams.worker.run import run_worker

if __name__ == "__main__":
    names = runpy.run_path(str(Path(__file__).with_name("fake_partition_state.py")))
    run_worker(WorkerSettings(), names[sys.argv[1]])
