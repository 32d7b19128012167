from pathlib import Path
from typing import Any

import pytest

from producers import cli
from producers.delivery.sidecar_client.settings import read_endpoint
from producers.errors import UsageError
from tests.support.certificates import Authority

GITHUB = {
    "ACTIONS_ID_TOKEN_REQUEST_URL": "https://github.example/token?v=2",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "runner",
}
SAFE = "https://candora.example"


@pytest.mark.parametrize(
    ("url", "environ", "found"),
    [
        (f"{SAFE}/", {}, {"url": SAFE, "token": "", "request_token": "", "audience": SAFE}),
        (SAFE, {"CANDORA_SIDECAR_TOKEN": " abc\n"}, {"token": "abc"}),
        (SAFE, {"CANDORA_SIDECAR_TOKEN": "abc", "CANDORA_ID_TOKEN": "def", **GITHUB}, {"token": "abc", "id_token": ""}),
        (SAFE, {"CANDORA_ID_TOKEN": "def", **GITHUB}, {"id_token": "def", "request_token": ""}),
        (SAFE, GITHUB, {"request_token": "runner", "request_url": "https://github.example/token?v=2"}),
        (SAFE, {**GITHUB, "CANDORA_SIDECAR_AUDIENCE": "us"}, {"request_token": "runner", "audience": "us"}),
        ("http://localhost:8480", GITHUB, {"request_token": "", "tls": None}),
        ("http://sidecar:8480", {**GITHUB, "CANDORA_SIDECAR_AUDIENCE": "us"}, {"request_token": "runner"}),
        (SAFE, {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://github.example/"}, {"request_token": "", "request_url": ""}),
    ],
)
def test_what_the_environment_has_to_prove_ourselves_by(
    url: str, environ: dict[str, str], found: dict[str, Any]
) -> None:
    endpoint = read_endpoint(url, environ)
    assert {name: getattr(endpoint, name) for name in found} == found


def test_a_certificate_is_proof_enough(tmp_path: Path) -> None:
    certificate, key = Authority().issue("ci").write(tmp_path, "ci", b"of-the-key")
    environ = {
        "CANDORA_SIDECAR_CERTIFICATE_FILE": str(certificate),
        "CANDORA_SIDECAR_KEY_FILE": str(key),
        "CANDORA_SIDECAR_KEY_PASSWORD": "of-the-key",
    }
    endpoint = read_endpoint(SAFE, {**environ, **GITHUB})
    assert (endpoint.certificate, endpoint.request_token) == (True, "")
    with pytest.raises(UsageError, match="CANDORA_SIDECAR_CERTIFICATE_FILE and CANDORA_SIDECAR_KEY_FILE") as refused:
        read_endpoint(SAFE, {**environ, "CANDORA_SIDECAR_KEY_PASSWORD": "geheim"})
    assert "geheim" not in str(refused.value)


def test_a_token_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    assert read_endpoint(SAFE, {"CANDORA_SIDECAR_TOKEN_FILE": str(tmp_path / "token")}).token == "abc"


@pytest.mark.parametrize(
    ("url", "environ", "problem"),
    [
        ("candora.example", {}, "no address of a server"),
        ("ftp://candora.example", {}, "no address of a server"),
        ("https://candora.example:port", {}, "is no address"),
        ("https://candora.example?token=geheim", {}, "no address of a server"),
        ("https://ci:geheim@candora.example", {}, "has a user in it"),
        ("https://candora.example/a\nb", {}, "is no address|characters that no address has"),
        (SAFE, {"CANDORA_SIDECAR_TOKEN": "geheim\nX-Evil: 1"}, "CANDORA_SIDECAR_TOKEN: has blanks"),
        (SAFE, {"CANDORA_ID_TOKEN": "ge heim"}, "CANDORA_ID_TOKEN: has blanks"),
        (SAFE, {"CANDORA_SIDECAR_TOKEN": "geheim", "CANDORA_SIDECAR_TOKEN_FILE": "x"}, "are both set"),
        (SAFE, {"CANDORA_SIDECAR_TOKEN_FILE": "/nowhere/token"}, "CANDORA_SIDECAR_TOKEN_FILE: No such file"),
        (SAFE, {"CANDORA_SIDECAR_TOKEN_FILE": "/dev/null"}, "the file is empty"),
        (SAFE, {"CANDORA_SIDECAR_CA_FILE": "/nowhere/ca.pem"}, "CANDORA_SIDECAR_CA_FILE: cannot be read"),
        (SAFE, {"CANDORA_SIDECAR_CA_FILE": "/dev/null"}, "CANDORA_SIDECAR_CA_FILE: cannot be read"),
        (SAFE, {"CANDORA_SIDECAR_KEY_FILE": "/nowhere/key"}, "needs CANDORA_SIDECAR_CERTIFICATE_FILE"),
        (SAFE, {**GITHUB, "ACTIONS_ID_TOKEN_REQUEST_URL": "file:///etc/passwd"}, "ACTIONS_ID_TOKEN_REQUEST_URL"),
    ],
)
def test_what_cannot_be_is_named_without_its_value(url: str, environ: dict[str, str], problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as refused:
        read_endpoint(url, environ)
    assert "geheim" not in str(refused.value)
    assert "geheim" not in repr(read_endpoint(SAFE, {"CANDORA_SIDECAR_TOKEN": "geheim"}))


COMMIT = ["emit", "canary_started", "--service", "shop", "--env", "prod", "--deployment", "run-1"]


@pytest.mark.parametrize(
    ("flags", "environ", "said"),
    [
        (
            ["--sidecar", "http://x", "--bootstrap-servers", "y:1"],
            {},
            "--bootstrap-servers and --sidecar are both given",
        ),
        (
            [],
            {"CANDORA_SIDECAR_URL": "http://x", "CANDORA_KAFKA_BOOTSTRAP_SERVERS": "y:1"},
            "CANDORA_KAFKA_BOOTSTRAP_SERVERS and CANDORA_SIDECAR_URL are both given",
        ),
        (["--sidecar", "x"], {"CANDORA_KAFKA_BOOTSTRAP_SERVERS": "y:1"}, "--sidecar (CANDORA_SIDECAR_URL): is no"),
    ],
)
def test_events_go_to_one_place(
    flags: list[str],
    environ: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert cli.main([*COMMIT, *flags]) == 2
    assert said in capsys.readouterr().err
