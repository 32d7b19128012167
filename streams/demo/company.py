"""Simulate ninety days of a company. Pure: the same seed and end give the same events, byte for byte.

Each service has its own `_ServiceSimulation`, which generates the events its team would cause. The last hours are
scripted, so that every run ends with work in flight, a failing release and an open incident.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from random import Random
from typing import Final, Literal

from schemas.values import DAY, HOUR, MINUTE, SECOND, CauseValue, EventTypeName, EventValue, LaneName, Micros
from streams.demo import facts
from streams.demo.facts import PROD, STAGING, around, fact, spread
from streams.demo.habits import COMPANY, Cadence, TeamHabits

_QUIET_BEFORE_END: Final = 7 * HOUR
_ABANDONING_SERVICE: Final = "identity"
_ABANDONED_AGO: Final = 40 * HOUR
_SEVERITIES: Final = ("sev1", "sev2", "sev3", "sev4")
_SEVERITY_WEIGHTS: Final = (2, 7, 6, 3)
_URGENT: Final = ("sev1", "sev2")
_REHEARSAL_EVERY: Final = 19
_INFRA_TITLES: Final = ("zone outage", "expired certificate", "full disk on the queue", "provider refuses connections")
_BUG_TITLES: Final = ("error rate above SLO", "latency above SLO", "jobs stuck", "wrong totals shown")
_TUESDAY, _FRIDAY, _SATURDAY = 1, 4, 5

OPEN_INCIDENT: Final = ("notifications", "inc-notifications-open")
"""Service and id of the incident that is open at the end of the history."""


def history(seed: int, end: Micros, days: int = 90) -> Iterator[EventValue]:
    """Yield all events of the company's last `days` days in event-time order, up to `end`."""
    begin = end - days * DAY
    simulations = {}
    for habits in COMPANY:
        quiet = _ABANDONED_AGO + HOUR if habits.service == _ABANDONING_SERVICE else _QUIET_BEFORE_END
        simulations[habits.service] = _ServiceSimulation(habits, Random(f"{seed}/{habits.service}"), begin, end - quiet)
    for simulation in simulations.values():
        simulation.work()
    _last_hours(simulations, end)
    events = [event for simulation in simulations.values() for event in simulation.events]
    events = [event for event in events if begin <= event["occurred_at"] and _latest_time(event) <= end]
    events.sort(key=lambda event: (event["occurred_at"], event["event_id"]))
    yield from events


def _latest_time(event: EventValue) -> Micros:
    """Return the latest time in an event: nobody reports the future."""
    incident = event["incident"]
    later = (incident["slo_met_at"], incident["alert_cleared_at"]) if incident else ()
    return max(event["occurred_at"], *(at for at in later if at is not None), 0)


def _last_hours(simulations: Mapping[str, "_ServiceSimulation"], end: Micros) -> None:
    """Script the end of every run.

    Releases fine so far, one in its canary, one just undone and one left alone for days; an incident that is open, and
    one so far from any release that it is put on none.
    """
    for simulation in simulations.values():
        simulation.end, simulation.busy_until = end, 0
    for service, ago, outcome in (
        (_ABANDONING_SERVICE, _ABANDONED_AGO, ReleaseOutcome.UNFINISHED),
        ("notifications", 5 * HOUR, ReleaseOutcome.PROMOTED),
        ("web-shop", 4 * HOUR, ReleaseOutcome.PROMOTED),
        ("search", 150 * MINUTE, ReleaseOutcome.ROLLED_BACK),
        ("payments", 70 * MINUTE, ReleaseOutcome.UNFINISHED),
    ):
        simulations[service].merge(end - ago - 10 * MINUTE)
        simulations[service].release(end - ago, outcome=outcome)
    service, name = OPEN_INCIDENT
    details = facts.incident(severity="sev2", title="messages delayed")
    simulations[service].emit(
        "incident_opened", end - 25 * MINUTE, {"env": PROD, "incident_id": name, "incident": details}
    )
    opened = end - 10 * HOUR
    simulations[_ABANDONING_SERVICE].incident(SimulatedIncident(opened, opened + 50 * MINUTE, "sev3", "slow sign-in"))
    simulations[_ABANDONING_SERVICE].push(end)


