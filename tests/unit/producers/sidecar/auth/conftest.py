import pytest

from producers.sidecar.auth.gate import AuthGate, open_gate
from tests.support.forges import Forge
from tests.unit.producers.sidecar.auth.asking import settings


@pytest.fixture(scope="module")
def key_owner() -> Forge:
    return Forge()


@pytest.fixture
def forge(key_owner: Forge) -> Forge:
    """Keys cost time: one pair serves all tests, each with an issuer of its own."""
    return Forge(key=key_owner.key)


@pytest.fixture
def gate(forge: Forge) -> AuthGate:
    return open_gate(settings(), {}, fetch=forge.fetch)
