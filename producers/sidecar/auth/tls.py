"""HTTPS, and certificates of clients. A certificate that is renewed on disk is taken up without a restart."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from producers.errors import UsageError
from producers.sidecar.auth.secret import Secret, read_secret
from producers.sidecar.auth.settings import TlsSettings

_MISMATCH: Final = "KEY_VALUES_MISMATCH"


class ServerTls:
    """The TLS of a server. Give `context` to it, and call `refresh` now and then.

    Raises:
        UsageError: a file is missing or is not what it should be; the message names the file and the fault.
    """

    def __init__(self, settings: TlsSettings, environ: Mapping[str, str]) -> None:
        self._settings: Final = settings
        source = settings.key_password
        self._password: Final = None if source is None else read_secret(source, environ)
        self.context: Final = self._made()
        self._stamp = self._stamps()

    def refresh(self) -> bool:
        """Take up our certificate and key if their files changed, for the connections to come. Whether they did.

        Raises:
            UsageError: the new files are no good; the old certificate stays in use until they are mended.
        """
        stamp = self._stamps()
        if stamp == self._stamp:
            return False
        self._load(_bare())  # a pair that does not fit must not get into the one in use
        self._load(self.context)
        self._stamp = stamp
        return True

    def _made(self) -> ssl.SSLContext:
        context = _bare()
        self._load(context)
        if self._settings.client_ca is not None:
            path = _readable("client_ca", self._settings.client_ca)
            try:
                context.load_verify_locations(cafile=path)
            except ssl.SSLError as error:
                raise UsageError(f"auth.tls.client_ca: {path} holds no certificate in PEM") from error
            wanted = self._settings.client_certificate == "required"
            context.verify_mode = ssl.CERT_REQUIRED if wanted else ssl.CERT_OPTIONAL
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        certificate = _readable("certificate", self._settings.certificate)
        key = _readable("key", self._settings.key)
        try:
            context.load_cert_chain(certificate, key, self._key_password)
        except ssl.SSLError as error:
            raise UsageError(f"auth.tls: {_fault(error, certificate, key, self._password)}") from error

    def _key_password(self) -> bytes:
        # Without a callback OpenSSL would ask whoever sits at the terminal.
        if self._password is None:
            raise UsageError(f"auth.tls.key: {self._settings.key} is encrypted; give auth.tls.key_password")
        return self._password.reveal()

    def _stamps(self) -> tuple[int, ...]:
        try:
            return tuple(path.stat().st_mtime_ns for path in (self._settings.certificate, self._settings.key))
        except OSError:  # being replaced, or gone: `_load` says which
            return ()


def _bare() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _readable(setting: str, path: Path) -> Path:
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise UsageError(f"auth.tls.{setting}: {path} cannot be read: {error.strerror}") from error


def _fault(error: ssl.SSLError, certificate: Path, key: Path, password: Secret | None) -> str:
    if error.reason == _MISMATCH:
        return f"the key in {key} is not that of the certificate in {certificate}"
    try:
        _bare().load_verify_locations(cafile=certificate)
    except ssl.SSLError:
        return f"{certificate} holds no certificate in PEM"
    wrong = ", or auth.tls.key_password is not its password" if password else ""
    return f"{key} holds no private key in PEM{wrong}"
