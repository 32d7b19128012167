"""`candora-ci emit` to `candora-ci serve` over TLS, as processes: who is who by certificates alone. Kafka is away."""

import json
from pathlib import Path
from typing import Final

import pytest

from tests.support.certificates import Authority
from tests.support.servers.processes import Process, Processes, free_port

PATIENCE: Final = 60.0
"""Seconds for a process on a machine that has other work."""
EMIT: Final = "emit", "canary_started", "--env", "prod", "--deployment", "run-1", "--strict", "--service"


def serve(processes: Processes, folder: Path, authority: Authority, client_certificate: str) -> tuple[Process, str]:
    certificate, key = authority.issue("127.0.0.1", "127.0.0.1").write(folder, "server")
    ports = free_port(), free_port()
    settings = {
        "listen": {"port": ports[0]},
        "metrics": {"port": ports[1]},
        "kafka": {"bootstrap_servers": f"127.0.0.1:{free_port()}"},
        "spool": {"folder": str(folder / "spool")},
        "grace": "1s",
        "auth": {
            "tls": {
                "certificate": str(certificate),
                "key": str(key),
                "client_ca": str(authority.write(folder / "ca.pem")),
                "client_certificate": client_certificate,
            },
            "certificates": [{"name": "jenkins", "names": ["spiffe://acme/jenkins"], "services": ["shop"]}],
        },
    }
    (folder / "sidecar.yaml").write_text(json.dumps(settings))
    process = processes.candora_ci("serve", "--config", str(folder / "sidecar.yaml"))
    process.wait_for_url(f"http://127.0.0.1:{ports[1]}/readyz", PATIENCE)
    return process, f"https://127.0.0.1:{ports[0]}"


@pytest.mark.parametrize(
    ("wanted", "without", "code"),
    [
        ("required", "if it asks for client certificates, set CANDORA_SIDECAR_CERTIFICATE_FILE", 5),
        ("optional", "401", 4),
    ],
)
def test_a_certificate_says_who_may_report_what(
    processes: Processes, tmp_path: Path, wanted: str, without: str, code: int
) -> None:
    authority = Authority()
    process, url = serve(processes, tmp_path, authority, wanted)
    certificate, key = authority.issue("jenkins", "spiffe://acme/jenkins").write(tmp_path, "jenkins")
    other, other_key = authority.issue("other", "spiffe://acme/other").write(tmp_path, "other")
    trusting = {
        "CANDORA_SIDECAR_URL": url,
        "CANDORA_SIDECAR_CA_FILE": str(tmp_path / "ca.pem"),
        "CANDORA_TIMEOUT": "2s",
        "no_proxy": "127.0.0.1",
    }
    jenkins = {"CANDORA_SIDECAR_CERTIFICATE_FILE": str(certificate), "CANDORA_SIDECAR_KEY_FILE": str(key)}
    another = {"CANDORA_SIDECAR_CERTIFICATE_FILE": str(other), "CANDORA_SIDECAR_KEY_FILE": str(other_key)}
    for environ, service, exit_code, said in [
        ({**trusting, **jenkins}, "shop", 0, "on its disk"),
        ({**trusting, **jenkins}, "cart", 4, "(wrong_scope)"),
        ({**trusting, **another}, "shop", 4, "(unknown_certificate)"),
        ({**trusting, **jenkins, "CANDORA_SIDECAR_CA_FILE": ""}, "shop", 4, "its certificate is not trusted"),
        (trusting, "shop", code, without),
    ]:
        emit = processes.candora_ci(*EMIT, service, env=environ)
        assert emit.wait(PATIENCE) == exit_code, emit.tail()
        assert said in emit.tail()
    assert process.terminate(PATIENCE) == 0
