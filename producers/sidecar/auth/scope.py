"""What a caller may report: services by glob, types of events, environments by glob."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from producers.sidecar.auth import settings
from producers.sidecar.auth.access import AccessRefused, RefusalReason


def text_at(event: Mapping[str, Any], name: str) -> str | None:
    """A field that is text or not there; anything else there is nothing that anybody may report."""
    value = event.get(name)
    if value is None or isinstance(value, str):
        return value
    raise AccessRefused(RefusalReason.WRONG_SCOPE, f"{name} is not a text, so that nobody may report it")


@dataclass(frozen=True, slots=True)
class Scope:
    """The events that somebody may report."""

    services: tuple[str, ...]
    events: frozenset[str]
    environments: tuple[str, ...]

    @classmethod
    def of(cls, given: settings.ScopeSettings) -> "Scope":
        """As the settings have it."""
        return cls(given.services, frozenset(given.events), given.environments)

    def check(self, event: Mapping[str, Any]) -> None:
        """Let an event within it pass.

        Raises:
            Refused: it is not within it; the message says which part.
        """
        kind, service, env = (text_at(event, name) for name in ("event_type", "service", "env"))
        if kind not in self.events:
            raise AccessRefused(RefusalReason.WRONG_SCOPE, f"event_type: these credentials do not report {kind}")
        if service is None or not _in(service, self.services):
            raise AccessRefused(RefusalReason.WRONG_SCOPE, f"service: these credentials do not report for {service}")
        if env is not None and not _in(env, self.environments):
            raise AccessRefused(RefusalReason.WRONG_SCOPE, f"env: these credentials do not report for {env}")


def _in(name: str, globs: Iterable[str]) -> bool:
    """Whether one of the globs takes the name. `[` is no more than itself, as in the rules for names."""
    return any(fnmatchcase(name, glob.replace("[", "[[]")) for glob in globs)


@dataclass(frozen=True, slots=True)
class KnownCaller:
    """A caller who may report what a scope says, and of whom nothing more is known."""

    name: str
    scope: Scope

    def bind(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """See `Caller`."""
        self.scope.check(event)
        return dict(event)


@dataclass(frozen=True, slots=True)
class AnonymousCaller:
    """Whoever reaches an address where nobody has to prove anything."""

    name: str = "anyone"

    def bind(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """See `Caller`."""
        return dict(event)
