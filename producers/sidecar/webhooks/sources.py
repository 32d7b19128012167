"""The sources whose webhooks are understood, by the names that people give them. One is imported when asked for."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Final, NamedTuple

from producers.sidecar.webhooks.reading import Webhook

SOURCES: Final = (
    "pagerduty",
    "alertmanager",
    "grafana",
    "opsgenie",
    "incident_io",
    "argo_rollouts",
    "flagger",
    "github",
    "gitlab",
    "cdevents",
)
"""The canonical names: `source.system` of the events, and the modules of this package."""

ALIASES: Final[Mapping[str, str]] = {
    "pager_duty": "pagerduty",
    "prometheus": "alertmanager",
    "prometheus_alertmanager": "alertmanager",
    "grafana_alerting": "grafana",
    "jsm": "opsgenie",
    "jsm_operations": "opsgenie",
    "incidentio": "incident_io",
    "argo": "argo_rollouts",
    "argorollouts": "argo_rollouts",
    "cdevent": "cdevents",
    "cd_events": "cdevents",
    "git_hub": "github",
    "git_lab": "gitlab",
}


class UnknownSource(LookupError):
    """No source has this name; the message says which there are."""


class WebhookSource(NamedTuple):
    """A source under its canonical name, and what its webhooks mean."""

    name: str
    read: Webhook


def canonical_name(name: str) -> str:
    """Return the canonical name for "Incident.io", "argo-rollouts", "JSM"; UnknownSource if there is none."""
    plain = name.strip().casefold().replace("-", "_").replace(".", "_").replace(" ", "_")
    found = ALIASES.get(plain, plain)
    if found in SOURCES:
        return found
    close = get_close_matches(plain, (*SOURCES, *ALIASES), n=1)
    meant = f"did you mean {ALIASES.get(close[0], close[0])}?" if close else f"known are {', '.join(SOURCES)}"
    raise UnknownSource(f'no source is called "{name[:40]}"; {meant}')


def find_source(name: str) -> WebhookSource:
    """Return the source of a name or an alias; UnknownSource if there is none."""
    found = canonical_name(name)
    return WebhookSource(found, import_module(f"producers.sidecar.webhooks.{found}").read)
