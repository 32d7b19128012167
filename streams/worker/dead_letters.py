"""What becomes of a message that breaks the contract: a record of why, where it stood, and its bytes."""

from schemas.errors import ContractError, RecordClosed
from schemas.values import DeadLetterValue
from streams.worker.intake import RawRecord


def dead_letter(record: RawRecord, error: ContractError) -> DeadLetterValue:
    """Return the dead letter of a refused message. Nothing of the message is lost in it."""
    return {
        "reason": error.reason,
        "path": error.path,
        "problem": str(error),
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "append_time": record.timestamp * 1000,
        "key": record.key,
        "value": record.value,
        "headers": {name: value or b"" for name, value in record.headers or ()},
    }


def closed() -> RecordClosed:
    """Why a shelf does not take in an event of a record that it has closed."""
    return RecordClosed(
        "the event is about something older than the longest window, which was counted and closed",
        hint="its numbers no longer change; to count older history, set a longer CANDORA_WINDOWS before it is read",
    )
