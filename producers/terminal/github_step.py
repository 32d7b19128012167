"""Write the outputs and the summary table of a step of GitHub Actions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

OUTPUT_FILE: Final = "GITHUB_OUTPUT"
SUMMARY_FILE: Final = "GITHUB_STEP_SUMMARY"


class StepEvent(NamedTuple):
    """One event of the run."""

    event_type: str
    service: str
    event_id: str
    deployment_id: str | None
    outcome: Mapping[str, str | int]


class StepOutcome(NamedTuple):
    """The outcome of a run. `status`: delivered, spooled, skipped, not_sent, dry_run or nothing."""

    status: str
    events: Sequence[StepEvent]


def outputs(outcome: StepOutcome, new_delimiter: Callable[[], str]) -> str:
    """Return the lines for GITHUB_OUTPUT. Of several events each output has a line for each.

    The delimiter is new for each value, so that no value can end itself and begin an output of its own.
    """
    values = {
        "status": [outcome.status],
        "event-id": [event.event_id for event in outcome.events],
        "deployment-id": [event.deployment_id for event in outcome.events if event.deployment_id],
        "partition": [str(event.outcome["partition"]) for event in outcome.events if "partition" in event.outcome],
        "offset": [str(event.outcome["offset"]) for event in outcome.events if "offset" in event.outcome],
    }
    lines = []
    for name, entries in values.items():
        delimiter = new_delimiter()
        lines += [f"{name}<<{delimiter}", *dict.fromkeys(entries), delimiter]
    return "".join(f"{line}\n" for line in lines)


def summary(outcome: StepOutcome) -> str:
    """Return a table in Markdown for GITHUB_STEP_SUMMARY."""
    rows = [
        f"| {event.event_type} | {_cell(event.service)} | {event.outcome.get('status', outcome.status)} "
        f"| `{event.event_id}` | {_cell(str(event.outcome.get('problem', '')))} |"
        for event in outcome.events
    ]
    if not rows:
        return ""
    head = ["| event | service | status | id | problem |", "|---|---|---|---|---|"]
    return "".join(f"{line}\n" for line in ["", *head, *rows, ""])


def write_step(outcome: StepOutcome, environ: Mapping[str, str], new_delimiter: Callable[[], str]) -> str | None:
    """Append outputs and summary to the files that the runner names; return the problem, if any."""
    for variable, text in ((OUTPUT_FILE, outputs(outcome, new_delimiter)), (SUMMARY_FILE, summary(outcome))):
        path = environ.get(variable)
        if not path or not text:
            continue
        try:
            with open(path, "a", encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs its import
                file.write(text)
        except OSError as error:
            return f"{variable}: {error.strerror}"
    return None


def _cell(text: str) -> str:
    """Escape text for a table cell."""
    line = " ".join(text.split())[:300]
    return line.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("`", "'").replace("[", "\\[")
