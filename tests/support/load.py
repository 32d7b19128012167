"""Many events of many services, for benchmarks. Deterministic, and as bytes before the clock starts."""

from collections.abc import Iterator
from random import Random
from typing import Final, NamedTuple

from schemas.ids import pinned_encoder
from schemas.values import SECOND, EventTypeName, EventValue, Micros
from streams.demo import facts
from streams.demo.facts import PROD, fact

_PIPELINE: Final[tuple[EventTypeName, ...]] = (
    "commit_created",
    "commit_created",
    "commit_created",
    "artifact_built",
    "tests_passed",
    "security_scanned",
    "policy_passed",
    "canary_started",
)
_FAILS: Final = 1 / 12
_BREAKS: Final = 1 / 20


class EncodedEvent(NamedTuple):
    """One message, ready for any producer."""

    key: bytes
    value: bytes


def load(n: int, services: int, end: Micros, *, seed: int = 0, step: Micros = 10 * SECOND) -> Iterator[EventValue]:
    """`n` events in event-time order, `step` apart, the last one at `end`: the pipelines of many services, interleaved.

    A pipeline is nine events (commits, four gates, a canary and its end), and now and then an incident's two.
    """
    rng = Random(f"{seed}/load")
    lines = [_Line(f"service-{i:04d}", Random(f"{seed}/load/{i}")) for i in range(services)]
    for i in range(n):
        yield lines[rng.randrange(services)].next_event(end - (n - 1 - i) * step)


def encoded_load(
    n: int, services: int, end: Micros, *, seed: int = 0, step: Micros = 10 * SECOND
) -> Iterator[EncodedEvent]:
    """The same as `load`, as keys and framed Avro."""
    encode = pinned_encoder("deploy_event").encode
    for event in load(n, services, end, seed=seed, step=step):
        yield EncodedEvent(event["service"].encode(), encode(event))


class _Line:
    """The assembly line of one service: pipeline after pipeline, one event at a time."""

    def __init__(self, service: str, rng: Random) -> None:
        self.service = service
        self.rng = rng
        self.run = 0
        self.shas: list[str] = []
        self.steps: list[EventTypeName] = []

    def next_event(self, at: Micros) -> EventValue:
        """What happens next on this line, at that time."""
        if not self.steps:
            self._begin()
        event_type = self.steps.pop()
        return fact(event_type, at, self.service, self._about(event_type))

    def _begin(self) -> None:
        self.run += 1
        self.shas = []
        end: EventTypeName = "rollback_triggered" if self.rng.random() < _FAILS else "canary_promoted"
        self.steps = [*_PIPELINE, end]
        if end == "canary_promoted" and self.rng.random() < _BREAKS:
            self.steps += ["incident_opened", "incident_resolved"]
        self.steps.reverse()

    def _about(self, event_type: EventTypeName) -> facts.EventFields:
        if event_type == "commit_created":
            self.shas.append(facts.new_sha(self.rng))
            return {"commit_sha": self.shas[-1], "change_id": f"{self.service}#{self.run}"}
        if event_type in {"incident_opened", "incident_resolved"}:
            said = facts.incident(severity="sev2")
            return {"env": PROD, "incident_id": f"inc-{self.service}-{self.run}", "incident": said}
        name = f"{self.service}-{self.run}"
        about: facts.EventFields = {"commit_sha": self.shas[-1], "source": facts.source("load", self.run, None)}
        if event_type in {"canary_started", "canary_promoted"}:
            return {**about, "env": PROD, "deployment_id": name, "canary": facts.canary(self.shas, 10)}
        if event_type == "rollback_triggered":
            undone = facts.rollback("auto", None, "load")
            return {**about, "env": PROD, "deployment_id": name, "rollback": undone}
        return about
