"""The one version of Faust that the overrides are written against."""

from typing import Final

import faust

FAUST_VERSION: Final = "0.15.3"


class WrongFaustError(RuntimeError):
    """Another version of Faust is installed than the one whose methods are overridden here."""


def check_faust_version(installed: str | None = None) -> None:
    """Raise WrongFaustError unless the installed Faust is the one that was read, line by line, for the overrides."""
    version = installed if installed is not None else faust.__version__
    if version != FAUST_VERSION:
        raise WrongFaustError(
            f"faust-streaming {version} is installed, but the worker overrides methods of {FAUST_VERSION} that are not "
            f"its public interface: install faust-streaming=={FAUST_VERSION}, or compare streams/worker/faust_patches "
            f"with "
            "the new version, run tests/broker/test_hardening*.py and change FAUST_VERSION"
        )
