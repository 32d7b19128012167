"""What a record's marks add to the counters: once when it is first counted, then as revisions (semantics.md, 6).

The same functions count a mark when it is made and when stored marks are read again, so both give the same counters.
"""

from collections.abc import Sequence

from streams.core.deployment import JUDGED, Deployment, VerdictMark
from streams.core.environment import Counters
from streams.core.incident import LengthMark


def count_verdicts(counters: Counters, history: Sequence[VerdictMark], start: int) -> None:
    """Count the verdicts from this place of a deployment's history on."""
    for index in range(start, len(history)):
        verdict = history[index].value
        if index:
            counters.verdict_revisions[history[index - 1].value, verdict] += 1
        elif verdict in JUDGED:
            counters.judged += 1
            counters.succeeded += verdict == "succeeded"


def count_lead_times(counters: Counters, history: Sequence[LengthMark], start: int) -> None:
    """Count the lead times from this place of a change's history on; below zero the clocks were skewed."""
    for index in range(start, len(history)):
        mark = history[index]
        if index:
            counters.lead_time_revisions += 1
        elif mark.value is not None and mark.value < 0:
            counters.clock_skew += 1
        elif mark.value is not None:
            counters.lead_time.observe(mark.value, mark.at, mark.commit_sha)


def count_restores(counters: Counters, history: Sequence[LengthMark], start: int) -> None:
    """Count the times to restore from this place of an incident's history on."""
    for index in range(start, len(history)):
        mark = history[index]
        if index:
            counters.restore_revisions += 1
        elif mark.value is not None:
            counters.restore.observe(mark.value)


def count_stored(counters: Counters, deployment: Deployment) -> None:
    """Count everything that a restored deployment was counted for."""
    count_verdicts(counters, deployment.history, 0)
    if deployment.failed_mark is not None:
        counters.failures[deployment.failed_mark.value] += 1
    counters.late_failures += deployment.late_mark is not None
    counters.without_commits += deployment.commits_mark is not None and deployment.commits_mark.value == "unknown"
