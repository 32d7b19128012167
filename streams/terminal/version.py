"""Which program this is, and whether its core runs compiled."""

from importlib.metadata import PackageNotFoundError, version

from streams.core import partition_state


def core_form() -> str:
    """Return how the core runs here: "compiled" or "pure Python". Both compute the same."""
    return "pure Python" if (partition_state.__file__ or "").endswith(".py") else "compiled"


def describe() -> str:
    """Return the program, its version and the form of its core, for people."""
    try:
        number = version("candora")
    except PackageNotFoundError:  # from a checkout that is not installed
        number = "(not installed)"
    return f"candora {number}, core: {core_form()}"
