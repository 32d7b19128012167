"""How each source of webhooks proves itself, with its secrets; those in files are taken up when they change."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from producers.errors import UsageError
from producers.receiver.auth import signatures
from producers.receiver.auth.secret import Secret, read_secrets
from producers.receiver.auth.settings import (
    Basic,
    Bearer,
    ClientCertificate,
    GitLabToken,
    GrafanaSigned,
    SecretHeader,
    Signed,
    Unproven,
    Webhook,
)
from producers.receiver.auth.signatures import Proof

_Stamp = tuple[tuple[int, int], ...]


class Proofs:
    """The proofs of the settings. Call `refresh` now and then.

    Raises:
        UsageError: a secret that the settings name is not there, or is none.
    """

    def __init__(self, ways: Mapping[str, Webhook], environ: Mapping[str, str]) -> None:
        self._ways: Final = ways
        self._environ: Final = environ
        self._files: Final = tuple(_files(ways))
        self._stamp = self._stamps()
        self._proofs = self._read()

    def get(self, source: str) -> Proof | None:
        """That of a source; None if the settings have none."""
        return self._proofs.get(source)

    def refresh(self) -> bool:
        """Read all secrets again if a file of one changed. Whether one did.

        Raises:
            UsageError: a new one is no good; all of the old ones stay in use until it is mended.
        """
        stamp = self._stamps()
        if stamp == self._stamp:
            return False
        self._proofs = self._read()
        self._stamp = stamp  # taken before the files were read: what changes meanwhile is seen the next time
        return True

    def _read(self) -> Mapping[str, Proof]:
        return {source: _proof(source, way, self._environ) for source, way in self._ways.items()}

    def _stamps(self) -> _Stamp | None:
        """Also the number of the file: a mounted secret is replaced by another file."""
        try:
            return tuple((found.st_mtime_ns, found.st_ino) for found in (path.stat() for path in self._files))
        except OSError:  # being replaced, or gone: reading says which
            return None


def _files(ways: Mapping[str, Webhook]) -> Iterator[Path]:
    for way in ways.values():
        if not isinstance(way, ClientCertificate | Unproven):
            yield from (secret.file for secret in way.secrets if secret.file is not None)


def _proof(source: str, way: Webhook, environ: Mapping[str, str]) -> Proof:  # noqa: PLR0911 - one for each scheme
    match way:
        case Signed(scheme="pagerduty"):
            return signatures.PagerDuty(read_secrets(way.secrets, environ))
        case Signed(scheme="github"):
            return signatures.GitHub(read_secrets(way.secrets, environ))
        case Signed():
            return signatures.StandardWebhooks(_signing_keys(source, way, environ))
        case GrafanaSigned():
            return signatures.Grafana(read_secrets(way.secrets, environ), way.header, way.timestamp_header)
        case GitLabToken():
            return signatures.HeaderSecret(read_secrets(way.secrets, environ), "X-Gitlab-Token")
        case SecretHeader():
            return signatures.HeaderSecret(read_secrets(way.secrets, environ), way.header)
        case Bearer():
            return signatures.Bearer(read_secrets(way.secrets, environ), way.word)
        case Basic():
            return signatures.Basic(read_secrets(way.secrets, environ), way.username)
        case ClientCertificate():
            return signatures.Certificate(frozenset(way.names))
        case Unproven():
            return signatures.Nothing()


def _signing_keys(source: str, way: Signed, environ: Mapping[str, str]) -> tuple[Secret, ...]:
    try:
        return tuple(signatures.signing_key(secret) for secret in read_secrets(way.secrets, environ))
    except ValueError as error:
        raise UsageError(f"auth.webhooks.{source}: a secret {error}") from error
