"""The outcomes of the messages of one run: counted, printed one by one for programs, summed up for people."""

import json
from collections import Counter
from typing import Final

from producers.config import NOWHERE
from producers.delivery.publisher import (
    DeliveryFailure,
    DeliveryReceipt,
    FailureCause,
    Message,
    Outcome,
    SidecarReceipt,
    SpoolReceipt,
)
from producers.errors import ExitCode
from producers.terminal.console import Console

EXIT_CODES: Final = {
    FailureCause.MESSAGE: ExitCode.USAGE,
    FailureCause.CREDENTIALS: ExitCode.CREDENTIALS,
    FailureCause.FORBIDDEN: ExitCode.CREDENTIALS,
    FailureCause.UNREACHABLE: ExitCode.NOT_DELIVERED,
    FailureCause.NOT_CONFIGURED: ExitCode.NOT_CONFIGURED,
}
"""In the order in which they decide the exit code when several happened."""

SHOWN: Final = 20
"""Messages that a summary lists one by one."""

_PASSING: Final = frozenset({FailureCause.UNREACHABLE, FailureCause.NOT_CONFIGURED})
"""Causes outside the pipeline: warnings, not errors."""


class OutcomeTracker:
    """Collects the outcome of every message. `as_json`: also prints one object per message."""

    def __init__(self, console: Console, total: int, *, as_json: bool) -> None:
        self._console = console
        self._total = total
        self._as_json = as_json
        self._failures: dict[FailureCause, DeliveryFailure] = {}
        self._last: DeliveryReceipt | SidecarReceipt | None = None
        self._folder = ""
        self._counts: Counter[str] = Counter()
        self.outcomes: Final[dict[str, dict[str, str | int]]] = {}
        """Of the first messages, by event id."""

    def report(self, message: Message, outcome: Outcome) -> None:
        """Record the outcome that a publisher reports."""
        if isinstance(outcome, DeliveryReceipt):
            self._last = outcome
            place: dict[str, str | int] = {
                "topic": outcome.topic,
                "partition": outcome.partition,
                "offset": outcome.offset,
            }
            self._record(message, "delivered", place)
        elif isinstance(outcome, SidecarReceipt):
            self._last = outcome
            self._record(message, "accepted", {"sidecar": outcome.sidecar})
        else:
            if isinstance(outcome, SpoolReceipt):
                failure, status, self._folder = outcome.failure, "spooled", outcome.folder
            else:
                failure, status = outcome, "not_sent"
            self._failures.setdefault(failure.cause, failure)
            self._record(message, status, {"problem": failure.problem})

    def skip(self, message: Message, problem: str) -> None:
        """Record a message that there is nowhere to send to."""
        self._record(message, "skipped", {"problem": problem})

    def leave(self, message: Message) -> None:
        """Record a message that the publisher stopped before."""
        self._record(message, "not_sent", {"problem": "not tried: an earlier event could not be delivered"})

    @property
    def status(self) -> str:
        """The worst outcome of any message."""
        return next(
            (each for each in ("not_sent", "skipped", "spooled", "accepted") if self._counts[each]), "delivered"
        )

    def conclude(self, name: str) -> ExitCode:
        """Print a summary for people, and return the exit code of a strict run. `name` says what was to be sent."""
        if self._counts["skipped"]:
            self._console.warning(f"not sent: {name}: {NOWHERE} (or --bootstrap-servers, --sidecar)")
            return ExitCode.NOT_CONFIGURED
        delivered = self._counts["delivered"] + self._counts["accepted"]
        if isinstance(self._last, SidecarReceipt) and not self._failures:
            self._console.info(f"the sidecar {self._last.sidecar} has {name} on its disk, and sends it to Kafka")
            return ExitCode.OK
        if isinstance(self._last, DeliveryReceipt) and not self._failures:
            place = f"{self._last.topic}[{self._last.partition}]"
            where = f"{place} at offset {self._last.offset}" if self._total == 1 else self._last.topic
            self._console.info(f"delivered {name} to {where}")
            return ExitCode.OK
        for cause, code in EXIT_CODES.items():
            if cause in self._failures:
                amount = "" if self._total == 1 else f"{self._total - delivered} of "
                text = f"not sent: {amount}{name}: {self._failures[cause].problem}{self._spool_note()}"
                (self._console.warning if cause in _PASSING else self._console.error)(text)
                return code
        return ExitCode.OK

    def _spool_note(self) -> str:
        spooled, total = self._counts["spooled"], self._total
        if not spooled:
            return ""
        amount = "" if total == 1 else f"{spooled} of them " if spooled < total else "all of them "
        return f"; {amount}kept for the next run, or for `candora-ci drain --spool {self._folder}`"

    def _record(self, message: Message, status: str, more: dict[str, str | int]) -> None:
        self._counts[status] += 1
        self._console.progress("events", self._counts.total(), self._total)
        if len(self.outcomes) < SHOWN:
            self.outcomes[message.event_id] = {"status": status, **more}
        if self._as_json:
            record = {"line": message.line, "event_id": message.event_id, "status": status, **more}
            self._console.data(json.dumps(record))
