"""How each source of webhooks proves itself, with its secrets; those in files are taken up when they change."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from producers.errors import UsageError
from producers.sidecar.auth import signatures
from producers.sidecar.auth.secret import Secret, read_secrets
from producers.sidecar.auth.settings import (
    BasicAuthSettings,
    BearerSettings,
    ClientCertificateSettings,
    GitLabTokenSettings,
    GrafanaSignatureSettings,
    SecretHeaderSettings,
    SignatureSettings,
    UnauthenticatedSettings,
    Webhook,
)
from producers.sidecar.auth.signatures import Verifier

_Stamp = tuple[tuple[int, int], ...]


class WebhookVerifiers:
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

    def get(self, source: str) -> Verifier | None:
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

    def _read(self) -> Mapping[str, Verifier]:
        return {source: _proof(source, way, self._environ) for source, way in self._ways.items()}

    def _stamps(self) -> _Stamp | None:
        """Also the number of the file: a mounted secret is replaced by another file."""
        try:
            return tuple((found.st_mtime_ns, found.st_ino) for found in (path.stat() for path in self._files))
        except OSError:  # being replaced, or gone: reading says which
            return None


def _files(ways: Mapping[str, Webhook]) -> Iterator[Path]:
    for way in ways.values():
        if not isinstance(way, ClientCertificateSettings | UnauthenticatedSettings):
            yield from (secret.file for secret in way.secrets if secret.file is not None)


def _proof(source: str, way: Webhook, environ: Mapping[str, str]) -> Verifier:  # noqa: PLR0911 - one for each scheme
    match way:
        case SignatureSettings(scheme="pagerduty"):
            return signatures.PagerDutyVerifier(read_secrets(way.secrets, environ))
        case SignatureSettings(scheme="github"):
            return signatures.GitHubVerifier(read_secrets(way.secrets, environ))
        case SignatureSettings():
            return signatures.StandardWebhooksVerifier(_signing_keys(source, way, environ))
        case GrafanaSignatureSettings():
            return signatures.GrafanaVerifier(read_secrets(way.secrets, environ), way.header, way.timestamp_header)
        case GitLabTokenSettings():
            return signatures.HeaderSecretVerifier(read_secrets(way.secrets, environ), "X-Gitlab-Token")
        case SecretHeaderSettings():
            return signatures.HeaderSecretVerifier(read_secrets(way.secrets, environ), way.header)
        case BearerSettings():
            return signatures.BearerVerifier(read_secrets(way.secrets, environ), way.word)
        case BasicAuthSettings():
            return signatures.BasicAuthVerifier(read_secrets(way.secrets, environ), way.username)
        case ClientCertificateSettings():
            return signatures.CertificateVerifier(frozenset(way.names))
        case UnauthenticatedSettings():
            return signatures.NoVerifier()


def _signing_keys(source: str, way: SignatureSettings, environ: Mapping[str, str]) -> tuple[Secret, ...]:
    try:
        return tuple(signatures.signing_key(secret) for secret in read_secrets(way.secrets, environ))
    except ValueError as error:
        raise UsageError(f"auth.webhooks.{source}: a secret {error}") from error
