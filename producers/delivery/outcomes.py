"""What became of the messages of one run: counted, told to programs one by one, summed up for people."""

import json
from collections import Counter
from typing import Final

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
"""What is no fault of the pipeline."""


class OutcomeTracker:
    """Collects the outcome of every message. `as_json`: also print one object per message."""

    def __init__(self, console: Console, total: int, *, as_json: bool) -> None:
        self._console = console
        self._total = total
        self._as_json = as_json
        self._failures: dict[FailureCause, DeliveryFailure] = {}
        self._last: DeliveryReceipt | SidecarReceipt | None = None
        self._folder = ""
        self._counts: Counter[str] = Counter()
        self.became: Final[dict[str, dict[str, str | int]]] = {}
        """What became of the first messages, by their ids."""

    def report(self, message: Message, outcome: Outcome) -> None:
        """Take what a publisher says of a message."""
        if isinstance(outcome, DeliveryReceipt):
            self._last = outcome
            place: dict[str, str | int] = {
                "topic": outcome.topic,
                "partition": outcome.partition,
                "offset": outcome.offset,
            }
            self._note(message, "delivered", place)
        elif isinstance(outcome, SidecarReceipt):
            self._last = outcome
            self._note(message, "accepted", {"sidecar": outcome.sidecar})
        else:
            if isinstance(outcome, SpoolReceipt):
                failure, status, self._folder = outcome.failure, "spooled", outcome.folder
            else:
                failure, status = outcome, "not_sent"
            self._failures.setdefault(failure.cause, failure)
            self._note(message, status, {"problem": failure.problem})

    def skip(self, message: Message, problem: str) -> None:
        """Take a message that there is nowhere to send to."""
        self._note(message, "skipped", {"problem": problem})

    def leave(self, message: Message) -> None:
        """Take a message that the publisher did not take any more."""
        self._note(message, "not_sent", {"problem": "not tried: an earlier event could not be delivered"})

    @property
    def status(self) -> str:
        """What became of all of them: the worst that became of one."""
        return next(
            (each for each in ("not_sent", "skipped", "spooled", "accepted") if self._counts[each]), "delivered"
        )

    def conclude(self, name: str) -> ExitCode:
        """Sum up for people; `name` says what was to be sent. Return the exit code of a strict run."""
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
                text = f"not sent: {amount}{name}: {self._failures[cause].problem}{self._kept()}"
                (self._console.warning if cause in _PASSING else self._console.error)(text)
                return code
        return ExitCode.OK

    def _kept(self) -> str:
        spooled, total = self._counts["spooled"], self._total
        if not spooled:
            return ""
        amount = "" if total == 1 else f"{spooled} of them " if spooled < total else "all of them "
        return f"; {amount}kept for the next run, or for `candora-ci drain --spool {self._folder}`"

    def _note(self, message: Message, status: str, more: dict[str, str | int]) -> None:
        self._counts[status] += 1
        self._console.progress("events", self._counts.total(), self._total)
        if len(self.became) < SHOWN:
            self.became[message.event_id] = {"status": status, **more}
        if self._as_json:
            record = {"line": message.line, "event_id": message.event_id, "status": status, **more}
            self._console.data(json.dumps(record))
