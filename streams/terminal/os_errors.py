"""Errors of the operating system, for people."""


def in_words(error: OSError) -> str:
    """Return what failed and why, without the error number: "events.jsonl: No such file or directory"."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason
