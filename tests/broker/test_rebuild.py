"""`candora rebuild` on a real Kafka: everything anew beside what runs, and a switch that no counter notices."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions
from typing_extensions import override

from schemas.duration import format_duration
from schemas.ids import pinned_decoder, pinned_encoder
from schemas.values import SECOND
from tests.support.builders.scrapes import number, numbers
from tests.support.events import cause, opened, promoted
from tests.support.load import load
from tests.support.log import Raw
from tests.support.servers.exporter import Serving
from tests.support.servers.installation import PARTITIONS, Installation, assert_same, home, published, recompute
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import Process, Processes

pytestmark = [pytest.mark.proof, pytest.mark.timeout(400)]

Series = tuple[str, tuple[tuple[str, str], ...]]

BANK: Final = next(name for name in ("bank", "cart", "mail", "auth") if home(name) != home("shop"))
WORKERS: Final = ("one", "two")
_RISING: Final = ("_total", "_count", "_sum", "_bucket")


@dataclass
class Rebuilt(Installation):
    """The installation after a switch: the same log, other state and outputs."""

    app_id: str = ""
    outputs: str = ""

    @property
    @override
    def group(self) -> str:
        return self.app_id

    @property
    @override
    def env(self) -> dict[str, str]:
        return {**super().env, "CANDORA_APP_ID": self.app_id, "CANDORA_OUTPUT_PREFIX": self.outputs}

    @override
    def topic(self, base: str) -> str:
        return (self.prefix if base == "deploy_events" else self.outputs) + base


def command(place: Installation, *args: str) -> Process:
    """`candora ARGS` with the settings of the workers of an installation."""
    numbers = {
        "CANDORA_LATENESS": format_duration(place.settings.lateness),
        "CANDORA_WINDOWS": ",".join(map(format_duration, place.settings.windows)),
        "CANDORA_SESSION_TIMEOUT": "10s",
    }
    return place.processes.candora(*args, env={**place.env, **numbers})


def rebuild(place: Installation, *args: str) -> Rebuilt:
    """What `candora rebuild` says is to be switched over to."""
    path = place.folder / f"switch-{time.monotonic_ns()}"
    process = command(place, "rebuild", "--switch-file", str(path), *args)
    assert process.wait(120) == 0, process.tail()
    assert "ready. To switch over:" in process.tail()
    said = dict(line.split("=") for line in path.read_text("utf-8").splitlines())
    assert sorted(said) == ["CANDORA_APP_ID", "CANDORA_OUTPUT_PREFIX"]
    return Rebuilt(
        place.kafka,
        place.prefix,
        place.processes,
        place.folder,
        app_id=said["CANDORA_APP_ID"],
        outputs=said["CANDORA_OUTPUT_PREFIX"],
    )


def roll(old: Installation, new: Installation) -> None:
    """Restart the workers one by one, each with the new settings, its name and its disk."""
    for name in WORKERS:
        assert old.workers.pop(name).process.terminate() == 0
        new.start_worker(name)
    new.await_workers()


def some_load(count: int, seed: int, step: int = SECOND) -> Iterator[Any]:
    return load(count, 30, time.time_ns() // 1000, seed=seed, step=step)


@contextmanager
def going_on(place: Installation) -> Iterator[None]:
    """Events, what is no event, and causes in another service, all the while."""
    done = threading.Event()

    def feed() -> None:
        for seed in range(1_000, 100_000):
            place.produce_events(some_load(40, seed))
            place.produce([Raw(b"shop", b"no event")])
            link = cause(service=BANK, deployment="B1")
            place.produce_events([opened(f"i{seed}", "13:00", cause=link, service="shop")])
            if done.wait(0.05):
                return

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        yield
    finally:
        done.set()
        feeder.join()


@contextmanager
def running(kafka: KafkaBroker, folder: Path) -> Iterator[Installation]:
    """Two workers that have read a few thousand events."""
    with Processes(folder) as processes:
        place = Installation(kafka, f"{folder.name}-{folder.stat().st_mtime_ns}-", processes, folder)
        place.create_topics().start_workers(*WORKERS)
        place.produce_events([promoted("B1", "12:00", sha="c1", service=BANK)])
        place.produce_events(some_load(3_000, seed=1, step=600 * SECOND))
        place.settle()
        yield place


def counters(serving: Serving) -> dict[Series, float]:
    """All that may only rise, of the numbers that the workers make."""
    return {
        series: value
        for series, value in numbers(serving.text()).items()
        if series[0].endswith(_RISING) and not series[0].startswith("delivery_serving_")
    }


def fallen(before: Mapping[Series, float], after: Mapping[Series, float]) -> dict[Series, tuple[float, float | None]]:
    return {series: (was, after.get(series)) for series, was in before.items() if after.get(series, -1) < was}


def await_all_refused(place: Installation, serving: Serving) -> None:
    """Wait for the serving process to know of all dead letters: it looks every 15 s."""
    refused = sum(place.ends("deploy_events_dead").values())

    def looked() -> bool:
        return number(serving.text(), "delivery_dead_letters_total") == refused

    place.await_that(looked, f"{refused} dead letters on /metrics", 30)


def links(place: Installation) -> list[str]:
    """The ids of all cause_linked in the log."""
    decoder: Any = pinned_decoder("deploy_event")
    found: list[str] = []
    for message in place.read("deploy_events"):
        value = message.value() or b""
        if value != b"no event" and (event := decoder.decode(value))["event_type"] == "cause_linked":
            found.append(event["event_id"])
    return found


def test_rebuilt_and_switched_under_load(kafka: KafkaBroker, tmp_path: Path) -> None:
    """While load goes on no counter falls; without load no number differs, and what comes then is counted once."""
    with running(kafka, tmp_path) as place:
        serving = place.start_serving()
        with going_on(place):
            second = rebuild(place)
            assert (second.app_id, second.outputs) == (f"{place.group}-2", f"{place.prefix}v2-")
            told = links(place)
            assert len(told) == len(set(told)) > 10, "the rebuild has told causes that the workers tell"
            roll(place, second)
            audit = command(second, "audit")
            assert audit.wait(120) == 0, audit.tail()
            last = counters(serving)
            serving.process.terminate()
            serving = second.start_serving()
            assert fallen(last, counters(serving)) == {}
        second.settle()
        second.await_served(serving)
        await_all_refused(second, serving)
        before = counters(serving)
        assert len(before) > 1_000

        third = rebuild(second)
        assert (third.app_id, third.outputs) == (f"{place.group}-3", f"{place.prefix}v3-")
        roll(second, third)
        serving.process.terminate()
        serving = third.start_serving()
        assert counters(serving) == before

        where = {"service": "shop", "env": "prod"}
        then = number(serving.text(), "deployments_total", **where) or 0
        third.produce_events([promoted(f"later-{each}", "12:00", sha="d", service="shop") for each in range(5)])
        third.settle()
        assert number(third.await_served(serving), "deployments_total", **where) == then + 5
        assert fallen(before, counters(serving)) == {}
        assert_same(published(third), recompute(third).records)
        third.stop()


def test_a_rebuild_that_was_killed_goes_on(kafka: KafkaBroker, tmp_path: Path) -> None:
    with running(kafka, tmp_path) as place:
        names = ("--app-id", f"{place.prefix}other", "--output-prefix", f"{place.prefix}other-")
        first = command(place, "rebuild", *names)
        other = Rebuilt(
            place.kafka, place.prefix, place.processes, place.folder, app_id=names[1], outputs=names[3], workers={}
        )
        first.wait_until(lambda: True if sum(other.committed().values()) else None, "anything read", 60)
        first.kill()
        again = command(place, "rebuild", *names, "--wait", "2s")
        assert again.wait(60) == 2
        assert f"1 workers of {other.app_id} are running" in again.tail()
        rebuild(place, *names)
        assert_same(published(other), recompute(other).records)
        place.stop()


def test_what_is_published_differs(kafka: KafkaBroker, tmp_path: Path) -> None:
    """A false record of the running workers is told, and so is one among what was rebuilt."""
    with running(kafka, tmp_path) as place:
        (service, env), snapshot = next(item for item in published(place).metrics.items() if item[0][1] == "prod")
        counted = snapshot["counters"]
        false = {**snapshot, "counters": {**counted, "deployments": counted["deployments"] + 1}}
        put(place, f"{service}/{env}", false)
        process = command(place, "rebuild")
        assert process.wait(120) == 1, process.tail()
        right, wrong = counted["deployments"], counted["deployments"] + 1
        name = f"delivery_metrics {service}/{env}"
        assert f"{name}: counters.deployments: published {wrong}, rebuilt {right}" in process.tail()
        assert "ready" not in process.tail()

        put(place, f"{service}/{env}", snapshot)
        second = rebuild(place)
        put(second, f"{service}/{env}", false)
        process = command(place, "rebuild")
        assert process.wait(120) == 1, process.tail()
        assert f"different: {name}" in process.tail()
        place.stop()


def put(place: Installation, key: str, value: Any) -> None:
    """Publish a snapshot as if a worker had."""
    producer = Producer({"bootstrap.servers": place.kafka.bootstrap, "partitioner": "murmur2_random"})
    producer.produce(place.topic("delivery_metrics"), pinned_encoder("delivery_metrics").encode(value), key)
    assert producer.flush(30) == 0


@pytest.fixture
def idle(kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path) -> Installation:
    """Topics with two events that no worker has read."""
    place = Installation(kafka, unique, processes, tmp_path).create_topics()
    place.produce_events([promoted(name, "12:00", service="shop") for name in ("S1", "S2")])
    return place


def undecided(place: Installation, *args: str) -> str:
    process = command(place, "rebuild", *args)
    assert process.wait(90) == 2, process.tail()
    return process.tail()


def test_workers_that_do_not_run(idle: Installation) -> None:
    """Whether they have told every cause that was passed over here cannot be known."""
    told = undecided(idle, "--wait", "2s")
    assert f"the running workers ({idle.group}) have read partition {home('shop')}" in told
    assert "up to 0, the rebuild up to 2" in told


def test_a_log_that_lost_its_oldest_messages(idle: Installation) -> None:
    oldest = [TopicPartition(idle.topic("deploy_events"), home("shop"), 1)]
    admin = AdminClient({"bootstrap.servers": idle.kafka.bootstrap})
    [deleted] = admin.delete_records(oldest).values()
    deleted.result(30)
    assert f"deploy_events[{home('shop')}] begins at offset 1" in undecided(idle)


def test_names_of_what_runs_are_refused(idle: Installation) -> None:
    assert "choose others with --app-id" in undecided(idle, "--app-id", idle.group)
    assert "choose others with --app-id" in undecided(idle, "--output-prefix", idle.prefix)


def test_a_log_that_got_more_partitions(idle: Installation) -> None:
    """Services would have to be looked for in two places: the workers end and say what to do, and so does a rebuild."""
    topic, admin = idle.topic("deploy_events"), AdminClient({"bootstrap.servers": idle.kafka.bootstrap})
    admin.create_partitions([NewPartitions(topic, PARTITIONS + 1)])[topic].result(30)
    worker = idle.start_worker("one").process
    assert worker.wait(60) != 0
    said = f"{idle.group}-state-changelog has {PARTITIONS} partitions, {topic} has {PARTITIONS + 1}: they must be equal"
    assert said in worker.tail(200)
    assert "begin another log: set a new CANDORA_TOPIC_PREFIX" in worker.tail(200)
    assert said in undecided(idle)


def test_a_changelog_created_later_fits_the_events(idle: Installation) -> None:
    """Whatever --partitions says, or the default."""
    other = Rebuilt(
        idle.kafka, idle.prefix, idle.processes, idle.folder, app_id=f"{idle.group}-2", outputs=f"{idle.prefix}v2-"
    )
    create = command(other, "topics", "create")
    assert create.wait(60) == 0
    assert f"created  {other.group}-state-changelog" in create.tail()
    assert f"exists   {idle.topic('deploy_events')}" in create.tail()
    assert command(other, "topics", "check").wait(60) == 0


def test_topics_that_do_not_exist(kafka: KafkaBroker, unique: str, processes: Processes, tmp_path: Path) -> None:
    place = Installation(kafka, unique, processes, tmp_path)
    told = undecided(place)
    assert f"has no topic {unique}changes" in told
    assert "are CANDORA_TOPIC_PREFIX, CANDORA_OUTPUT_PREFIX and CANDORA_APP_ID those of the running workers?" in told
