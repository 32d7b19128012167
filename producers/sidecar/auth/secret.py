"""Secrets in memory: read once from where the settings say, compared in constant time, never shown."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn, final

from typing_extensions import override

from producers.errors import UsageError
from producers.sidecar.auth.settings import SecretSource


@final
class Secret:
    """A secret. Printing it, or anything that holds it, shows three stars."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value: Final = value

    def is_(self, given: str) -> bool:
        """Whether somebody gave just this. The time it takes tells nothing, not even the length."""
        digests = (hashlib.sha256(each).digest() for each in (self._value, wire(given)))
        return hmac.compare_digest(*digests)

    def sign(self, message: bytes) -> bytes:
        """HMAC-SHA256 of a message."""
        return hmac.digest(self._value, message, "sha256")

    def reveal(self) -> bytes:
        """The secret itself, for a library that needs it."""
        return self._value

    @override
    def __repr__(self) -> str:
        return "Secret(***)"

    @override
    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")


def wire(text: str) -> bytes:
    """A header's text as the bytes that were sent. Never fails."""
    return text.encode("utf-8", "surrogatepass")


def read_secret(source: SecretSource, environ: Mapping[str, str]) -> Secret:
    """The secret from where it is.

    Raises:
        UsageError: it is not there, or empty; the message says which variable or file.
    """
    if source.env is not None:
        value, place = environ.get(source.env, "").encode("utf-8", "surrogateescape"), f"the variable {source.env}"
    else:
        assert source.file is not None  # noqa: S101 - the settings have one of the two
        place = f"the file {source.file}"
        try:
            value = source.file.read_bytes()
        except OSError as error:
            raise UsageError(f"{place} cannot be read: {error.strerror}") from error
        value = value.removesuffix(b"\n").removesuffix(b"\r")
    if not value:
        raise UsageError(f"{place} is {'not set' if source.env else 'empty'}; the settings of `auth` name it")
    return Secret(value)


def read_secrets(sources: Sequence[SecretSource], environ: Mapping[str, str]) -> tuple[Secret, ...]:
    """All of them, see `read_secret`."""
    return tuple(read_secret(source, environ) for source in sources)
