"""A schedule from its first message to its verdict."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final
from uuid import uuid4

from confluent_kafka import KafkaException

from schemas.values import SECOND, Micros
from tests.chaos.sampler import Sampler
from tests.chaos.schedule import SHORT_RETENTION, Schedule
from tests.chaos.stage import ChaosFailed, Commands, Stage
from tests.chaos.traffic import Traffic, events_of, finished, messages_of
from tests.support.builders.scrapes import numbers
from tests.support.servers.installation import published
from tests.support.servers.kafka import KafkaBroker

PATIENCE: Final = 120.0
"""Seconds until the broker must have everything."""


@dataclass
class Outcome:
    """What came of a schedule."""

    schedule: Schedule
    messages: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    """Each begins with who found it: audit, sampler, truth or stage."""
    answers: Mapping[int, int] = field(default_factory=dict)
    """Answers of /metrics, by status."""
    ended: list[str] = field(default_factory=list)
    """Processes that ended by themselves."""

    @property
    def verdict(self) -> str:
        """One word or more."""
        finders = dict.fromkeys(one.partition(":")[0] for one in self.problems)
        return f"FAILED: {', '.join(finders)}" if finders else "equal"

    def line(self) -> str:
        """A row of the table of results."""
        scrapes = self.answers.get(200, 0)
        cells = (
            str(self.schedule.seed),
            self.schedule.world.name,
            str(self.schedule),
            str(self.messages),
            str(scrapes),
            str(len(self.ended)),
            f"{self.seconds:.0f}",
            self.verdict,
        )
        return f"| {' | '.join(cells)} |"


HEADER: Final = (
    "| seed | world | faults | messages | scrapes | ended by themselves | seconds | result |\n"
    "|---|---|---|---|---|---|---|---|"
)


def run_schedule(kafka: KafkaBroker, folder: Path, schedule: Schedule, broken: str = "nothing") -> Outcome:
    """Build an installation, break it as the schedule says, and judge what it publishes. Leaves nothing running."""
    outcome, began = Outcome(schedule), time.monotonic()
    variables = _variables(schedule)
    prefix = f"chaos-{schedule.seed}-{uuid4().hex[:6]}-"
    with Commands(folder, broken=broken, variables=variables) as commands:
        stage = Stage.build(kafka, prefix, folder, schedule, commands)
        try:
            _run(stage, outcome)
        except (AssertionError, KafkaException, OSError) as failure:  # told with the schedule that led to it
            outcome.problems.append(f"stage: {type(failure).__name__}: {failure}")
        finally:
            for process in commands.running:
                process.kill()
            stage.close()
    outcome.ended = stage.ended
    outcome.seconds = time.monotonic() - began
    return outcome


def _variables(schedule: Schedule) -> dict[str, str]:
    """What only a program of the tests can be told; nothing in the usual world, which runs `candora` as it is."""
    if schedule.world is not SHORT_RETENTION:
        return {}
    return {"CHAOS_FOLD_PERIOD": str(schedule.world.settings.retention_period)}


def _run(stage: Stage, outcome: Outcome) -> None:
    schedule, installation = stage.schedule, stage.installation
    installation.create_topics()
    stage.start()
    events = events_of(schedule.seed, schedule.events, _now())
    messages = messages_of(events, schedule.seed, foreign=schedule.foreign)
    outcome.messages = len(messages)
    sampler = Sampler(stage.serving)
    traffic = Traffic(stage.kafka.bootstrap, installation.topic("deploy_events"), messages, schedule.seconds)
    sampler.start()
    traffic.start()
    try:
        _strike(stage)
        if not stage.tend_until(lambda: not traffic.is_alive() and not stage.waiting, PATIENCE):
            raise ChaosFailed("the load was not taken by the broker in time")
        if traffic.failed:
            raise ChaosFailed(f"the broker did not take {len(traffic.failed)} messages: {traffic.failed[0]}")
        due_at = _now()
        code, said = stage.audit()
        if code:
            outcome.problems.append(f"audit: exit code {code}\n{said}")
        if schedule.world is not SHORT_RETENTION:
            outcome.problems.extend(_untrue(stage, finished(events, schedule.world.settings, due_at, _now())))
    finally:
        traffic.give_up()
        sampler.end()
    outcome.answers = sampler.answers
    outcome.problems.extend(f"sampler: {fault}" for fault in sampler.faults)
    if not sampler.answers[200]:
        outcome.problems.append("sampler: /metrics never answered")


def _strike(stage: Stage) -> None:
    rng = Random(f"{stage.schedule.seed}/gaps")
    for fault in stage.schedule.faults:
        stage.tend_for(rng.uniform(*stage.schedule.gap))
        stage.strike(fault)


def _untrue(stage: Stage, truth: Mapping[str, range]) -> list[str]:
    """What /metrics says otherwise than the topics, or the topics otherwise than the load."""
    deadline = time.monotonic() + 20
    while True:
        try:
            before = {key[0]: value["counters"]["deployments"] for key, value in _snapshots(stage).items()}
        except KafkaException as error:  # a broker that has just come back
            before = {}
            if time.monotonic() > deadline:
                return [f"truth: the topics cannot be read: {error}"]
        stage.tend_for(0.5)
        reply = stage.serving.get("/metrics")
        shown = numbers(stage.serving.text()) if reply is not None and reply.status == 200 else {}
        found = _problems(before, shown, truth)
        if not found or time.monotonic() > deadline:
            return found


def _snapshots(stage: Stage) -> dict[tuple[str, str], dict[str, dict[str, int]]]:
    records = published(stage.installation).metrics
    return {key: value for key, value in records.items() if key[1]}  # type: ignore[misc]


def _problems(
    held: Mapping[str, int], shown: Mapping[tuple[str, tuple[tuple[str, str], ...]], float], truth: Mapping[str, range]
) -> list[str]:
    found = []
    for service, within in truth.items():
        count = held.get(service, 0)
        if count not in within:
            found.append(f"truth: {service} has {count} judged deployments, and there were {within}")
        seen = shown.get(("deployments_total", (("env", "prod"), ("service", service))), 0)
        if not within.stop > seen >= count:
            found.append(f"truth: /metrics shows {seen:g} judged deployments of {service}, the topic {count}")
    return found


def _now() -> Micros:
    return time.time_ns() // 1_000_000_000 * SECOND