@dataclass(frozen=True, slots=True)
class SimulatedRelease:
    """A deployment to production: its id, the SHA it is of, all SHAs it brings, when it began, and its lane."""

    deployment_id: str
    sha: str
    shas: tuple[str, ...]
    begun: Micros
    lane: LaneName


class ReleaseOutcome(StrEnum):
    """Outcome of a release in production."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"
    UNFINISHED = "unfinished"


@dataclass(slots=True)
class _ServiceSimulation:
    """Simulation of one service: merged but unreleased commits, the last good commit, and the events so far."""

    habits: TeamHabits
    rng: Random
    begin: Micros
    end: Micros
    events: list[EventValue] = field(default_factory=list)
    backlog: list[tuple[Micros, str]] = field(default_factory=list)
    """Merge time and SHA of each unreleased commit."""
    good: str | None = None
    busy_until: Micros = 0
    requests: int = 100
    runs: int = 1000
    incidents: int = 0

    def emit(self, event_type: EventTypeName, at: Micros, about: facts.EventFields, service: str | None = None) -> None:
        """Add an event, of the simulated service unless another is given."""
        self.events.append(fact(event_type, at, service or self.habits.service, about))

    def work(self) -> None:
        """Simulate day after day, from the first local midnight on."""
        offset = self.habits.utc_offset
        midnight = -(-(self.begin + offset) // DAY) * DAY - offset
        rehearsal_day = self.rng.randrange(_REHEARSAL_EVERY)
        for day, today in enumerate(range(midnight, self.end, DAY)):
            weekday = datetime.fromtimestamp((today + offset) // SECOND, UTC).weekday()
            if weekday < _SATURDAY:
                self._working_day(today, weekday)
            if self.habits.rehearses and day % _REHEARSAL_EVERY == rehearsal_day:
                self._rehearse(today + spread(self.rng, 10 * HOUR, 16 * HOUR))
            if self.rng.random() < self.habits.infra_incidents_a_month / 30:
                self._infra_incident(today + spread(self.rng, 0, DAY))

    # --- commits ------------------------------------------------------------------------------------------------------
    def _working_day(self, today: Micros, weekday: int) -> None:
        merges = sorted(
            today + spread(self.rng, 10 * HOUR, 17 * HOUR) for _ in range(_count(self.rng, self.habits.merges_a_day))
        )
        if self.rng.random() < self.habits.lone_commits:
            self.push(today + spread(self.rng, 9 * HOUR, 18 * HOUR))
        for merged_at in merges:
            self.merge(merged_at)
            if self.habits.cadence is Cadence.EVERY_MERGE:
                self.release(merged_at + spread(self.rng, 2 * MINUTE, 20 * MINUTE), friday=weekday == _FRIDAY)
        if self.habits.cadence is Cadence.DAILY or (self.habits.cadence is Cadence.WEEKLY and weekday == _TUESDAY):
            self.release(today + self.habits.release_at + spread(self.rng, 0, 40 * MINUTE), friday=weekday == _FRIDAY)

    def push(self, at: Micros) -> None:
        """Push a commit to the main branch without a pull request."""
        sha = facts.new_sha(self.rng)
        self.emit("commit_created", at, {"commit_sha": sha, "commit": facts.commit(self._person(), "main")})
        self.backlog.append((at, sha))

    def merge(self, merged_at: Micros, *, writing: Micros | None = None) -> None:
        """Merge a pull request with commits of the hours before: squashed, or, one in five, as they are."""
        self.requests += 1
        change = f"{self.habits.service}#{self.requests}"
        author, branch = self._person(), f"topic-{self.requests}"
        merge_sha = facts.new_sha(self.rng) if self.rng.random() > 1 / 5 else None
        first = max(self.begin, merged_at - around(self.rng, writing or self.habits.writing, sigma=0.9))
        later = [spread(self.rng, first, merged_at) for _ in range(self.rng.randrange(4))]
        critical = (self.habits.critical_module,) if self.rng.random() < 1 / 4 else ()
        shas = []
        for at in sorted([first, *later]):
            shas.append(facts.new_sha(self.rng))
            details = facts.commit(author, branch, merge_sha=merge_sha, critical=critical)
            self.emit("commit_created", at, {"commit_sha": shas[-1], "change_id": change, "commit": details})
        self.backlog += [(merged_at, sha) for sha in ([merge_sha] if merge_sha else shas)]

    # --- releases -----------------------------------------------------------------------------------------------------
    def release(
        self, at: Micros, lane: LaneName = "normal", *, outcome: ReleaseOutcome | None = None, friday: bool = False
    ) -> None:
        """Release the backlog: pipeline, staging, then production, with `outcome` or a random one."""
        at = max(at, self.busy_until + 5 * MINUTE)
        shas = tuple(sha for merged_at, sha in self.backlog if merged_at <= at)
        if not shas or at > self.end:
            return
        self.runs += 1
        staged = self._pipeline(at, shas, lane)
        begun = staged + spread(self.rng, 6 * MINUTE, 30 * MINUTE)
        release = SimulatedRelease(f"{self.habits.service}-{self.runs}", shas[-1], shas, begun, lane)
        if not self.habits.canaries:
            self._promote(release, begun)
            return
        self._emit_for_release(release, "canary_started", begun, {"canary": facts.canary(shas, 10)})
        match outcome or self._draw_outcome(friday=friday):
            case ReleaseOutcome.ROLLED_BACK:
                self._roll_back_canary(release)
                if outcome is None:
                    self._fix()
            case ReleaseOutcome.UNFINISHED:
                self.busy_until = begun + 2 * HOUR
            case ReleaseOutcome.PROMOTED:
                self._promote(release, begun + spread(self.rng, 25 * MINUTE, 70 * MINUTE), calm=outcome is not None)

    def _draw_outcome(self, *, friday: bool) -> ReleaseOutcome:
        """Draw an outcome. On Fridays, canaries are left unfinished more often."""
        stalls = self.habits.canary_stalls * (4 if friday else 1)
        dice = self.rng.random()
        if dice < self.habits.canary_fails:
            return ReleaseOutcome.ROLLED_BACK
        return ReleaseOutcome.UNFINISHED if dice < self.habits.canary_fails + stalls else ReleaseOutcome.PROMOTED

    def _pipeline(self, at: Micros, shas: Sequence[str], lane: LaneName) -> Micros:
        """Build, test, scan, check policies and deploy to staging; return when that was done."""
        habits, rng = self.habits, self.rng
        tested = at + around(rng, 9 * MINUTE, sigma=0.3)
        scanned = tested + around(rng, 2 * MINUTE, sigma=0.3)
        staged = scanned + spread(rng, 4 * MINUTE, 10 * MINUTE)
        about: facts.EventFields = {
            "commit_sha": shas[-1],
            "source": facts.source("github-actions", self.runs, self._person()),
            "lane": lane,
        }
        made = facts.artifact(rng, habits.service, 3 if habits.thorough else None)
        digest = f"sha256:{rng.randbytes(32).hex()}"
        self.emit("artifact_built", at, {**about, "artifact": made, "artifact_digest": digest})
        done = facts.tests(rng, habits.critical_module, thorough=habits.thorough)
        self.emit("tests_passed", tested, {**about, "tests": done})
        self.emit("security_scanned", scanned, {**about, "scan": facts.scan(rng, scanned, thorough=habits.thorough)})
        self.emit("policy_passed", scanned + MINUTE, {**about, "policy": facts.policy(rng, thorough=habits.thorough)})
        name, shipped = f"{habits.service}-{self.runs}", facts.canary(shas, 100, by="pipeline")
        self.emit("canary_promoted", staged, {**about, "env": STAGING, "deployment_id": name, "canary": shipped})
        return staged

    def _promote(self, release: SimulatedRelease, at: Micros, *, calm: bool = False) -> None:
        by = "analysis" if self.habits.canaries else self._person()
        self._emit_for_release(release, "canary_promoted", at, {"canary": facts.canary(release.shas, 100, by=by)})
        previous, self.good = self.good, release.sha
        self.backlog = [(merged_at, sha) for merged_at, sha in self.backlog if sha not in release.shas]
        self.busy_until = at
        habits, dice = self.habits, self.rng.random()
        if calm:
            return
        if dice < habits.breaks:
            self._break(release, at, previous)
        elif dice < habits.breaks + habits.quietly_undone:
            self._roll_back(release, at + around(self.rng, 2 * HOUR), previous, "wrong totals, found by hand")
        elif dice < habits.breaks + habits.quietly_undone + habits.breaks_elsewhere:
            self._break_elsewhere(release, at)

    def _roll_back_canary(self, release: SimulatedRelease) -> None:
        """Roll back before 100 %, one time in six manually; the backlog stays."""
        at = release.begun + spread(self.rng, 6 * MINUTE, 30 * MINUTE)
        trigger: Literal["auto", "manual"] = "manual" if self.rng.random() < 1 / 6 else "auto"
        undone = facts.rollback(trigger, self.good, "error-rate above threshold")
        analysis = facts.canary([], 10, healthy=False)
        self._emit_for_release(release, "rollback_triggered", at, {"rollback": undone, "canary": analysis})
        self.busy_until = at

    def _fix(self) -> None:
        """Merge a quick fix, usually released at once."""
        fixed = self.busy_until + around(self.rng, 80 * MINUTE, sigma=0.4)
        self.merge(fixed, writing=30 * MINUTE)
        if self.rng.random() < 2 / 3:
            self.release(fixed + 10 * MINUTE)

    def _roll_back(self, release: SimulatedRelease, at: Micros, to_sha: str | None, reason: str) -> None:
        """Roll back after 100 %: its commits have to be released again."""
        self._emit_for_release(
            release, "rollback_triggered", at, {"rollback": facts.rollback("manual", to_sha, reason)}
        )
        self.good = to_sha
        self.backlog = [*((release.begun, sha) for sha in release.shas), *self.backlog]
        self.busy_until = max(self.busy_until, at)

    def _rehearse(self, at: Micros) -> None:
        done = facts.rollback("manual", self.good, "rehearsal", path=self.rng.randbytes(32).hex())
        self.emit(
            "rollback_triggered", at, {"env": STAGING, "commit_sha": self.good, "rollback": done, "lane": "rehearsal"}
        )

    # --- incidents ----------------------------------------------------------------------------------------------------
    def _break(self, release: SimulatedRelease, promoted: Micros, previous: str | None) -> None:
        """Cause an incident by this release, attributed in varying ways; one in three urgent ones is rolled back."""
        opened = promoted + around(self.rng, 70 * MINUTE, sigma=1.2)
        ended = opened + around(self.rng, self.habits.restoring)
        named = self.rng.choice(("by the review", "by its id", "by its SHA", "not at all"))
        severity = self.rng.choices(_SEVERITIES, _SEVERITY_WEIGHTS)[0]
        self.incident(
            SimulatedIncident(
                opened,
                ended,
                severity,
                self.rng.choice(_BUG_TITLES),
                found=facts.cause("change", deployment=release.deployment_id) if named == "by the review" else None,
                deployment_id=release.deployment_id if named == "by its id" else None,
                sha=release.sha if named == "by its SHA" else None,
            )
        )
        if severity not in _URGENT:
            return
        if self.rng.random() < 1 / 3:
            self._roll_back(release, spread(self.rng, opened, ended), previous, "incident")
        self.merge(ended + 20 * MINUTE, writing=40 * MINUTE)
        self.release(ended + 30 * MINUTE, "hotfix")

    def _break_elsewhere(self, release: SimulatedRelease, promoted: Micros) -> None:
        """Cause an incident in another service, whose review names this release as the cause."""
        opened = promoted + around(self.rng, 40 * MINUTE)
        ended = opened + around(self.rng, self.habits.restoring)
        found = facts.cause("change", service=self.habits.service, deployment=release.deployment_id)
        incident = SimulatedIncident(opened, ended, "sev2", "sign-in fails", found=found, service=self.habits.dependent)
        self.incident(incident)

    def _infra_incident(self, opened: Micros) -> None:
        """Add an infrastructure incident. Half of them are never reviewed, so the release in force is blamed."""
        ended = opened + around(self.rng, self.habits.restoring)
        severity = self.rng.choices(_SEVERITIES, _SEVERITY_WEIGHTS)[0]
        found = facts.cause("infra") if self.rng.random() < 1 / 2 else None
        self.incident(SimulatedIncident(opened, ended, severity, self.rng.choice(_INFRA_TITLES), found=found))

    def incident(self, incident: "SimulatedIncident") -> None:
        """Open and resolve an incident; some teams often reopen theirs."""
        self.incidents += 1
        name, where, ended = f"inc-{self.habits.service}-{self.incidents}", incident.service, incident.ended
        details = facts.incident(severity=incident.severity, title=incident.title)
        about: facts.EventFields = {"env": PROD, "incident_id": name, "incident": details}
        names: facts.EventFields = {"deployment_id": incident.deployment_id, "commit_sha": incident.sha}
        self.emit("incident_opened", incident.opened, {**about, **names}, where)
        if self.rng.random() < self.habits.reopens:
            self._resolve(where, name, ended, None)
            again = ended + spread(self.rng, 20 * MINUTE, 90 * MINUTE)
            self.emit("incident_opened", again, about, where)
            ended = again + around(self.rng, self.habits.restoring // 2)
        self._resolve(where, name, ended, incident.found)

    def _resolve(self, service: str | None, name: str, at: Micros, found: CauseValue | None) -> None:
        """Resolve an incident; often the SLO is met, or the alert cleared, only minutes later."""
        slo = at + spread(self.rng, 2 * MINUTE, 15 * MINUTE) if self.rng.random() < 1 / 3 else None
        alert = at + MINUTE if self.rng.random() < 1 / 2 else None
        test = f"tests/regress/{name}" if found and found["kind"] == "change" else None
        closed = facts.incident(slo_met_at=slo, alert_cleared_at=alert, found=found, regression_test=test)
        self.emit("incident_resolved", at, {"env": PROD, "incident_id": name, "incident": closed}, service)

    # --- events -------------------------------------------------------------------------------------------------------
    def _emit_for_release(
        self, release: SimulatedRelease, event_type: EventTypeName, at: Micros, more: facts.EventFields
    ) -> None:
        about: facts.EventFields = {
            "env": PROD,
            "commit_sha": release.sha,
            "deployment_id": release.deployment_id,
            "source": facts.source("argo-rollouts" if self.habits.canaries else "jenkins", self.runs, None),
            "lane": release.lane,
        }
        self.emit(event_type, at, {**about, **more})

    def _person(self) -> str:
        return self.rng.choice(self.habits.people)


@dataclass(frozen=True, slots=True)
class SimulatedIncident:
    """An incident: times, severity, the deployment it names, and the cause found by the review."""

    opened: Micros
    ended: Micros
    severity: str
    title: str
    found: CauseValue | None = None
    deployment_id: str | None = None
    sha: str | None = None
    service: str | None = None


def _count(rng: Random, mean: float) -> int:
    """Draw a binomial number with the given mean, from two trials per expected success."""
    tosses = max(1, round(mean * 2))
    return sum(rng.random() < mean / tosses for _ in range(tosses))
