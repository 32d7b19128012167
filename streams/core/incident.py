"""One incident: when it was open, how bad it was, and what it says of its cause (semantics.md, 5 and 8)."""

from typing import Final, NamedTuple

from schemas.values import LaneName, Micros, RuleName
from streams.core.claims import Claim, Claimant
from streams.core.cross_service import Link
from streams.core.facts import FOR_EVER, AnyFact, CauseFact, Fact, IncidentFact
from streams.core.record_key import RecordKey
from streams.core.settings import MetricSettings


class OpenPeriod(NamedTuple):
    """From opened to restored; `ended_at` is None while it is open."""

    opened_at: Micros
    ended_at: Micros | None


class LengthMark(NamedTuple):
    """A length that was observed (None: withdrawn), when by the clock, and after which message."""

    value: Micros | None
    at: Micros
    offset: int
    commit_sha: str | None = None
    """Of a lead time: the commit that began the change."""


NOBODYS: Final = frozenset(("infra", "external"))


class IncidentState(Claimant):
    """The facts of one incident, what they amount to, and what was already observed of it."""

    __slots__ = (
        "cause",
        "changed_at",
        "counted",
        "due",
        "env",
        "facts",
        "history",
        "known_at",
        "lane",
        "link",
        "name",
        "overruled",
        "periods",
        "rule",
        "title",
    )  # fmt: skip

    def __init__(self, key: RecordKey, name: str) -> None:
        super().__init__(key)
        self.name = name
        self.facts: list[Fact[IncidentFact]] = []
        self.overruled: list[AnyFact] = []
        self.env: str | None = None
        self.lane: LaneName = "normal"
        self.title: str | None = None
        self.periods: tuple[OpenPeriod, ...] = ()
        self.known_at: Micros = 0
        self.cause: CauseFact | None = None
        self.rule: RuleName = "none"
        self.link: Link | None = None
        self.history: dict[str, tuple[LengthMark, ...]] = {}
        """By environment (it has one, unless reports disagree), what was observed."""
        self.counted: tuple[str, tuple[str, ...]] | None = None
        """The environment and the states under which it is counted now."""
        self.due: Micros | None = None
        self.changed_at = -1
        """The offset of the message that last changed it, until that is published."""

    @property
    def opened(self) -> bool:
        """Whether an opening is known: without one there is nothing to count."""
        return bool(self.periods)

    @property
    def open(self) -> bool:
        """Whether it is not restored yet."""
        return bool(self.periods) and self.periods[-1].ended_at is None

    @property
    def ended_at(self) -> Micros | None:
        """When its last period ended."""
        return self.periods[-1].ended_at if self.periods else None

    @property
    def time_to_restore(self) -> Micros | None:
        """The sum of its open periods; None while it is open."""
        if not self.periods or self.open:
            return None
        return sum((period.ended_at or 0) - period.opened_at for period in self.periods)

    def read_facts(self, service: str) -> None:
        """Work out everything that only its own events decide."""
        facts = sorted((fact for fact in self.facts if fact.counts), key=_order)
        shown = facts or sorted(self.facts, key=_order)
        self.lane = shown[0].lane if shown else "normal"
        self.env = next((fact.body.env for fact in shown if fact.body.env), None)
        self.title = next((fact.body.title for fact in shown if fact.body.title), None)
        self.severity = min((fact.body.severity for fact in shown if fact.body.severity), default=None)
        self.periods, self.known_at = _periods(facts)
        self.at = self.periods[0].opened_at if self.periods else 0
        causes = sorted((fact for fact in facts if _decides(fact.body.cause)), key=lambda fact: fact.rank)
        self.cause = causes[-1].body.cause if causes else None
        self._read_claim(service, facts)

    def _read_claim(self, service: str, facts: list[Fact[IncidentFact]]) -> None:
        """The first that is given decides: an explicit cause or deployment, a SHA, else what was in force."""
        self.claim, self.link, self.rule = None, None, "none"
        if not self.periods or self.env is None:
            return
        named = next((fact.body.deployment_id for fact in facts if fact.body.deployment_id), None)
        sha = next((fact.body.sha for fact in facts if fact.body.sha), None)
        cause = self.cause
        if cause is not None:
            self.rule = "explicit"
            if cause.kind in NOBODYS:
                return
            claim = Claim(self.env, self.at, cause.deployment_id, cause.sha, bounded=True)
            if cause.service is not None and cause.service != service:
                self.link = (cause.service, claim, self.severity)
            else:
                self.claim = claim
            return
        self.rule = "explicit" if named else "sha" if sha else "in_force"
        self.claim = Claim(self.env, self.at, named, sha, bounded=True)

    @property
    def unattributed(self) -> bool:
        """Nobody knows which deployment it is put on; what it names may yet come."""
        return self.opened and self.claim is not None and self.target is None

    @property
    def blamed(self) -> bool:
        """A deployment, here or in another service, is said to have caused it."""
        return self.target is not None or self.link is not None

    def due_at(self, settings: MetricSettings) -> Micros | None:
        """When its time to restore may be observed; None while it is open."""
        ended_at = self.ended_at
        return None if ended_at is None else max(ended_at, self.known_at) + settings.lateness


