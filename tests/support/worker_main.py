"""A worker process that counts instead of joining: `python worker_main.py`, settings from CANDORA_… variables.

It is run as a file, because the tests are no package that a child could import.
"""

import runpy
from pathlib import Path

from streams.worker.run import run_worker
from streams.worker.settings import WorkerSettings

if __name__ == "__main__":
    names = runpy.run_path(str(Path(__file__).with_name("fake_shelf.py")))
    run_worker(WorkerSettings(), names["CountingShelf"])
