"""Every record and snapshot that follows from a log, message by message, each time from scratch but for the ledger."""

from collections import Counter
from collections.abc import Sequence

from schemas.values import (
    SECOND,
    AsOfValue,
    AttributionValue,
    CauseKindName,
    ChangeValue,
    DeploymentValue,
    EventValue,
    IncidentRecordValue,
    LinkedIncidentValue,
    MetricsValue,
    Micros,
    RollbackEntryValue,
    StateValue,
    VerdictName,
    WindowValue,
)
from streams.core.settings import MetricSettings
from tests.support.oracle import quantile
from tests.support.oracle.changes import ChangeKey
from tests.support.oracle.deployments import DeploymentKey, joined, key_of
from tests.support.oracle.facts import derived
from tests.support.oracle.incidents import (
    Attribution,
    Incident,
    IncidentKey,
    Link,
    by_incident,
    deciding_cause,
    in_life,
    link_of,
    worst,
)
from tests.support.oracle.known import earliest, for_ever, in_earnest
from tests.support.oracle.ledger import JUDGED, Ledger
from tests.support.oracle.log import Heard, Message, change_named, counting, links_told, rehearsed

NOTHING: AsOfValue = {"partition": 0, "offset": 0}
SHOWN_ROLLBACKS = 20
SHOWN_INCIDENTS = 100
SHOWN_COMMITS = 2_048