def _order(fact: Fact[IncidentFact]) -> tuple[Micros, bool, bytes]:
    """By event time; at one instant an opening stands before a resolution."""
    return (fact.at, not fact.body.opened, fact.mark)


def _decides(cause: CauseFact | None) -> bool:
    return cause is not None and bool(cause.kind in NOBODYS or cause.deployment_id or cause.sha or cause.service)


class _Open:
    """A period while its reports are read: the earliest report of each of its three ends counts.

    It is known since the first report of each was read, whichever of them counts.
    """

    __slots__ = (
        "alert_cleared_at", "before_seen", "not_before", "opened_at", "opened_seen", "resolved_at", "resolved_seen",
        "slo_met_at",
    )  # fmt: skip

    def __init__(self, fact: Fact[IncidentFact]) -> None:
        self.opened_at = self.not_before = fact.at
        self.before_seen: Micros = FOR_EVER
        self.wait(fact)

    def reopen(self, fact: Fact[IncidentFact]) -> None:
        """Opened anew before it ended: it goes on, at least to the end it already had."""
        self.not_before = self.ended_at or self.not_before
        self.before_seen = self.seen_at
        self.wait(fact)

    def wait(self, fact: Fact[IncidentFact]) -> None:
        self.opened_seen = fact.seen_at
        self.resolved_seen: Micros = FOR_EVER
        self.resolved_at: Micros | None = None
        self.slo_met_at: Micros | None = None
        self.alert_cleared_at: Micros | None = None

    def open_too(self, fact: Fact[IncidentFact]) -> None:
        """Another report says that it was opened, later than the one that counts."""
        self.opened_seen = min(self.opened_seen, fact.seen_at)

    def resolve(self, fact: Fact[IncidentFact]) -> None:
        if self.resolved_at is None:
            self.resolved_at, self.resolved_seen = fact.at, fact.seen_at
        self.resolved_seen = min(self.resolved_seen, fact.seen_at)
        if self.slo_met_at is None:
            self.slo_met_at = fact.body.slo_met_at
        if self.alert_cleared_at is None:
            self.alert_cleared_at = fact.body.alert_cleared_at

    @property
    def seen_at(self) -> Micros:
        """The partition's clock when all that it takes was read, and of each the first report."""
        return max(self.before_seen, self.opened_seen, self.resolved_seen)

    @property
    def ended_at(self) -> Micros | None:
        """The service meets its SLO and the alert is clear: the latest of the three."""
        if self.resolved_at is None:
            return None
        ends = (self.resolved_at, self.slo_met_at or self.resolved_at, self.alert_cleared_at or self.resolved_at)
        return max(self.not_before, *ends)


def _periods(facts: list[Fact[IncidentFact]]) -> tuple[tuple[OpenPeriod, ...], Micros]:
    """The open periods of ordered reports, and since when the end of the last one is known."""
    periods: list[_Open] = []
    for fact in facts:
        last = periods[-1] if periods else None
        if not fact.body.opened:
            if last is not None:
                last.resolve(fact)
        elif last is None or (last.ended_at is not None and fact.at > last.ended_at):
            periods.append(_Open(fact))
        elif last.resolved_at is not None:
            last.reopen(fact)  # before it was restored: the same period goes on
        else:
            last.open_too(fact)
    known_at = periods[-1].seen_at if periods else 0
    return tuple(OpenPeriod(period.opened_at, period.ended_at) for period in periods), known_at
