"""What points at a deployment: a rollback, an incident, an incident of another service (semantics.md, 5).

A claim names its deployment by id, else by SHA, else it means the one in force. A name that is unknown waits for its
deployment and hits no other.
"""

from typing import TYPE_CHECKING, NamedTuple

from schemas.values import Micros
from streams.core.facts import AnyFact, CauseLinkFact, Fact, RollbackFact
from streams.core.record_key import RecordKey

if TYPE_CHECKING:
    from streams.core.deployment import DeploymentState


class Claim(NamedTuple):
    """Which deployment is meant. `bounded`: the one in force counts only until X after it finished."""

    env: str
    at: Micros
    deployment_id: str | None
    sha: str | None
    bounded: bool

    @property
    def in_force(self) -> bool:
        """Whether it names nothing."""
        return self.deployment_id is None and self.sha is None


class Claimant:
    """Whatever makes a claim, and the deployment that the claim is put on now."""

    __slots__ = ("at", "claim", "key", "placed", "seen_at", "severity", "target", "unsaved")

    def __init__(self, key: RecordKey) -> None:
        self.key = key
        self.at: Micros = 0
        """When it happened: the rollback was triggered, the incident opened."""
        self.seen_at: Micros = 0
        """The partition's clock when that was read."""
        self.severity: str | None = None
        self.claim: Claim | None = None
        self.placed: Claim | None = None
        """The claim under which the index holds it."""
        self.target: DeploymentState | None = None
        self.unsaved = False
        """It is to be stored again."""


class RollbackClaim(Claimant):
    """One rollback_triggered."""

    __slots__ = ("facts", "overruled")

    def __init__(self, key: RecordKey) -> None:
        super().__init__(key)
        self.facts: list[Fact[RollbackFact]] = []
        self.overruled: list[AnyFact] = []

    def read_facts(self) -> None:
        """A rehearsal makes no claim."""
        self.claim = None
        if self.facts and self.facts[0].counts:
            fact = self.facts[0]
            self.at, self.seen_at = fact.at, fact.seen_at
            self.claim = Claim(fact.body.env, fact.at, fact.body.deployment_id, fact.body.sha, bounded=False)


class LinkedIncidentClaim(Claimant):
    """An incident of another service whose cause is looked for here. The newest version of the link holds."""

    __slots__ = ("facts", "overruled")

    def __init__(self, key: RecordKey) -> None:
        super().__init__(key)
        self.facts: list[Fact[CauseLinkFact]] = []
        self.overruled: list[AnyFact] = []

    def read_facts(self) -> None:
        """What its newest version says; one that no longer holds makes no claim."""
        self.claim = None
        if not self.facts:
            return
        newest = max(self.facts, key=lambda fact: (fact.body.version, fact.rank))
        link = newest.body
        self.at, self.severity = newest.at, link.severity
        if link.holds:
            self.claim = Claim(link.env, newest.at, link.deployment_id, link.sha, bounded=True)
