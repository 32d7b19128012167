import os
import ssl
from pathlib import Path
from typing import Any

import pytest

from producers.errors import UsageError
from producers.sidecar.auth.certificates import certificate_names
from producers.sidecar.auth.settings import TlsSettings
from producers.sidecar.auth.tls import ServerTls
from tests.support.certificates import Authority

HOST = "candora.acme.example"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def server(folder: Path, authority: Authority, **more: Any) -> ServerTls:
    certificate, key = authority.issue(HOST, HOST).write(folder, "server")
    return ServerTls(
        TlsSettings.model_validate({"certificate": certificate, "key": key, **more}), {"PASSWORD": "key-password"}
    )


def handshake(context: ssl.SSLContext, client: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """The server's and the client's side of a connection in memory. Raises ssl.SSLError as a connection would."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = context.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname=HOST)
    for _ in range(4):
        for side in (theirs, ours):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ours, theirs


def client(authority: Authority, folder: Path, *names: str, signed_by: Authority | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.write(folder / "ca.pem"))
    if names:
        context.load_cert_chain(*(signed_by or authority).issue("client", *names).write(folder, "client"))
    return context


def test_a_server_speaks_tls_1_2_and_later(authority: Authority, tmp_path: Path) -> None:
    tls = server(tmp_path, authority)
    _, theirs = handshake(tls.context, client(authority, tmp_path))
    assert theirs.version() == "TLSv1.3"
    assert tls.context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert tls.context.verify_mode is ssl.CERT_NONE


def test_a_client_needs_a_certificate_of_our_authority(authority: Authority, tmp_path: Path) -> None:
    tls = server(tmp_path, authority, client_ca=authority.write(tmp_path / "clients.pem"))
    ours, _ = handshake(tls.context, client(authority, tmp_path, "ci.acme.example", "spiffe://acme/ci", "10.0.0.7"))
    found = ours.getpeercert()
    assert found is not None
    assert certificate_names(found) == {"ci.acme.example", "spiffe://acme/ci", "10.0.0.7"}
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        handshake(tls.context, client(authority, tmp_path))
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        handshake(tls.context, client(authority, tmp_path, "ci.acme.example", signed_by=Authority("mallory")))


def test_a_certificate_may_be_optional(authority: Authority, tmp_path: Path) -> None:
    ca = authority.write(tmp_path / "clients.pem")
    tls = server(tmp_path, authority, client_ca=ca, client_certificate="optional")
    ours, _ = handshake(tls.context, client(authority, tmp_path))
    assert ours.getpeercert() is None


def test_a_key_may_have_a_password(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue(HOST, HOST).write(tmp_path, "server", b"key-password")
    given = {"certificate": certificate, "key": key}
    environ = {"PASSWORD": "key-password", "WRONG": "wrong-password"}
    ServerTls(TlsSettings.model_validate({**given, "key_password": {"env": "PASSWORD"}}), environ)
    with pytest.raises(UsageError, match=r"server\.key is encrypted; give auth\.tls\.key_password"):
        ServerTls(TlsSettings.model_validate(given), environ)
    with pytest.raises(UsageError, match=r"server\.key holds no private key in PEM, or .* not its password") as caught:
        ServerTls(TlsSettings.model_validate({**given, "key_password": {"env": "WRONG"}}), environ)
    assert "wrong-password" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"certificate": "missing.crt"}, r"auth\.tls\.certificate: .*missing\.crt cannot be read: No such file"),
        ({"key": "missing.key"}, r"auth\.tls\.key: .*missing\.key cannot be read: No such file"),
        ({"client_ca": "missing.pem"}, r"auth\.tls\.client_ca: .*missing\.pem cannot be read: No such file"),
        ({"certificate": "rubbish"}, r"rubbish holds no certificate in PEM"),
        ({"key": "rubbish"}, r"rubbish holds no private key in PEM"),
        ({"client_ca": "rubbish"}, r"rubbish holds no certificate in PEM"),
        ({"key": "other.key"}, r"the key in .*other\.key is not that of the certificate in .*server\.crt"),
        ({"key_password": {"env": "UNSET"}}, r"the variable UNSET is not set"),
        ({"key_password": {"file": "missing"}}, r"the file missing cannot be read: No such file"),
    ],
)
def test_what_is_wrong_with_which_file_is_said(
    authority: Authority, tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    authority.issue("other").write(tmp_path, "other")
    (tmp_path / "rubbish").write_text("-----BEGIN NOTHING-----\n")
    paths = {name: tmp_path / value if isinstance(value, str) else value for name, value in changes.items()}
    with pytest.raises(UsageError, match=says):
        server(tmp_path, authority, **paths)


def test_a_renewed_certificate_is_taken_up_and_a_broken_one_is_not(authority: Authority, tmp_path: Path) -> None:
    tls = server(tmp_path, authority)
    browser = client(authority, tmp_path)

    def serial() -> str:
        found = handshake(tls.context, browser)[1].getpeercert()
        assert found is not None
        return str(found["serialNumber"])

    first = serial()
    assert not tls.refresh()
    certificate, key = authority.issue(HOST, HOST).write(tmp_path, "server")
    os.utime(certificate, (1, 1))
    assert tls.refresh()
    second = serial()
    assert second != first

    key.write_bytes(authority.issue("other").key_pem())
    os.utime(key, (2, 2))
    with pytest.raises(UsageError, match="is not that of the certificate"):
        tls.refresh()
    assert serial() == second
    key.unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        tls.refresh()
