"""Wrap a publisher with a spool: older messages go first, undelivered ones are kept."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from producers.delivery.drainer import Drainer
from producers.delivery.encoder import InstallationEncoder
from producers.delivery.publisher import DeliveryFailure, FailureCause, Message, Outcome, Publisher, SpoolReceipt
from producers.errors import UsageError
from producers.spool.message_file import EVENTS, SpooledMessage
from producers.spool.spool import Spool, SpoolBusy, SpoolFull, SpoolLimits, SpoolUnusable
from schemas.duration import parse_duration
from schemas.ids import pinned_decoder
from schemas.values import SECOND

MAX_FILES: Final = "CANDORA_SPOOL_MAX_FILES"
MAX_BYTES: Final = "CANDORA_SPOOL_MAX_BYTES"
MAX_AGE: Final = "CANDORA_SPOOL_MAX_AGE"


def spool_limits(environ: Mapping[str, str]) -> SpoolLimits:
    """Read the limits of the spool. UsageError names the variable that cannot be parsed."""
    standard = SpoolLimits()

    def number(variable: str, default: int) -> int:
        text = environ.get(variable, "").strip() or str(default)
        if not (text.isascii() and text.isdigit() and int(text)):
            raise UsageError(f"{variable}: expected a whole number from 1 up, got {text!r}")
        return int(text)

    try:
        age = environ.get(MAX_AGE, "").strip()
        max_age = parse_duration(age) / SECOND if age else standard.max_age
    except ValueError as error:
        raise UsageError(f"{MAX_AGE}: {error}") from error
    return SpoolLimits(number(MAX_BYTES, standard.max_bytes), number(MAX_FILES, standard.max_files), max_age)


class SpoolingPublisher:
    """Sends through `publisher` what the spool holds, then the messages; keeps what is not acknowledged.

    `missing` says why there is nothing to send through: then everything is kept. `unframed`: the messages carry the
    pinned schema id, and the registry's is not known; they are kept as JSON. `info` takes a line for people, `warn` one
    about something that must be looked into.
    """

    def __init__(
        self,
        publisher: Publisher | None,
        spool: Spool,
        encoding: InstallationEncoder,
        *,
        missing: DeliveryFailure | None = None,
        unframed: bool = False,
        patience: float = 5.0,
        info: Callable[[str], None] = lambda _: None,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._publisher = publisher
        self._spool = spool
        self._encoding = encoding
        self._missing = missing
        self._unframed = unframed
        self._patience = patience
        self._info = info
        self._warn = warn

    def publish(self, messages: Iterable[Message], report: Callable[[Message, Outcome], None]) -> None:
        """Publish or spool every message, and report which."""
        failure = self._missing
        messages = iter(messages)

        def take(message: Message, outcome: Outcome) -> None:
            nonlocal failure
            if isinstance(outcome, DeliveryFailure) and outcome.cause is not FailureCause.MESSAGE:
                if outcome.cause is not FailureCause.FORBIDDEN:  # which the next message need not share
                    failure = outcome
                outcome = self._keep(message, outcome)
            report(message, outcome)

        if self._publisher is not None and failure is None:
            failure = self._send_older(self._publisher)
            if failure is None:
                self._publisher.publish(messages, take)
        for message in messages:  # the publisher stopped before these
            report(message, self._keep(message, failure or _NOT_TRIED))

    def close(self) -> None:
        """Close the publisher and the spool."""
        if self._publisher is not None:
            self._publisher.close()
        self._spool.close()

    def _send_older(self, publisher: Publisher) -> DeliveryFailure | None:
        """Send what the spool holds; return the failure that new messages would share, if any."""
        until = time.monotonic() + self._patience
        try:
            if not self._spool.entries():
                return None
            drained = Drainer(self._spool, self._encoding).run(publisher, lambda: time.monotonic() < until)
        except SpoolBusy:  # whoever is draining sends them
            return None
        except SpoolUnusable as error:
            self._warn(str(error))
            return None
        if drained.sent:
            self._info(f"sent {drained.sent.total()} older messages from the spool {self._spool.folder}")
        for aside in drained.aside:
            self._warn(f"put aside in {self._spool.folder}/quarantine: {aside.name}: {aside.problem}")
        if drained.trouble:
            self._warn(drained.trouble)
        return drained.failure

    def _keep(self, message: Message, failure: DeliveryFailure) -> Outcome:
        try:
            self._spool.put(self._spooled(message))
        except (SpoolFull, SpoolUnusable) as error:
            return DeliveryFailure(failure.cause, f"{failure.problem}; and it is not kept: {error}")
        return SpoolReceipt(failure, self._spool.folder)

    def _spooled(self, message: Message) -> SpooledMessage:
        if self._unframed:
            return self._encoding.event(pinned_decoder("deploy_event").decode(message.value))
        return SpooledMessage(message.event_id, message.key.decode(), message.value, topic=EVENTS)


_NOT_TRIED: Final = DeliveryFailure(FailureCause.UNREACHABLE, "not tried after an earlier failure")
