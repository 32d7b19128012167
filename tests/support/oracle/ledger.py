"""Section 6 as a ledger: what was said of each thing when it came due, and every change of that since.

It looks after every message and compares what is true now with what it wrote down last.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Final, Generic, NamedTuple, TypeVar

from schemas.values import SECOND, CountersValue, HistogramValue, Micros, VerdictName
from streams.core.settings import MetricSettings
from tests.support.oracle.deployments import DeploymentKey
from tests.support.oracle.facts import Facts, Promotion

Said = TypeVar("Said")
Place = tuple[str, str]
"""Service and env."""

JUDGED: Final = frozenset({"succeeded", "failed"})
EDGES: Final = (
    *(300, 600, 900, 1800, 2700, 3600, 5400, 7200, 10_800, 14_400, 21_600),
    *(28_800, 43_200, 64_800, 86_400, 129_600, 172_800, 259_200, 432_000, 604_800, 1_209_600, 2_592_000),
)
"""Upper edges of the buckets in seconds, each in its bucket: five minutes to thirty days."""
LARGEST: Final = 9_223_372_036_854_775_807


class Entry(NamedTuple, Generic[Said]):
    """What was said, by the clock of then."""

    said: Said
    at: Micros


class Observed(NamedTuple):
    """A lead time, and the commit that began the change."""

    length: Micros
    commit_sha: str | None


class Ledger:
    """Everything that was counted, thing by thing."""

    def __init__(self, settings: MetricSettings) -> None:
        self._settings = settings
        self.verdicts: dict[DeploymentKey, list[Entry[VerdictName]]] = defaultdict(list)
        self.failures: dict[DeploymentKey, str] = {}
        self.late: set[DeploymentKey] = set()
        self.bare: dict[DeploymentKey, bool] = {}
        self.leads: dict[tuple[str, str, str], list[Entry[Observed | None]]] = defaultdict(list)
        """By service, change and env."""
        self.restores: dict[tuple[str, str, str], list[Entry[Micros | None]]] = defaultdict(list)
        """By service, incident and env."""

    def look(self, known: Facts, unbegun: dict[DeploymentKey, VerdictName], clock: Micros) -> None:
        """Write down what came due or changed; `unbegun` is what is said of deployments that did not begin."""
        self._verdicts(known, unbegun, clock)
        for one in known.deployments.values():
            if one.promoted_at is not None and one.promoted_known is not None:
                due = max(one.promoted_at, one.promoted_known) + self._settings.lateness
                if clock >= due:
                    self.bare.setdefault(one.key, not known.changes[one.key])
        leads = {
            (one.service, one.change_id, one.env): Observed(one.lead_time, one.first_commit["commit_sha"])
            for one in known.promotions
            if one.lead_time is not None and one.first_commit is not None and self.settled(one, clock)
        }
        for key in {*leads, *self.leads}:
            now, entries = leads.get(key), self.leads[key]
            before = entries[-1].said if entries else None
            if (now and now.length) != (before and before.length):
                entries.append(Entry(now, clock))
        restores = {
            (one.service, one.incident_id, one.env): one.time_to_restore
            for one, _ in known.incidents
            if one.ended_at is not None and clock >= max(one.ended_at, one.known_at) + self._settings.lateness
        }
        for key in {*restores, *self.restores}:
            length, noted = restores.get(key), self.restores[key]
            if length != (noted[-1].said if noted else None):
                noted.append(Entry(length, clock))

    def settled(self, one: Promotion, clock: Micros) -> bool:
        """Whether a lead time may be observed."""
        return clock >= max(one.promoted_at, one.known_at) + self._settings.lateness

    def _verdicts(self, known: Facts, unbegun: dict[DeploymentKey, VerdictName], clock: Micros) -> None:
        names = unbegun | {key: verdict.name for key, verdict in known.verdicts.items()}
        for key, name in names.items():
            entries = self.verdicts[key]
            if entries[-1].said != name if entries else name in JUDGED:
                entries.append(Entry(name, clock))
        for key, verdict in known.verdicts.items():
            if verdict.name in JUDGED or verdict.name == "pending":
                if verdict.failure is not None:
                    self.failures.setdefault(key, verdict.failure.reason)
                if verdict.late_failure:
                    self.late.add(key)

    def counters(self, place: Place, conflicting: int) -> CountersValue:
        """All that was counted of a service and env."""
        verdicts = [entries for key, entries in self.verdicts.items() if key[:2] == place and entries]
        leads = [entries for key, entries in self.leads.items() if (key[0], key[2]) == place and entries]
        restores = [entries for key, entries in self.restores.items() if (key[0], key[2]) == place and entries]
        revised = Counter((before.said, after.said) for entries in verdicts for before, after in pairwise(entries))
        first = [(entry.said, entry.at) for entries in leads if (entry := entries[0]).said is not None]
        observed = [(said, at) for said, at in first if said.length >= 0]
        return {
            "deployments": len(verdicts),
            "deployments_success": sum(entries[0].said == "succeeded" for entries in verdicts),
            "failures": dict(Counter(reason for key, reason in self.failures.items() if key[:2] == place)),
            "late_failures": sum(key[:2] == place for key in self.late),
            "verdict_revisions": [
                {"from_verdict": before, "to_verdict": after, "count": count}
                for (before, after), count in sorted(revised.items())
            ],
            "deployments_without_commits": sum(bare for key, bare in self.bare.items() if key[:2] == place),
            "clock_skew": len(first) - len(observed),
            "lead_time": histogram([said.length for said, _ in observed], exemplars=observed),
            "lead_time_revisions": sum(len(entries) - 1 for entries in leads),
            "restore": histogram([entries[0].said or 0 for entries in restores]),
            "restore_revisions": sum(len(entries) - 1 for entries in restores),
            "conflicting_events": conflicting,
        }


def bucket(length: Micros) -> int:
    """The place of a length among the buckets."""
    return bisect_left([edge * SECOND for edge in EDGES], length)


def histogram(lengths: list[Micros], exemplars: list[tuple[Observed, Micros]] | None = None) -> HistogramValue:
    """Observations by bucket; each bucket shows the newest, of one moment the largest SHA, then the longest."""
    newest: dict[int, tuple[Micros, str, Micros]] = {}
    for said, at in exemplars or ():
        one = at, said.commit_sha or "", said.length
        newest[bucket(said.length)] = max(one, newest.get(bucket(said.length), one))
    counts = Counter(map(bucket, lengths))
    return {
        "counts": [counts[place] for place in range(len(EDGES) + 1)],
        "sum": min(sum(lengths), LARGEST),
        "exemplars": [
            {"bucket": place, "commit_sha": sha, "value": length, "at": at}
            for place, (at, sha, length) in sorted(newest.items())
        ],
    }
