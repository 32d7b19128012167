"""What can be wrong with a message, each kind with the reason its dead letter carries.

All of these are the fault of whoever wrote the message, never of the reader: a shell puts them into the dead letters,
or shows them to the person who made the event. A fault of this program is any other exception, and should end it.
"""

from typing import ClassVar, Final, Literal

from typing_extensions import override

DeadLetterReason = Literal[
    "undecodable",
    "unknown_schema",
    "failed_validation",
    "future_timestamp",
    "wrong_key",
    "wrong_partition",
    "record_closed",
    "record_full",
]


class ContractError(ValueError):
    """A message breaks the contract.

    `path` is the field at fault, dotted, with positions of lists in brackets ("canary.included_shas[2]"); None if the
    message as a whole is meant. `problem` says what is wrong, `hint` what to do about it.
    """

    reason: ClassVar[DeadLetterReason] = "failed_validation"

    def __init__(self, problem: str, *, path: str | None = None, hint: str | None = None) -> None:
        super().__init__(problem)
        self.problem: Final = problem
        self.path: Final = path
        self.hint: Final = hint

    @override
    def __str__(self) -> str:
        """One line: "path: problem; hint"."""
        where = f"{self.path}: " if self.path else ""
        advice = f"; {self.hint}" if self.hint else ""
        return one_line(f"{where}{self.problem}{advice}")


class Undecodable(ContractError):
    """The bytes are no message of this contract: no frame, a body cut short or too long, text that is not UTF-8."""

    reason = "undecodable"


class UnknownSchema(ContractError):
    """The frame names a schema unknown to this reader; once it is known, the same bytes are valid."""

    reason = "unknown_schema"

    def __init__(self, schema_id: int) -> None:
        super().__init__(
            f"the message is written in the schema with id {schema_id}, which this reader does not know",
            hint="give the reader the schema registry of the producer, or upgrade the reader",
        )
        self.schema_id: Final = schema_id

    @override
    def __reduce__(self) -> tuple[type["UnknownSchema"], tuple[int]]:
        """Pickle by the id: the message is made from it."""
        return UnknownSchema, (self.schema_id,)


class InvalidEvent(ContractError):
    """A field is missing, unknown, of the wrong type, or breaks a rule."""

    reason = "failed_validation"


class FutureTimestamp(ContractError):
    """An event says that it happened later than its broker received it, by more than the tolerated skew."""

    reason = "future_timestamp"


class WrongKey(ContractError):
    """The key of the message is not the service of its event, so its facts would enter the state of another."""

    reason = "wrong_key"


class WrongPartition(ContractError):
    """The message is in a partition that its key does not hash to (murmur2), so its facts would be split."""

    reason = "wrong_partition"


class RecordClosed(ContractError):
    """The event speaks of a record that is older than the longest window: it was counted and closed."""

    reason = "record_closed"


class RecordFull(ContractError):
    """The event speaks of a record that holds as many events as one may: something sends them in a loop."""

    reason = "record_full"


def one_line(text: str) -> str:
    """Return `text` with everything unprintable, line breaks included, shown as an escape."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
