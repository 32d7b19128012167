"""Runs a target under atheris, which looks for inputs that reach new code."""

import gc
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from hashlib import sha1
from inspect import isfunction
from pathlib import Path
from typing import Any

import atheris  # type: ignore[import-untyped] # `make fuzz` installs it beside the project

GENERATED = "<schemas.codec.reader>"
"""Where the readers come from that are written at run time, which no import hook sees."""


def watched(*packages: str) -> AbstractContextManager[None]:
    """What of these packages is imported inside is watched for new code that is reached."""
    found: AbstractContextManager[None] = atheris.instrument_imports(include=list(packages))
    return found


class Guided:
    """Answers from the fuzzer's bytes; when they are used up, with the smallest there is."""

    def __init__(self, data: bytes) -> None:
        self._provider: Any = atheris.FuzzedDataProvider(data)

    def integer(self, low: int, high: int) -> int:
        found: int = self._provider.ConsumeIntInRange(low, high)
        return found

    def text(self, longest: int) -> str:
        found: str = self._provider.ConsumeUnicodeNoSurrogates(self.integer(0, longest))
        return found

    def data(self, longest: int) -> bytes:
        found: bytes = self._provider.ConsumeBytes(self.integer(0, longest))
        return found


def search(target: Callable[[bytes], None], seeds: Iterable[bytes] = ()) -> None:
    """Call the target with ever more inputs, until the time is over or it raises.

    The arguments are libFuzzer's own. The last one is the folder of the inputs that are kept; it is made here.
    """
    folder = Path(sys.argv[-1])
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (folder / sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
    for found in gc.get_objects():
        if isfunction(found) and found.__code__.co_filename == GENERATED:
            atheris.instrument_func(found)
    atheris.Setup([sys.argv[0], f"-artifact_prefix={folder.parent}/{folder.name}-", *sys.argv[1:]], target)
    atheris.Fuzz()
