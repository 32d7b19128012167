"""One deployment of a service to an environment: its facts, its life, and why it failed (semantics.md, 4 to 6)."""

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from schemas.values import LaneName, Micros, ReasonName, VerdictName
from streams.core.facts import AnyFact, CanaryFact, Fact
from streams.core.record_key import RecordKey
from streams.core.settings import MetricSettings

if TYPE_CHECKING:
    from streams.core.claims import Claimant

JUDGED: Final = frozenset(("succeeded", "failed"))

Phase = Literal["unseen", "uncounted", "begun", "finished"]
"""How far a deployment came: known by name only, reported in lanes that do not count, begun, finished."""

Condition = Literal["newer began", "timed out", "not due", "failure", "otherwise"]

LIFE: Final[dict[Phase, tuple[tuple[Condition, VerdictName], ...]]] = {
    "unseen": (("otherwise", "unknown"),),
    "uncounted": (("otherwise", "excluded"),),
    "begun": (("newer began", "superseded"), ("timed out", "abandoned"), ("otherwise", "pending")),
    "finished": (("not due", "pending"), ("failure", "failed"), ("otherwise", "succeeded")),
}
"""The life of a deployment: in each phase, the first condition that holds decides the verdict."""


class Mark(NamedTuple):
    """Something that was counted: what, when by the clock, and after which message."""

    value: str
    at: Micros
    offset: int


class VerdictMark(NamedTuple):
    """A verdict that was counted, or revised to."""

    value: VerdictName
    at: Micros
    offset: int


class DeploymentFailure(NamedTuple):
    """When it failed and why; of several, the smallest counts."""

    at: Micros
    reason: ReasonName


