"""Check events, then send them, then report the outcome. Everything from outside is handed in."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final

from producers.delivery.delivery import Delivery
from producers.delivery.outbox import Outbox
from producers.delivery.outcomes import OutcomeTracker
from producers.delivery.publisher import Message
from producers.errors import ExitCode, UsageError
from producers.events.event_builder import Assignment, BuiltEvent, build_event
from producers.events.flags import all_flags
from producers.events.jsonl import BadLine, read_events
from producers.terminal.console import Console
from producers.terminal.github_step import StepEvent, StepOutcome
from schemas.errors import ContractError
from schemas.values import EventValue

SHOWN: Final = 20
"""Bad lines that are shown one by one; the others are counted."""


@dataclass(frozen=True, slots=True)
class EmitOptions:
    """What to do with the events."""

    dry_run: bool = False
    explain: bool = False
    json: bool = False
    skip_invalid: bool = False


class Emitter:
    """One run of the command. The exit codes returned are those of a strict run."""

    def __init__(self, options: EmitOptions, console: Console, delivery: Delivery, now: datetime) -> None:
        self._options = options
        self._console = console
        self._delivery = delivery
        self._now = now
        self._shown: Sequence[EventValue] = ()
        self._tracker: OutcomeTracker | None = None

    def emit_all(self, events: Sequence[Sequence[Assignment]]) -> ExitCode:
        """Check events and send them.

        Of several, one whose time the contract refuses is left out with a warning: a wrong clock behind one commit
        does not spoil the others.

        Raises:
            UsageError: the contract refuses an event.
        """
        with Outbox() as outbox:
            values = []
            for number, assigned in enumerate(events, start=1):
                try:
                    built = build_event(assigned, self._now)
                    self._queue(built, number, outbox)
                    values.append(built.value)
                except ContractError as error:
                    if len(events) == 1 or error.path != "occurred_at":
                        raise UsageError(_with_origin(error, assigned)) from error
                    sha = next((value for path, value, _ in assigned if path == "commit_sha"), "a commit")
                    self._console.warning(f"{sha} is left out: {error}")
            self._shown = values[:SHOWN]
            return self._send(outbox, _name(values)) if values else ExitCode.OK

    def emit_file(self, stream: BinaryIO) -> ExitCode:
        """Check every line and send them all, or, if one is bad, none; with `skip_invalid` the good ones.

        Raises:
            UsageError: a line is bad, and nothing was sent.
        """
        with Outbox() as outbox:
            bad = self._queue_lines(stream, outbox)
            for line, error in bad[:SHOWN]:
                self._console.error(f"line {line}: {error}")
            if len(bad) > SHOWN:
                self._console.error(f"... and {len(bad) - SHOWN} bad lines more")
            counts = f"{len(bad)} bad, {outbox.count} good"
            if bad and not self._options.skip_invalid:
                raise UsageError(f"nothing sent, because of bad lines ({counts}); --skip-invalid sends the good ones")
            if not (outbox.count or bad):
                self._console.warning("the file holds no event: nothing is sent")
            code = self._send(outbox, f"{outbox.count} events") if outbox.count else ExitCode.OK
            return ExitCode.USAGE if bad else code

    def _queue_lines(self, stream: BinaryIO, outbox: Outbox) -> list[BadLine]:
        bad = []
        for read in read_events(stream, self._now):
            if isinstance(read, BadLine):
                bad.append(read)
                continue
            line, built = read
            try:
                self._queue(built, line, outbox)
            except ContractError as error:
                bad.append(BadLine(line, error))
            self._console.progress("lines", line)
        return bad

    def _queue(self, built: BuiltEvent, line: int, outbox: Outbox) -> None:
        """Encode the event for sending; print it if the options say so."""
        value = built.value
        outbox.add(Message(value["event_id"], value["service"].encode(), self._delivery.encode(value), line))
        if self._options.explain:
            for path, part, origin in built.explained():
                self._console.info(f"{path} = {json.dumps(part)}  ({origin})")
        if self._options.dry_run:
            self._console.data(built.as_json())

    def _send(self, outbox: Outbox, name: str) -> ExitCode:
        if self._options.dry_run:
            return ExitCode.OK
        self._tracker = OutcomeTracker(self._console, outbox.count, as_json=self._options.json)
        self._delivery.send(iter(outbox), self._tracker)
        return self._tracker.conclude(name)

    def outcome(self) -> StepOutcome:
        """Return what a CI system shows of this run."""
        if self._tracker is None:
            return StepOutcome("dry_run" if self._options.dry_run else "nothing", ())
        outcomes = self._tracker.outcomes
        return StepOutcome(
            self._tracker.status,
            [
                StepEvent(
                    value["event_type"],
                    value["service"],
                    value["event_id"],
                    value["deployment_id"],
                    outcomes.get(value["event_id"], {}),
                )
                for value in self._shown
            ],
        )


def _name(values: Sequence[EventValue]) -> str:
    first = values[0]
    if len(values) == 1:
        return f"{first['event_type']} of {first['service']} (event {first['event_id']})"
    return f"{len(values)} {first['event_type']} of {', '.join(dict.fromkeys(value['service'] for value in values))}"


def _with_origin(error: ContractError, assigned: Sequence[Assignment]) -> str:
    """Name the flag or variable that the refused value comes from, or that would set the missing field."""
    path = error.path or ""
    origins = [o for at, _, o in assigned if path == at or path.startswith((f"{at}.", f"{at}["))]
    if origins:
        return f"{error} (given by {origins[0]})"
    missing = [
        f"{flag.name} or {flag.environ}" if flag.environ else flag.name for flag in all_flags() if flag.path == path
    ]
    return f"{error} ({missing[0]})" if missing else str(error)
