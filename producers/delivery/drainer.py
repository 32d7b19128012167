"""Send what waits in a spool, the oldest first, and remove it once the broker has it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from producers.delivery.encoder import InstallationEncoder, SchemaUnavailable
from producers.delivery.publisher import (
    DeliveryFailure,
    DeliveryReceipt,
    FailureCause,
    Message,
    Outcome,
    Publisher,
    SidecarReceipt,
)
from producers.spool.message_file import DEAD_LETTERS, EVENTS, DamagedMessageFile, SpooledMessage
from producers.spool.spool import Spool, SpoolEntry, SpoolFull, SpoolUnusable

Why = Literal["damaged", "too_old", "invalid", "refused"]
"""Why a message is put aside: the file is bad, it waited too long, the contract or whoever it is sent to refuses it."""
ITS_OWN: Final = frozenset({FailureCause.MESSAGE, FailureCause.FORBIDDEN})
"""Why one message is refused, and the next may not be. It must not block the others."""
WHYS: Final[tuple[Why, ...]] = ("damaged", "too_old", "invalid", "refused")


class QuarantinedMessage(NamedTuple):
    """A message that went to the quarantine."""

    name: str
    why: Why
    problem: str


@dataclass
class DrainResult:
    """The result of draining a spool once."""

    sent: Counter[str] = field(default_factory=Counter)
    """By topic, without prefix."""
    waited: list[float] = field(default_factory=list)
    """For each message that was sent, the seconds since it was put."""
    aside: list[QuarantinedMessage] = field(default_factory=list)
    failure: DeliveryFailure | None = None
    """Why messages are left that could not be sent."""
    trouble: str | None = None
    """A problem of the spool itself."""


class Drainer:
    """Empties one spool through any publisher. Kept over many runs, it never sends again what it could not remove."""

    def __init__(self, spool: Spool, encoding: InstallationEncoder) -> None:
        self._spool = spool
        self._encoding = encoding
        self._delivered: set[SpoolEntry] = set()

    def run(self, publisher: Publisher, go_on: Callable[[], bool] = lambda: True) -> DrainResult:
        """Send what waits now, until `go_on` returns False or the broker does not answer.

        Raises:
            SpoolBusy: another process is draining.
            SpoolUnusable: the folder cannot be read.
        """
        drained = DrainResult()
        with self._spool.draining():
            for entry in list(self._delivered):
                self._remove(entry, drained)
            run = _Run(self._spool, self._encoding, drained, self._remove, go_on)
            run.send(publisher, EVENTS, [each for each in self._spool.entries() if each not in self._delivered])
            # Apart from the events: a missing topic of dead letters must not block those.
            if drained.failure is None or drained.failure.cause in ITS_OWN:
                run.send(publisher, DEAD_LETTERS, run.dead_letters)
        return drained

    def _remove(self, entry: SpoolEntry, drained: DrainResult) -> None:
        try:
            self._spool.remove(entry)
            self._delivered.discard(entry)
        except SpoolUnusable as error:
            self._delivered.add(entry)
            drained.trouble = str(error)


class _Run:
    """One pass over the entries."""

    def __init__(
        self,
        spool: Spool,
        encoding: InstallationEncoder,
        drained: DrainResult,
        remove: Callable[[SpoolEntry, DrainResult], None],
        go_on: Callable[[], bool],
    ) -> None:
        self._spool = spool
        self._encoding = encoding
        self._drained = drained
        self._remove = remove
        self._go_on = go_on
        self._no_schema = False
        self.dead_letters: list[SpoolEntry] = []
        """Dead letters among the entries, to be sent after the events."""

    def send(self, publisher: Publisher, topic: str, entries: Sequence[SpoolEntry]) -> None:
        """Send the entries of one topic."""

        def report(message: Message, outcome: Outcome) -> None:
            entry = entries[message.line]
            if isinstance(outcome, DeliveryReceipt | SidecarReceipt):
                self._drained.sent[topic] += 1
                self._drained.waited.append(self._spool.age(entry))
                self._remove(entry, self._drained)
            elif isinstance(outcome, DeliveryFailure) and outcome.cause in ITS_OWN:
                self._aside(entry, "refused", outcome.problem)
            elif isinstance(outcome, DeliveryFailure):
                self._drained.failure = self._drained.failure or outcome

        publisher.publish(self._messages(topic, entries), report)

    def _messages(self, topic: str, entries: Sequence[SpoolEntry]) -> Iterator[Message]:
        for number, entry in enumerate(entries):
            if not self._go_on():
                return
            if self._spool.too_old(entry):
                self._aside(entry, "too_old", "has waited for longer than the spool keeps messages")
                continue
            try:
                spooled = self._spool.read(entry)
                if spooled is None:
                    continue
                if spooled.topic == DEAD_LETTERS != topic:
                    self.dead_letters.append(entry)
                    continue
                if spooled.body == "json" and self._no_schema:
                    continue
                yield self._message(spooled, number)
            except SchemaUnavailable as error:  # one request, not one for each message
                self._no_schema = True
                self._drained.failure = self._drained.failure or error.failure
            except DamagedMessageFile as error:
                self._aside(entry, "damaged", str(error))
            except ValueError as error:  # a ContractError, or JSON of another version
                self._aside(entry, "invalid", str(error))

    def _message(self, spooled: SpooledMessage, number: int) -> Message:
        value = self._encoding.value(spooled)
        return Message(spooled.event_id, spooled.key.encode(), value, number, self._encoding.topic(spooled.topic))

    def _aside(self, entry: SpoolEntry, why: Why, problem: str) -> None:
        try:
            self._spool.quarantine(entry, problem)
            self._drained.aside.append(QuarantinedMessage(entry.name, why, problem))
        except (SpoolFull, SpoolUnusable) as error:  # it stays where it is, and the others go on
            self._drained.trouble = str(error)
