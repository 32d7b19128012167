"""The only Faust version that the overrides support."""

from typing import Final

import faust

FAUST_VERSION: Final = "0.15.3"


class WrongFaustError(RuntimeError):
    """The installed Faust is not the version whose methods are overridden."""


def check_faust_version(installed: str | None = None) -> None:
    """Raise WrongFaustError unless the installed Faust is the version that the overrides were written against."""
    version = installed if installed is not None else faust.__version__
    if version != FAUST_VERSION:
        raise WrongFaustError(
            f"faust-streaming {version} is installed, but the worker overrides methods of {FAUST_VERSION} that are not "
            f"its public interface: install faust-streaming=={FAUST_VERSION}, or compare streams/worker/faust_patches "
            f"with "
            "the new version, run tests/broker/test_hardening*.py and change FAUST_VERSION"
        )
