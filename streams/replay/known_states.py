"""The states of services when everything was known for ever: no number waits for when something was learned."""

from collections.abc import Mapping
from typing import Final

from schemas.values import EventValue, Micros
from streams.core.facts import FOR_EVER
from streams.core.service_state import ServiceState
from streams.core.settings import MetricSettings

ServiceStates = Mapping[str, ServiceState]
"""By service."""


class KnownStates:
    """Replays into service states that live on from moment to moment."""

    def __init__(self, settings: MetricSettings) -> None:
        self._settings = settings
        self._services: dict[str, ServiceState] = {}
        self.services: Final[ServiceStates] = self._services

    def read(self, event: EventValue) -> None:
        """Read one event."""
        service = event["service"]
        state = self._services.get(service)
        if state is None:
            state = self._services[service] = ServiceState(service, self._settings)
        state.apply(event, FOR_EVER)

    def move_to(self, at: Micros) -> ServiceStates:
        """Read the links that the events gave rise to, move every service's clock, and return the states."""
        for link in [link for state in self._services.values() for link in state.take_links()]:
            self.read(link)
        for state in self._services.values():
            state.advance(at)
        return self.services
