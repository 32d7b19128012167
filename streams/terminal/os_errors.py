"""How the operating system's refusals are told."""


def in_words(error: OSError) -> str:
    """What it refused and why, without its number: "events.jsonl: No such file or directory"."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason
