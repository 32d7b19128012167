import pytest

from tests.support.servers.in_thread import PROXIES

VARIABLES = (
    "CANDORA_KAFKA_BOOTSTRAP_SERVERS",
    "CANDORA_SIDECAR_URL",
    "CANDORA_SIDECAR_TOKEN",
    "CANDORA_ID_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "GITHUB_ACTIONS",
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy between a test and its server, and nothing of the job that runs the tests."""
    for name in (*PROXIES, *VARIABLES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CANDORA_CI", "none")
    monkeypatch.setenv("GIT_DIR", "nowhere")
