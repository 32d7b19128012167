"""Exit codes and the error of wrong usage."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of `candora-ci`, as in `--help`. Without `--strict` those from 3 on become 0."""

    OK = 0
    REFUSED = 1
    """The input was examined and refused, e.g. a payload that `explain` cannot map."""
    USAGE = 2
    """A wrong flag, a wrong setting, or an event that the contract refuses: fix it and run again."""
    NOT_CONFIGURED = 3
    CREDENTIALS = 4
    """The broker or the sidecar refused the credentials."""
    NOT_DELIVERED = 5
    """No acknowledgement in time: run it again later."""


class UsageError(Exception):
    """Wrong usage or configuration; the message says what to change."""
