"""How long the fuzz tests search in every run; `make fuzz` is for the rest."""

from hypothesis import HealthCheck, settings


def quick(examples: int) -> settings:
    """So many inputs, however long each takes to make."""
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=examples, deadline=None, suppress_health_check=quiet)