class DeploymentState:
    """The facts of one deployment, what they amount to, and what was already counted of it."""

    __slots__ = (
        "begun_at",
        "carried",
        "changed_at",
        "commits_mark",
        "counted",
        "digest",
        "due",
        "env",
        "facts",
        "failed_mark",
        "failing",
        "failure",
        "finished_at",
        "history",
        "incidents",
        "included",
        "key",
        "known_at",
        "lane",
        "late",
        "late_mark",
        "name",
        "overruled",
        "promoted_at",
        "promoted_seen",
        "rollbacks",
        "sha",
        "started_at",
        "unsaved",
        "url",
        "verdict",
    )  # fmt: skip

    def __init__(self, key: RecordKey, env: str, name: str) -> None:
        self.key = key
        self.env = env
        self.name = name
        self.facts: list[Fact[CanaryFact]] = []
        self.overruled: list[AnyFact] = []
        self.started_at: Micros | None = None
        self.promoted_at: Micros | None = None
        self.begun_at: Micros | None = None
        self.finished_at: Micros | None = None
        self.promoted_seen: Micros = 0
        self.known_at: Micros = 0
        self.lane: LaneName = "normal"
        self.sha: str | None = None
        self.digest: str | None = None
        self.included: tuple[str, ...] = ()
        self.url: str | None = None
        self.rollbacks: list[Claimant] = []
        self.incidents: list[Claimant] = []
        self.carried: frozenset[str] = frozenset()
        self.verdict: VerdictName = "unknown"
        self.failure: DeploymentFailure | None = None
        self.failing = False
        self.late = False
        self.counted: tuple[str, ...] = ()
        """The states under which it is counted now."""
        self.history: tuple[VerdictMark, ...] = ()
        self.failed_mark: Mark | None = None
        self.late_mark: Mark | None = None
        self.commits_mark: Mark | None = None
        self.due: Micros | None = None
        self.changed_at = -1
        """The offset of the message that last changed it, until that is published."""
        self.unsaved = False
        """It is to be stored again."""

    @property
    def place(self) -> tuple[Micros, str] | None:
        """Its place among the deployments of the environment, by begin and then by name; None if it never began."""
        return None if self.begun_at is None else (self.begun_at, self.name)

    @property
    def shas(self) -> tuple[str, ...]:
        """Its own SHA and those it says it includes."""
        return self.included if self.sha is None else (self.sha, *self.included)

    def read_facts(self) -> None:
        """Work out everything that only its own start and promotion events decide.

        Where several events report one fact, the earliest by event time counts (semantics.md, section 2).
        """
        facts = sorted((fact for fact in self.facts if fact.counts), key=_rank)
        self.started_at = self.promoted_at = self.begun_at = None
        self.promoted_seen = 0
        for fact in facts:
            if not fact.body.promoted:
                self.started_at = fact.at if self.started_at is None else self.started_at
            elif self.promoted_at is None:
                self.promoted_at, self.promoted_seen = fact.at, fact.seen_at
            else:
                self.promoted_seen = min(self.promoted_seen, fact.seen_at)
        self.begun_at = self.promoted_at if self.started_at is None else self.started_at
        self._read_names(facts or sorted(self.facts, key=_rank))

    def _read_names(self, shown: list[Fact[CanaryFact]]) -> None:
        """What it is made of, and in which lane: the earliest that was said."""
        self.lane = shown[0].lane if shown else "normal"
        self.sha = self.digest = self.url = None
        included: tuple[str, ...] | None = None
        for fact in shown:
            body = fact.body
            self.sha = self.sha or body.sha
            self.digest = self.digest or body.digest
            self.url = self.url or body.url
            included = body.included if included is None else included
        self.included = tuple(sha for sha in dict.fromkeys(included) if sha != self.sha) if included else ()

    def read_finish(self) -> bool:
        """Work out when it finished and since when that is known. Says whether the finish moved."""
        before = self.finished_at
        ends = [claimant.at for claimant in self.rollbacks]
        seen = [claimant.seen_at for claimant in self.rollbacks]
        if self.promoted_at is not None:
            ends.append(self.promoted_at)
            seen.append(self.promoted_seen)
        if self.begun_at is None or not ends:
            self.finished_at, self.known_at = None, 0
        else:
            begun_seen = min(fact.seen_at for fact in self.facts if fact.counts)
            self.finished_at, self.known_at = min(ends), max(min(seen), begun_seen)
        return self.finished_at != before

    def read_failure(self, settings: MetricSettings) -> None:
        """Work out the failure that comes first by event time (then by name), and whether one came too late."""
        failures: list[DeploymentFailure] = []
        self.late, self.failure = False, None
        if not self.rollbacks and not self.incidents:
            return
        last = None if self.finished_at is None else self.finished_at + settings.failure_window
        for rollback in self.rollbacks:
            if last is not None and rollback.at > last:
                self.late = True
                continue
            before_full = self.promoted_at is None or rollback.at < self.promoted_at
            failures.append(DeploymentFailure(rollback.at, "canary_rollback" if before_full else "rollback"))
        for incident in self.incidents:
            if self.begun_at is None or incident.at < self.begun_at:
                continue
            if incident.severity not in settings.failing_severities:
                continue
            if last is not None and incident.at > last:
                self.late = True
            else:
                failures.append(DeploymentFailure(incident.at, "incident"))
        self.failure = min(failures, default=None)

    def judge(self, clock: Micros, settings: MetricSettings, *, newer: bool) -> Micros | None:
        """Set the verdict at this clock; answer when the clock alone can next change it."""
        due = self._due(settings)
        waiting = due is not None and clock < due
        for condition, verdict in LIFE[self.phase]:
            if self._holds(condition, waiting=waiting, newer=newer):
                self.verdict = verdict
                break
        pending = self.verdict == "pending"
        self.failing = pending and self.failure is not None
        return due if pending else None

    def _holds(self, condition: Condition, *, waiting: bool, newer: bool) -> bool:
        """Whether a condition of the table is met; `waiting`: the clock has not yet come to the end of the phase."""
        match condition:
            case "newer began":
                return newer
            case "timed out":
                return not waiting
            case "not due":
                return waiting
            case "failure":
                return self.failure is not None
            case "otherwise":
                return True

    @property
    def phase(self) -> Phase:
        """How far it came."""
        if self.begun_at is None:
            return "uncounted" if self.facts else "unseen"
        return "begun" if self.finished_at is None else "finished"

    def _due(self, settings: MetricSettings) -> Micros | None:
        """When its phase ends by the clock alone; None if it never does."""
        if self.begun_at is None:
            return None
        if self.finished_at is None:
            return self.begun_at + settings.canary_timeout + 1
        return max(self.finished_at + settings.failure_window, self.known_at) + settings.lateness


def _rank(fact: AnyFact) -> tuple[Micros, bytes]:
    return fact.rank
