"""How long the properties search: quick in every run, `--hypothesis-profile=deep` for a night."""

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.support.log_replay import READINGS, Reading


def pytest_configure(config: pytest.Config) -> None:
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
    settings.register_profile("quick", max_examples=100, deadline=None, suppress_health_check=quiet)
    settings.register_profile("deep", max_examples=5_000, deadline=None, suppress_health_check=quiet)
    found = (Phase.explicit, Phase.generate)  # what was noticed need not be told in its shortest form
    settings.register_profile("mutation", settings.get_profile("quick"), derandomize=True, database=None, phases=found)
    if config.getoption("--hypothesis-profile") is None:
        settings.load_profile("quick")


@pytest.fixture(params=READINGS, scope="session")
def reading(request: pytest.FixtureRequest) -> Reading:
    """The core, and the second reading that was written apart from it: both owe every sentence."""
    return READINGS[request.param]
