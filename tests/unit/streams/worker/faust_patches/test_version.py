"""The patches refuse a Faust that they were not written for."""

import pytest

from streams.worker.faust_patches import FAUST_VERSION, WrongFaustError, check_faust_version


def test_the_installed_faust_is_the_one_the_overrides_are_for() -> None:
    check_faust_version()


@pytest.mark.parametrize("version", ["0.15.2", "0.15.4", "0.16.0"])
def test_another_faust_is_refused_with_what_to_do(version: str) -> None:
    with pytest.raises(WrongFaustError, match=rf"{version} is installed.*faust-streaming=={FAUST_VERSION}"):
        check_faust_version(version)
