"""`candora audit`: the answer on standard output and as an exit code."""

import argparse
import gc
import traceback

from streams.audit.report import EXIT_CODES
from streams.audit.run import AuditRequest, audit
from streams.settings.installation import WorkerSettings
from streams.terminal.progress import ProgressBar


def run_audit(given: argparse.Namespace, settings: WorkerSettings) -> int:
    """Return 0: equal, 1: different, 2: could not be decided. `settings` are the running workers'."""
    undecided = EXIT_CODES["undecided"]
    gc.disable()  # it holds hundreds of thousands of records until its answer, and none of them in a cycle
    try:
        with ProgressBar() as bar:
            report = audit(settings, AuditRequest(given.wait, given.most, given.processes), bar)
    except Exception:  # noqa: BLE001 - Python's own exit code for a crash, 1, would say that something is different
        traceback.print_exc()
        return undecided
    finally:
        gc.enable()
    if given.json:
        print(report.to_json())
    else:
        for line in report.lines():
            print(line)
    return report.exit_code
