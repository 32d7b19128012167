"""What to do when a machine lacks something that tests need: skip and say so loudly at the end; with CI=true fail."""

import os
from collections import Counter
from typing import Final, NoReturn

import pytest

_MARK: Final = "NOT RUN: "


def not_run(what: str, how_to_get_it: str) -> NoReturn:
    """Leave this test out because `what` is missing. With CI=true that is a failure: nothing is left out there."""
    message = f"{_MARK}{what}. {how_to_get_it}"
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        raise pytest.fail.Exception(f"{message} (CI=true: nothing may be left out)", pytrace=False) from None
    raise pytest.skip.Exception(message) from None


def summary(reasons: list[str]) -> list[str]:
    """The lines to end a test run with: each missing thing once, with the number of tests that wanted it."""
    missing = Counter(reason[reason.index(_MARK) + len(_MARK) :] for reason in reasons if _MARK in reason)
    return [f"{number} test{'s' * (number > 1)} not run: {reason}" for reason, number in missing.most_common()]
