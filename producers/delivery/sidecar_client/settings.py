"""Read the sidecar's address and our credentials from the environment and the files it names."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from producers.errors import UsageError

TOKEN: Final = "CANDORA_SIDECAR_TOKEN"  # noqa: S105 - the name of a variable
TOKEN_FILE: Final = "CANDORA_SIDECAR_TOKEN_FILE"  # noqa: S105 - as above
AUDIENCE: Final = "CANDORA_SIDECAR_AUDIENCE"
CA_FILE: Final = "CANDORA_SIDECAR_CA_FILE"
CERTIFICATE: Final = "CANDORA_SIDECAR_CERTIFICATE_FILE"
KEY: Final = "CANDORA_SIDECAR_KEY_FILE"
KEY_PASSWORD: Final = "CANDORA_SIDECAR_KEY_PASSWORD"  # noqa: S105 - as above
ID_TOKEN: Final = "CANDORA_ID_TOKEN"  # noqa: S105 - as above
GITHUB_URL: Final = "ACTIONS_ID_TOKEN_REQUEST_URL"
GITHUB_TOKEN: Final = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"  # noqa: S105 - as above

_NAMED: Final = "--sidecar (CANDORA_SIDECAR_URL)"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One sidecar, and our credentials for it. "" means absent."""

    url: str
    """Without a slash at its end."""
    token: str = field(default="", repr=False)
    """A bearer token of the sidecar's own."""
    id_token: str = field(default="", repr=False)
    """A token of the CI system for this job, made out to the sidecar."""
    request_url: str = field(default="", repr=False)
    """Where GitHub gives such a token to this job, for `request_token`."""
    request_token: str = field(default="", repr=False)
    audience: str = ""
    tls: ssl.SSLContext | None = None
    """None: the address begins with http://."""
    certificate: bool = False
    """Whether we show one."""


def read_endpoint(url: str, environ: Mapping[str, str]) -> Endpoint:
    """Read the endpoint of a sidecar and the credentials in the environment.

    GitHub's token is requested for https only, or if the audience is set: a sidecar on this machine wants
    none. A client certificate is proof enough as well.

    Raises:
        UsageError: the address or a variable cannot be; the message has no value in it.
    """
    base = _address(url)

    def text(variable: str) -> str:
        return environ.get(variable, "").strip()

    secure = base.startswith("https://")
    token = _token(text(TOKEN), text(TOKEN_FILE))
    wanted = bool(text(AUDIENCE)) or (secure and not text(CERTIFICATE))
    github = not token and not text(ID_TOKEN) and wanted and bool(text(GITHUB_TOKEN))
    return Endpoint(
        url=base,
        token=token,
        id_token="" if token else _printable(text(ID_TOKEN), ID_TOKEN),
        request_url=_request_url(text(GITHUB_URL)) if github else "",
        request_token=_printable(text(GITHUB_TOKEN), GITHUB_TOKEN) if github else "",
        audience=text(AUDIENCE) or base,
        tls=_tls(text(CA_FILE), text(CERTIFICATE), text(KEY), environ.get(KEY_PASSWORD, "")) if secure else None,
        certificate=secure and bool(text(CERTIFICATE)),
    )


def _address(url: str) -> str:
    advice = "give it as https://candora.example or http://localhost:8480"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises if it is none
    except ValueError as error:
        raise UsageError(f"{_NAMED}: is no address; {advice}") from error
    if parts.username or parts.password:
        raise UsageError(f"{_NAMED}: has a user in it, which shows up in logs; give a token by {TOKEN}")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"{_NAMED}: is no address of a server; {advice}")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError(f"{_NAMED}: has characters that no address has; {advice}")
    return url.rstrip("/")


def _request_url(url: str) -> str:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise UsageError(f"{GITHUB_URL}: is no address; it is the runner that sets it")
    return url


def _token(text: str, file: str) -> str:
    if text and file:
        raise UsageError(f"{TOKEN} and {TOKEN_FILE} are both set: leave one out")
    if not file:
        return _printable(text, TOKEN)
    try:
        with open(file, encoding="utf-8") as opened:  # noqa: PTH123 - pathlib costs its import
            found = opened.read(65_536).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{TOKEN_FILE}: {getattr(error, 'strerror', None) or 'is not text'}") from error
    if not found:
        raise UsageError(f"{TOKEN_FILE}: the file is empty")
    return _printable(found, TOKEN_FILE)


def _printable(token: str, variable: str) -> str:
    """Check that a token fits into a header. The error about one with a line break would show it."""
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise UsageError(f"{variable}: has blanks, line breaks or other characters that no token has")
    return token


def _tls(ca_file: str, certificate: str, key: str, password: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ValueError) as error:
        raise UsageError(f"{CA_FILE}: cannot be read: {_said(error)}") from error
    if key and not certificate:
        raise UsageError(f"{KEY} needs {CERTIFICATE}")
    if certificate:
        try:
            # Without a password of its own OpenSSL would ask a terminal, which a job has not.
            context.load_cert_chain(certificate, key or None, lambda: password)
        except (OSError, ValueError) as error:
            raise UsageError(f"{CERTIFICATE} and {KEY}: cannot be read: {_said(error)}") from error
    return context


def _said(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"not PEM, not a pair, or another password ({error.reason})"
    return getattr(error, "strerror", None) or "not PEM"
