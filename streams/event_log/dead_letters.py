"""What becomes of a message that breaks the contract: a record of why, where it stood, and its bytes."""

from typing import Final

from schemas.errors import ContractError, RecordClosed, RecordFull
from schemas.values import DeadLetterValue
from streams.core.partition_state import Refusal
from streams.event_log.raw_record import RawRecord

LARGEST: Final = 3 * 1024 * 1024
"""Bytes of a message that a letter holds whole; its topic takes letters of 4 MiB."""
_BEGINNING: Final = 1024 * 1024


def dead_letter(record: RawRecord, error: ContractError) -> DeadLetterValue:
    """Return the dead letter of a refused message.

    Nothing of the message is lost in it, unless it is so large that no topic would take the letter: then it holds the
    beginning, and says how much there was.
    """
    key, value, headers = record.key, record.value, {name: value or b"" for name, value in record.headers or ()}
    size = len(key or b"") + len(value or b"") + sum(len(name) + len(header) for name, header in headers.items())
    problem = str(error)
    if size > LARGEST:
        problem += f" (the message has {size} bytes, of which this letter holds the beginning)"
        key, value, headers = key and key[:_BEGINNING], value and value[:_BEGINNING], {}
    return {
        "reason": error.reason,
        "path": error.path,
        "problem": problem,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "append_time": record.timestamp * 1000,
        "key": key,
        "value": value,
        "headers": headers,
    }


def refused(refusal: Refusal) -> ContractError:
    """Why a partition state does not take in an event, in words."""
    if refusal == "record_closed":
        return RecordClosed(
            "the event is about something older than the longest window, which was counted and closed",
            hint="its numbers no longer change; to count older history, set a longer CANDORA_WINDOWS before it is read",
        )
    return RecordFull(
        "what the event is about has as many events as a record may hold",
        hint="find out what sends them in a loop; events of their own things have ids of their own",
    )
