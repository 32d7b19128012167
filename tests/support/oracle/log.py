"""What a log says after each of its messages: which events count, since when each is known, what was ever named."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.fingerprint import fingerprint
from schemas.values import EventValue, Micros
from tests.support.oracle.deployments import DeploymentKey, key_of
from tests.support.oracle.incidents import IncidentKey, Link
from tests.support.oracle.known import conflicts, in_earnest, order

EventKey = tuple[str, str]
"""Service and event id: an id is known within a service."""

OF_CHANGES = {"commit_created", "artifact_built", "tests_passed", "security_scanned", "policy_passed"}
OF_INCIDENTS = {"incident_opened", "incident_resolved"}


class Message(NamedTuple):
    """A message that was read, and the clock after it: the largest append time so far."""

    event: EventValue | None
    clock: Micros


class Known(NamedTuple):
    """The content of an event that counts, and since when the event is known of the thing that it speaks of."""

    event: EventValue
    seen_at: Micros


def change_named(event: EventValue) -> str | None:
    """The name under which a commit or a stage was reported: its request, or else its SHA."""
    return event["change_id"] or event["commit_sha"] if event["event_type"] in OF_CHANGES else None


def speaks_of(event: EventValue) -> object:
    """The thing whose record keeps an event."""
    if event["event_type"] == "rollback_triggered":
        return "rollback", event["event_id"]
    return key_of(event) or (event["event_type"] in OF_INCIDENTS and event["incident_id"]) or change_named(event)


def rank(event: EventValue) -> tuple[Micros, bytes]:
    """Of two contents of one event the smaller counts."""
    return order((fingerprint(event), event))


def clocked(lines: Iterable[tuple[EventValue | None, Micros]]) -> list[Message]:
    """Messages with their clocks, from their append times."""
    found: list[Message] = []
    for event, append_time in lines:
        found.append(Message(event, max(append_time, found[-1].clock) if found else append_time))
    return found


def counting(messages: Iterable[Message]) -> list[Known]:
    """The content that counts of every event, in event order.

    Another content of the same thing does not make it wait again; one that speaks of another thing is new there.
    """
    found: dict[EventKey, Known] = {}
    for event, clock in messages:
        if event is None or event["event_type"] == "cause_linked":
            continue
        key = event["service"], event["event_id"]
        before = found.get(key)
        if before is None:
            found[key] = Known(event, clock)
        elif rank(event) < rank(before.event):
            same = speaks_of(event) == speaks_of(before.event)
            found[key] = Known(event, before.seen_at if same else clock)
    return sorted(found.values(), key=lambda one: rank(one.event))


def links_told(messages: Iterable[Message]) -> list[Link]:
    """The causes that other services were told of and that still hold: of each incident the last word to each."""
    found: dict[tuple[str, str, str], Link | None] = {}
    for event, _ in messages:
        if event is None or event["event_type"] != "cause_linked":
            continue
        origin, incident_id, env = event["attributes"]["origin"], event["incident_id"], event["env"]
        assert incident_id is not None
        assert env is not None
        severity = event["incident"]["severity"] if event["incident"] is not None else None
        names = event["deployment_id"], event["commit_sha"]
        link = Link(origin, incident_id, event["service"], env, event["occurred_at"], severity, *names)
        found[origin, incident_id, event["service"]] = link if event["attributes"]["holds"] == "true" else None
    return [link for link in found.values() if link is not None]


class Heard(NamedTuple):
    """Whatever the contents of a log ever named, whether they count or not."""

    events: list[EventValue]

    @classmethod
    def of(cls, messages: Iterable[Message]) -> "Heard":
        """All contents of a log but what services told each other."""
        return cls([event for event, _ in messages if event is not None and event["event_type"] != "cause_linked"])

    @property
    def deployments(self) -> set[DeploymentKey]:
        """Deployments that were said to start or to be promoted."""
        return {key for event in self.events if (key := key_of(event)) is not None}

    @property
    def incidents(self) -> set[IncidentKey]:
        """Incidents of which anything was said."""
        return {
            (event["service"], event["incident_id"])
            for event in self.events
            if event["event_type"] in OF_INCIDENTS and event["incident_id"] is not None
        }

    @property
    def changes(self) -> set[tuple[str, str]]:
        """Requests and commits of which anything was said."""
        return {(event["service"], name) for event in self.events if (name := change_named(event)) is not None}

    @property
    def places(self) -> set[tuple[str, str]]:
        """Services and envs; what has no env, and a conflict, belongs to the service alone."""
        services = {event["service"] for event in self.events}
        named = {place_of(event) for event in self.events}
        return named | {(service, "") for service in services if self.conflicts(service)}

    def conflicts(self, service: str) -> int:
        """Contents of a service that lost against another one."""
        return conflicts(event for event in self.events if event["service"] == service)

    def last(self, place: tuple[str, str]) -> Micros | None:
        """The latest time of an event in earnest, there."""
        ours = in_earnest(event for event in self.events if place_of(event) == place)
        return max((event["occurred_at"] for event in ours), default=None)


def place_of(event: EventValue) -> tuple[str, str]:
    """The service and env that an event is for."""
    return event["service"], "" if change_named(event) is not None else event["env"] or ""


def rehearsed(events: Sequence[EventValue], place: tuple[str, str]) -> Micros | None:
    """When a rollback was last rehearsed there and did not report that it failed."""
    return max(
        (
            event["occurred_at"]
            for event in events
            if event["event_type"] == "rollback_triggered"
            and event["lane"] == "rehearsal"
            and place_of(event) == place
            and (event["rollback"] is None or event["rollback"]["succeeded"] is not False)
        ),
        default=None,
    )
