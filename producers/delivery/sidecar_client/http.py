"""One request over HTTP, bounded as a whole: name, connection, TLS, and every byte of the answer."""

import ssl
import threading
from collections.abc import Callable, Mapping
from email.message import Message
from http.client import HTTPException
from typing import Final, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import HTTPSHandler, OpenerDirector, Request, build_opener

from producers.delivery.publisher import FailureCause
from producers.delivery.sidecar_client.responses import SidecarResponse
from schemas.clients.redirects import NoRedirects

T = TypeVar("T")

MOST_READ: Final = 1 << 20
"""Bytes of an answer."""

_HANGS_UP: Final = "; if it asks for client certificates, set CANDORA_SIDECAR_CERTIFICATE_FILE"
"""With TLS 1.3 a server looks at our certificate after the handshake, and asyncio's then says nothing."""


class NoResponse(Exception):
    """There was no answer; the message says why. With CREDENTIALS trying again is useless."""

    def __init__(self, problem: str, cause: FailureCause = FailureCause.UNREACHABLE) -> None:
        super().__init__(problem)
        self.cause: Final = cause


class HttpClient:
    """A client that follows no redirects, and takes proxies from the environment as urllib does."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        handlers = [] if tls is None else [HTTPSHandler(context=tls)]
        self._opener: Final[OpenerDirector] = build_opener(NoRedirects, *handlers)

    def ask(
        self, method: str, url: str, headers: Mapping[str, str], seconds: float, body: bytes | None = None
    ) -> SidecarResponse:
        """Return the answer, whatever its status.

        Raises:
            NoResponse: there is none within `seconds`.
        """
        request = Request(url, data=body, headers=dict(headers), method=method)  # noqa: S310 - scheme checked
        return _within(seconds, lambda: self._ask(request, seconds))

    def _ask(self, request: Request, seconds: float) -> SidecarResponse:
        try:
            with self._opener.open(request, timeout=seconds) as response:
                return SidecarResponse(response.status, _lower(response.headers), response.read(MOST_READ))
        except HTTPError as error:
            with error:
                return SidecarResponse(error.code, _lower(error.headers), error.read(MOST_READ))
        except (OSError, HTTPException) as error:
            raise _no_response(error, request.type) from error


def _lower(headers: "Message[str, str]") -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _no_response(error: Exception, scheme: str) -> NoResponse:
    cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return NoResponse(
            f"its certificate is not trusted: {cause.verify_message}; set CANDORA_SIDECAR_CA_FILE to the authority "
            "that signed it, or use the name that it is made out to",
            FailureCause.CREDENTIALS,
        )
    if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError) or (
        scheme == "https" and isinstance(cause, ConnectionError) and not isinstance(cause, ConnectionRefusedError)
    ):
        return NoResponse(f"no answer: the connection was closed{_HANGS_UP}")
    if isinstance(cause, ssl.SSLError):
        reason = cause.reason or "TLS failed"
        if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
            return NoResponse(
                f"it does not take our certificate, or misses one ({reason}); set CANDORA_SIDECAR_CERTIFICATE_FILE and "
                "CANDORA_SIDECAR_KEY_FILE",
                FailureCause.CREDENTIALS,
            )
        return NoResponse(f"TLS failed: {reason}")
    if isinstance(cause, TimeoutError):
        return NoResponse("no answer in time")
    return NoResponse(f"no answer: {getattr(cause, 'strerror', None) or str(cause) or type(cause).__name__}")


def _within(seconds: float, work: Callable[[], T]) -> T:
    """Return the result of `work`, or raise NoResponse after `seconds`.

    In a daemon thread: names are resolved by the C library, which cannot be interrupted, and an answer
    that comes byte by byte outlasts every limit of a socket.
    """
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        raise NoResponse("no answer in time")
    return done[0]
