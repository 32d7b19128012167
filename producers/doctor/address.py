"""Check that a broker's address can be reached: its name, its port, its TLS."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from typing_extensions import override

from producers.doctor.finding import CheckResult, ok, problem, unknown
from producers.errors import ExitCode

MOST: Final = 12
"""Addresses that are tried; a larger cluster is judged by some of its brokers."""

_SECOND_THOUGHT: Final = 0.3
"""Seconds to wait for an objection after a handshake; a broker says nothing of its own accord."""
_NO_PORT: Final = "write it as host:port, such as kafka.example.org:9092"


class Address(NamedTuple):
    """A host and its port."""

    host: str
    port: int

    @override
    def __str__(self) -> str:
        """Format the address as it is configured."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_servers(text: str) -> tuple[list[Address], list[CheckResult]]:
    """Parse a list of bootstrap servers; return its addresses, and a problem for each invalid entry."""
    found, faults = [], []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        host, colon, port = entry.rpartition("://")[2].rpartition(":")
        if not colon or not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
            faults.append(problem(entry, "is no address", _NO_PORT, ExitCode.USAGE))
        else:
            found.append(Address(host.strip("[]"), int(port)))
    return found, faults


def check_addresses(addresses: Iterable[Address], security: Mapping[str, str], limit: float) -> list[CheckResult]:
    """Check all addresses concurrently, for `limit` seconds at most.

    In daemon threads: the resolver of the C library cannot be interrupted.
    """
    every = list(addresses)[:MOST]
    found: list[CheckResult | None] = [None] * len(every)

    def check(position: int, address: Address) -> None:
        found[position] = check_address(address, security, limit)

    threads = [threading.Thread(target=check, args=each, daemon=True) for each in enumerate(every)]
    for thread in threads:
        thread.start()
    until = _deadline(limit)
    for thread in threads:
        thread.join(until())
    return [finding or _silent(address, limit) for finding, address in zip(found, every, strict=True)]


def check_address(address: Address, security: Mapping[str, str], limit: float) -> CheckResult:
    """Resolve the name, connect and, where the settings ask for TLS, shake hands."""
    name, unreachable = str(address), ExitCode.NOT_DELIVERED
    until = _deadline(limit)
    try:
        candidates = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        advice = "check its spelling, and whether this job runs where that name is known"
        return problem(name, "its name cannot be resolved", advice, unreachable)
    last = "timed out"
    for family, kind, protocol, _, where in candidates:
        with socket.socket(family, kind, protocol) as connection:
            connection.settimeout(max(0.1, until() / 2))
            try:
                connection.connect(where)
            except TimeoutError:
                continue
            except OSError as error:
                last = error.strerror or str(error)
                continue
            if "SSL" not in security.get("security.protocol", "").upper():
                return ok(name, f"{where[0]} accepts connections")
            return _check_tls(address, connection, security)
    advice = "check the port, the firewall between here and there, and that the broker runs"
    return problem(name, f"cannot connect: {last}", advice, unreachable)


def _check_tls(address: Address, connection: socket.socket, security: Mapping[str, str]) -> CheckResult:
    name = str(address)
    try:
        context = _context(security)
    except (OSError, ValueError) as error:
        text = f"the files of the TLS settings cannot be read: {getattr(error, 'strerror', None) or 'not PEM'}"
        return problem(name, text, "check KAFKA_SSL_CA_LOCATION and its like", ExitCode.CREDENTIALS)
    if context is None:
        return unknown(
            name, "accepts connections; TLS is left to the Kafka client, for its settings say more than this"
        )
    return _shake_hands(address, connection, context)


def _shake_hands(address: Address, connection: socket.socket, context: ssl.SSLContext) -> CheckResult:
    name = str(address)
    try:
        with context.wrap_socket(connection, server_hostname=address.host) as secure:
            _await_objection(secure)
            return ok(name, f"accepts connections over {secure.version()}")
    except ssl.SSLCertVerificationError as error:
        advice = "set KAFKA_SSL_CA_LOCATION to the authority that signed it, or use the name that it is made out to"
        return problem(name, f"its certificate is not trusted: {error.verify_message}", advice, ExitCode.CREDENTIALS)
    except (ConnectionError, TimeoutError):
        return _hung_up(name)
    except ssl.SSLError as error:
        # OpenSSL 3.0.20 with Python 3.11.2 gives an end without a word neither the class nor a reason.
        if isinstance(error, ssl.SSLEOFError) or error.reason is None:
            return _hung_up(name)
        if error.reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"}:
            advice = "take the port of its TLS listener, or another KAFKA_SECURITY_PROTOCOL"
            return problem(name, "does not speak TLS", advice, ExitCode.NOT_DELIVERED)
        advice = "if it asks for a client's certificate, set KAFKA_SSL_CERTIFICATE_LOCATION and KAFKA_SSL_KEY_LOCATION"
        return problem(name, f"refuses TLS: {error.reason}", advice, ExitCode.CREDENTIALS)


def _hung_up(name: str) -> CheckResult:
    advice = "check that this port is its TLS listener"
    return problem(name, "hangs up, or falls silent, when TLS begins", advice, ExitCode.NOT_DELIVERED)


def _await_objection(secure: ssl.SSLSocket) -> None:
    """Wait for the peer to reject our certificate: with TLS 1.3 it does so after the handshake.

    Raises:
        SSLError: it says why it does, or says nothing.
    """
    secure.settimeout(_SECOND_THOUGHT)
    try:
        if not secure.recv(1):
            raise ssl.SSLEOFError
    except TimeoutError:
        return


def _context(security: Mapping[str, str]) -> ssl.SSLContext | None:
    """Build a TLS context; None if the settings need more than Python supports. Raises OSError, ValueError."""
    if security.keys() & {"ssl.keystore.location", "ssl.certificate.pem", "ssl.key.pem", "ssl.crl.location"}:
        return None
    context = ssl.create_default_context(cafile=security.get("ssl.ca.location"), cadata=security.get("ssl.ca.pem"))
    if security.get("ssl.endpoint.identification.algorithm", "https").lower() == "none":
        context.check_hostname = False
    if security.get("enable.ssl.certificate.verification", "true").lower() == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate = security.get("ssl.certificate.location")
    if certificate:
        password = security.get("ssl.key.password", "")
        context.load_cert_chain(certificate, security.get("ssl.key.location"), lambda: password)
    return context


def _silent(address: Address, limit: float) -> CheckResult:
    advice = "check the name servers and the firewall: something drops packets instead of refusing them"
    return problem(str(address), f"no answer within {limit:g} s", advice, ExitCode.NOT_DELIVERED)


def _deadline(limit: float) -> Callable[[], float]:
    """Return a function that gives the seconds left."""
    end = time.monotonic() + limit
    return lambda: max(0.0, end - time.monotonic())
