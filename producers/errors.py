"""What can go wrong with a command, by what the caller does next."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How `candora-ci` ends; `--help` says the same. Only USAGE is not zero unless `--strict` is given."""

    OK = 0
    REFUSED = 1
    """What was asked about is not well: a payload that `explain` cannot map."""
    USAGE = 2
    """A wrong flag, a wrong setting, or an event that the contract refuses: mend it and run again."""
    NOT_CONFIGURED = 3
    CREDENTIALS = 4
    """The broker answered, and said no."""
    NOT_DELIVERED = 5
    """No answer in time: the event is not sent, run it again later."""


class UsageError(Exception):
    """The command was called or configured wrongly; the message says what to change."""
