"""The doctor against sockets and servers of the test."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typing_extensions import override

from producers import cli
from producers.doctor.address import Address, check_address, check_addresses
from producers.doctor.finding import CheckStatus
from producers.doctor.registry import registry_ahead
from producers.errors import ExitCode
from tests.support.certificates import Authority
from tests.support.servers.processes import free_port

TLS = {"security.protocol": "SSL"}


@contextmanager
def _listening(serve: Callable[[socket.socket], None]) -> Iterator[Address]:
    """A server that deals with one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            connection, _ = listener.accept()
            with connection:
                serve(connection)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield Address("127.0.0.1", listener.getsockname()[1])
        thread.join(5)


def _hang_up(connection: socket.socket) -> None:
    connection.recv(1024)


def _speak_plainly(connection: socket.socket) -> None:
    connection.recv(1024)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_a_port_that_accepts_connections_is_well() -> None:
    with _listening(_hang_up) as address:
        finding = check_address(address, {}, 2.0)

    assert (finding.name, finding.status) == (str(address), CheckStatus.OK)


@pytest.mark.parametrize(
    ("serve", "text"), [(_hang_up, "hangs up, or falls silent"), (_speak_plainly, "does not speak TLS")]
)
def test_a_port_without_tls_is_told(serve: Callable[[socket.socket], None], text: str) -> None:
    with _listening(serve) as address:
        finding = check_address(address, TLS, 2.0)

    assert finding.code is ExitCode.NOT_DELIVERED
    assert text in finding.text


def test_nothing_at_a_port_and_no_such_name_are_two_things() -> None:
    refused = Address("127.0.0.1", free_port())
    unknown = Address("no-such-host.invalid", 9092)

    findings = check_addresses([refused, unknown], {}, 2.0)

    assert [finding.text for finding in findings] == [
        "cannot connect: Connection refused",
        "its name cannot be resolved",
    ]


def test_a_resolver_that_hangs_does_not_hold_up_the_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: released.wait(10) and [])
    began = time.monotonic()

    [finding] = check_addresses([Address("slow", 9092)], {}, 0.1)

    released.set()
    assert time.monotonic() - began < 2
    assert finding.text == "no answer within 0.1 s"


def test_a_certificate_that_is_not_trusted_is_a_matter_of_credentials(tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.issue("kafka", "127.0.0.1").write(tmp_path, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    trust = {**TLS, "ssl.ca.location": str(authority.write(tmp_path / "ca.pem"))}

    def serve(connection: socket.socket) -> None:
        try:
            with context.wrap_socket(connection, server_side=True) as secure:
                secure.recv(1)
        except OSError:  # the client hangs up on what it does not trust
            return

    with _listening(serve) as address:
        distrusted = check_address(address, TLS, 5.0)
    with _listening(serve) as address:
        trusted = check_address(address, trust, 5.0)
    missing = check_address(address, {**TLS, "ssl.ca.location": str(tmp_path / "gone")}, 5.0)

    assert distrusted.code is ExitCode.CREDENTIALS
    assert "is not trusted" in distrusted.text
    assert trusted.status is CheckStatus.OK
    assert trusted.text == "accepts connections over TLSv1.3"
    assert missing.status is CheckStatus.PROBLEM


class _Late(BaseHTTPRequestHandler):
    """A registry whose clock is an hour behind."""

    def do_HEAD(self) -> None:
        self.send_response_only(404)
        self.send_header("Date", self.date_time_string(int(time.time()) - 3600))
        self.end_headers()

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_a_registrys_clock_is_read_from_its_answer() -> None:
    with HTTPServer(("127.0.0.1", 0), _Late) as server:
        thread = threading.Thread(target=server.handle_request, daemon=True)
        thread.start()
        ahead = registry_ahead(f"http://127.0.0.1:{server.server_port}", 5.0)
        thread.join(5)

    assert ahead is not None
    assert -3602 < ahead < -3598


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense", "http://127.0.0.1:port"])
def test_a_registry_that_does_not_answer_has_no_clock(url: str) -> None:
    assert registry_ahead(url, 1.0) is None


def test_without_kafka_the_command_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CANDORA_KAFKA_BOOTSTRAP_SERVERS", raising=False)

    assert cli.main(["doctor"]) == 3
    assert cli.main(["doctor", "--allow-failure"]) == 0

    assert "set CANDORA_KAFKA_BOOTSTRAP_SERVERS" in capsys.readouterr().out


def test_what_the_client_does_not_take_is_told_without_its_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "hunter2")

    assert cli.main(["doctor", "--bootstrap-servers", "127.0.0.1:1", "--timeout", "2s"]) == 2

    shown = capsys.readouterr().out
    assert "the Kafka client does not take its settings" in shown


def test_a_registry_that_is_down_is_a_problem(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--bootstrap-servers", f"127.0.0.1:{free_port()}", "--schema-registry", f"http://127.0.0.1:{free_port()}"]

    assert cli.main(["doctor", "--timeout", "2s", *argv]) == 5

    assert "problem  registry: no schema id for deploy_events-value" in capsys.readouterr().out
