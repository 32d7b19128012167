"""Errors that are its operator's to mend."""


class SetupError(RuntimeError):
    """The worker cannot work as it was set up. The message says what to do, and is logged without a traceback."""


class Inconclusive(Exception):
    """Whether everything is equal could not be found out. Says why, and what to do."""