class Reader:
    """Reads a log of one partition and says, after each message, what is published of everything."""

    def __init__(self, settings: MetricSettings) -> None:
        self.settings = settings
        self.messages: list[Message] = []
        self.ledger = Ledger(settings)
        self.changes: set[ChangeKey] = set()
        """Every change of which there was a commit at any time."""
        self.links: dict[IncidentKey, Link] = {}
        """The causes in other services, as they are now."""
        self._read()

    def read(self, event: EventValue | None, append_time: Micros) -> None:
        """Take in the next message."""
        clock = max(append_time, self.messages[-1].clock) if self.messages else append_time
        self.messages.append(Message(event, clock))
        self._read()
        self.ledger.look(self.known, self.unbegun, clock)
        self.changes |= self.known.commits.keys()

    def _read(self) -> None:
        counted = counting(self.messages)
        self.clock = self.messages[-1].clock if self.messages else 0
        self.shown: list[EventValue] = [one.event for one in counted]
        """The content that counts of every event, rehearsals too."""
        self.events = in_earnest(self.shown)
        self.heard = Heard.of(self.messages)
        seen = {(one.event["service"], one.event["event_id"]): one.seen_at for one in counted}
        self.known = derived(
            self.events,
            self.clock,
            self.settings,
            lambda event: seen[event["service"], event["event_id"]],
            links_told(self.messages),
        )
        self.links = {
            (link.origin, link.incident_id): link
            for incident, _ in self.known.incidents
            if (link := link_of(incident)) is not None
        }

    @property
    def unbegun(self) -> dict[DeploymentKey, VerdictName]:
        """What is said of deployments without a start or promotion that counts: rehearsed, or said to be by mistake."""
        rehearsed_ones = {key_of(event) for event in self.shown}
        return {
            key: "excluded" if key in rehearsed_ones else "unknown"
            for key in self.heard.deployments - self.known.deployments.keys()
        }

    # --- deployments ----------------------------------------------------------------------------------------------

    def deployment(self, key: DeploymentKey) -> DeploymentValue:
        """All that is known of one deployment."""
        entries = self.ledger.verdicts.get(key, [])
        ours = [event for event in self.shown if key_of(event) == key]
        one = self.known.deployments.get(key) or (joined(key, ours, for_ever) if ours else None)
        begun, verdict = key in self.known.deployments, self.known.verdicts.get(key)
        failure = verdict.failure if verdict else None
        shas = one.included_shas or () if one else ()
        return {
            "service": key[0],
            "env": key[1],
            "deployment_id": key[2],
            "as_of": NOTHING,
            "lane": one.lane if one else "normal",
            "commit_sha": one.commit_sha if one else None,
            "artifact_digest": one.artifact_digest if one else None,
            "included_shas": [sha for sha in dict.fromkeys(shas) if one and sha != one.commit_sha],
            "url": one.url if one else None,
            "started_at": one.started_at if one and begun else None,
            "promoted_at": one.promoted_at if one and begun else None,
            "finished_at": verdict.finished_at if verdict else None,
            "verdict": verdict.name if verdict else self.unbegun[key],
            "judged_at": entries[0].at if entries else None,
            "failing": failure is not None and verdict is not None and verdict.name == "pending",
            "reason": failure.reason if failure else None,
            "failed_at": failure.at if failure else None,
            "late_failure": verdict is not None and verdict.late_failure,
            "revisions": len(entries[1:]),
            "changes": sorted(self.known.changes.get(key, ()))[:SHOWN_COMMITS],
            "rollbacks": self._rollbacks(key)[-SHOWN_ROLLBACKS:],
            "incidents": self._put(key)[-SHOWN_INCIDENTS:],
        }

    def _rollbacks(self, key: DeploymentKey) -> list[RollbackEntryValue]:
        events = self.known.rollbacks.get(key, ())
        return [
            {
                "event_id": event["event_id"],
                "occurred_at": event["occurred_at"],
                "trigger": event["rollback"]["trigger"] if event["rollback"] else "manual",
                "to_sha": event["rollback"]["to_sha"] if event["rollback"] else None,
                "reason": event["rollback"]["reason"] if event["rollback"] else None,
            }
            for event in sorted(events, key=lambda event: (event["occurred_at"], event["event_id"]))
        ]

    def _put(self, key: DeploymentKey) -> list[LinkedIncidentValue]:
        put = self.known.put.get(key, ())
        return [
            {
                "service": one.service,
                "incident_id": one.incident_id,
                "opened_at": one.opened_at,
                "severity": one.severity,
            }
            for one in sorted(put, key=lambda one: (one.opened_at, one.service, one.incident_id))
        ]

    # --- changes --------------------------------------------------------------------------------------------------

    def change(self, key: ChangeKey) -> ChangeValue:
        """One change: its commits, what they passed, and where it arrived."""
        service, change_id = key
        commits, reports = self.known.commits.get(key, []), self.known.reports.get(key, [])
        names = {change_id, *commits}
        passed: dict[tuple[str, str], Micros] = {}
        for event in self.events:
            if event["service"] == service and change_named(event) in names and event["commit_sha"] is not None:
                passed.setdefault((event["event_type"], event["commit_sha"]), event["occurred_at"])
        stages = sorted((*stage, at) for stage, at in passed.items() if stage[0] != "commit_created")
        entries = {found[2]: said for found, said in self.ledger.leads.items() if found[:2] == key and said}
        return {
            "service": service,
            "change_id": change_id,
            "as_of": NOTHING,
            "commits": sorted(commits)[:SHOWN_COMMITS],
            "first_commit_at": reports[0]["occurred_at"] if reports else None,
            "first_commit_sha": reports[0]["commit_sha"] if reports else None,
            "stages": [{"stage": stage, "commit_sha": sha, "occurred_at": at} for stage, sha, at in stages],
            "promotions": [
                {
                    "env": one.env,
                    "deployment_id": one.deployment_id,
                    "promoted_at": one.promoted_at,
                    "lead_time": one.lead_time,
                    "observed": one.lead_time >= 0 and self.ledger.settled(one, self.clock),
                }
                for one in sorted(self.known.promotions, key=lambda one: one.env)
                if (one.service, one.change_id) == key and one.lead_time is not None
            ],
            "revisions": sum(len(said) - 1 for said in entries.values()),
        }

    # --- incidents ------------------------------------------------------------------------------------------------

    def incident(self, key: IncidentKey) -> IncidentRecordValue:
        """One incident: when it was open and on what it is put."""
        every = by_incident(self.shown).get(key, [])
        shown = in_life(by_incident(self.events).get(key, []) or every)
        found = [one for one in self.known.incidents if (one[0].service, one[0].incident_id) == key]
        one, put = found[0] if found else (None, None)
        env, severity = earliest(shown, lambda event: event["env"]), worst(shown)
        told = [event["incident"] for event in every if event["incident"] is not None]
        cause = deciding_cause(by_incident(self.events).get(key, []))
        entries = {place[2]: said for place, said in self.ledger.restores.items() if place[:2] == key and said}
        return {
            "service": key[0],
            "incident_id": key[1],
            "env": env,
            "as_of": NOTHING,
            "lane": shown[0]["lane"] if shown else "normal",
            "severity": severity,
            "failing": severity in self.settings.failing_severities,
            "title": earliest(shown, lambda event: event["incident"]["title"] if event["incident"] else None),
            "opened_at": one.opened_at if one else None,
            "open": one is not None and one.ended_at is None,
            "ended_at": one.ended_at if one else None,
            "periods": [{"opened_at": at, "ended_at": end} for at, end in one.periods] if one else [],
            "time_to_restore": one.time_to_restore if one else None,
            "observed": one is not None and self.restored(one),
            "attribution": attribution_value(put, cause["kind"] if cause else None),
            "escaped_gates": sorted({gate for one in told for gate in one["escaped_gates"] or ()})[:SHOWN_INCIDENTS],
            "regression_test": next((name for one in told if (name := one["regression_test"])), None),
            "revisions": sum(len(said) - 1 for said in entries.values()),
        }

    def restored(self, one: Incident) -> bool:
        """Whether the time to restore may be observed."""
        if one.ended_at is None:
            return False
        return self.clock >= max(one.ended_at, one.known_at) + self.settings.lateness

    # --- snapshots ------------------------------------------------------------------------------------------------

    def metrics(self, place: tuple[str, str]) -> MetricsValue:
        """All numbers of a service and env."""
        settings = self.settings
        conflicting = self.heard.conflicts(place[0]) if not place[1] else 0
        return {
            "service": place[0],
            "env": place[1],
            "as_of": NOTHING,
            "at": self.clock,
            "settings": {
                "failure_window": settings.failure_window,
                "lateness": settings.lateness,
                "max_future": settings.max_future,
                "canary_timeout": settings.canary_timeout,
                "failing_severities": [*settings.failing_severities],
                "production_envs": [*settings.production_envs],
            },
            "counters": self.ledger.counters(place, conflicting),
            "state": self._state(place),
            "windows": [self._window(place, window) for window in settings.windows],
        }

    def _incidents(self, place: tuple[str, str]) -> list[tuple[Incident, Attribution]]:
        return [(one, put) for one, put in self.known.incidents if (one.service, one.env) == place]

    def _state(self, place: tuple[str, str]) -> StateValue:
        verdicts = [one for key, one in self.known.verdicts.items() if key[:2] == place]
        names = Counter(one.name for one in verdicts)
        incidents = self._incidents(place)
        return {
            "pending": names["pending"],
            "failing": sum(one.name == "pending" and one.failure is not None for one in verdicts),
            "superseded": names["superseded"],
            "abandoned": names["abandoned"],
            "incidents_open": sum(one.ended_at is None for one, _ in incidents),
            "incidents_unattributed": sum(put.rule == "none" for _, put in incidents),
            "rehearsed_at": rehearsed(self.shown, place),
            "last_event_at": self.heard.last(place),
        }

    def _window(self, place: tuple[str, str], window: Micros) -> WindowValue:
        settled = self.clock - self.settings.lateness
        cohort = settled - self.settings.failure_window
        judged = [
            (self.known.deployments[key], one)
            for key, one in self.known.verdicts.items()
            if key[:2] == place
            and one.name in JUDGED
            and one.finished_at is not None
            and cohort - window < one.finished_at <= cohort
        ]
        reasons = Counter(one.failure.reason for _, one in judged if one.failure is not None)
        leads = [
            one.lead_time
            for one in self.known.promotions
            if (one.service, one.env) == place
            and one.lead_time is not None
            and one.lead_time >= 0
            and self.ledger.settled(one, self.clock)
            and settled - window < one.promoted_at
        ]
        incidents = self._incidents(place)
        ended = [
            (one.time_to_restore, put.blamed)
            for one, put in incidents
            if one.time_to_restore is not None
            and one.ended_at is not None
            and self.restored(one)
            and settled - window < one.ended_at
        ]
        restores = [length for length, _ in ended]
        recoveries = [length for length, blamed in ended if blamed]
        opened = [put for one, put in incidents if settled - window < one.opened_at <= settled]
        return {
            "window": window,
            "judged": len(judged),
            "failed": sum(one.name == "failed" for _, one in judged),
            "reasons": {reason: count for reason, count in reasons.items() if count},
            "hotfix": sum(one.lane == "hotfix" for one, _ in judged),
            "lead_count": len(leads),
            "lead_p50": quantile(leads, 0.5),
            "lead_p90": quantile(leads, 0.9),
            "restore_count": len(restores),
            "restore_mean": mean(restores),
            "restore_p50": quantile(restores, 0.5),
            "restore_p90": quantile(restores, 0.9),
            "recovery_count": len(recoveries),
            "recovery_mean": mean(recoveries),
            "recovery_p50": quantile(recoveries, 0.5),
            "incidents": len(opened),
            "unattributed": sum(put.rule == "none" for put in opened),
        }


def mean(lengths: Sequence[Micros]) -> float | None:
    """In seconds; nothing of nothing."""
    return sum(lengths) / len(lengths) / SECOND if lengths else None


def attribution_value(put: Attribution | None, kind: CauseKindName | None) -> AttributionValue:
    """Where an incident is put."""
    return {
        "rule": put.rule if put else "none",
        "service": put.elsewhere if put else None,
        "deployment_id": put.shown if put else None,
        "cause_kind": kind,
        "waits_for": put.waits_for if put else None,
    }
