"""Promises: what several senders wait for is put together, and each hears what became of its own."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from typing_extensions import override

from producers.sidecar.limits import Capacity, TokenBuckets
from producers.sidecar.rejections import RequestRejected
from producers.sidecar.slo.gate import QueryGrid, SloGate
from producers.sidecar.slo.settings import SloSettings
from producers.sidecar.spool_writer import SpoolWriter
from producers.spool.message_file import SpooledMessage
from producers.spool.spool import Spool, SpoolLimits
from schemas.values import EventValue
from tests.support.fakes.sidecar import ALERTS, Sidecar


class Held(Spool):
    """A spool whose disk takes its time until it is let go."""

    def __init__(self, folder: str, limits: SpoolLimits | None = None) -> None:
        super().__init__(folder, limits)
        self.go = threading.Event()
        self.puts: list[int] = []

    @override
    def put_all(self, parcels: Sequence[SpooledMessage]) -> None:
        self.go.wait(10)
        self.puts.append(len(parcels))
        super().put_all(parcels)


def parcel(name: str) -> SpooledMessage:
    return SpooledMessage(name, "shop", b"value")


def spool_writer(spool: Spool, patience: float = 5.0) -> SpoolWriter:
    return SpoolWriter(spool, patience, lambda: None, lambda _: None)


async def test_what_comes_while_the_disk_is_busy_is_put_together(tmp_path: Path) -> None:
    with Held(str(tmp_path)) as spool:
        writer = spool_writer(spool)
        waiting = [asyncio.create_task(writer.write_in_time([parcel(str(number))])) for number in range(10)]
        await asyncio.sleep(0)
        spool.go.set()
        await asyncio.gather(*waiting)
        writer.close()

        assert sum(spool.puts) == 10
        assert len(spool.puts) <= 2
        assert len(spool.entries()) == 10


async def test_of_those_put_together_only_those_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with Held(str(tmp_path), SpoolLimits(max_files=3)) as spool:
        writer = spool_writer(spool)
        sizes = (1, 5, 2)
        requests = [[parcel(f"{size}-{number}") for number in range(size)] for size in sizes]
        waiting = [asyncio.create_task(writer.write_in_time(request)) for request in requests]
        await asyncio.sleep(0)
        spool.go.set()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        writer.close()

        assert [getattr(outcome, "reason", None) for outcome in outcomes] == [None, "spool_full", None]
        assert len(spool.entries()) == 3


async def test_nobody_waits_longer_than_a_sender_does(tmp_path: Path) -> None:
    with Held(str(tmp_path)) as spool:
        writer = spool_writer(spool, patience=0.01)
        with pytest.raises(RequestRejected) as refused:
            await writer.write_in_time([parcel("slow")])
        assert refused.value.reason == "spool_slow"
        spool.go.set()
        writer.close()


async def test_a_fault_is_raised_to_each_who_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Spool(str(tmp_path)) as spool:
        writer = spool_writer(spool)
        monkeypatch.setattr(spool, "put_all", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await writer.write_in_time([parcel("one")])
        writer.close()


async def test_a_resolution_waits_for_its_objective_in_a_folder_of_its_own(tmp_path: Path) -> None:
    async def never(_: EventValue) -> None:
        raise AssertionError("nothing leaves before its time")

    async def ask(_: str, __: QueryGrid) -> None:
        return None

    objective = {"service": "shop", "query": "up", "at_least": 1}
    settings = SloSettings.model_validate({"prometheus": "http://prometheus.example", "objectives": [objective]})
    resolved = {**ALERTS["alerts"][0], "status": "resolved", "endsAt": "2026-11-23T11:59:30Z"}
    async with Sidecar(tmp_path) as sidecar:
        sidecar.receiver.slo = SloGate(settings, str(tmp_path / "waiting"), never, ask)
        status, answer = await sidecar.webhook("alertmanager", {**ALERTS, "alerts": [*ALERTS["alerts"], resolved]})

        assert (status, len(answer["events"])) == (202, 2)
        assert [event["event_type"] for event in sidecar.kept_events()] == ["incident_opened"]
        assert sidecar.receiver.slo.state.waiting == 1
        sidecar.metrics.watch(sidecar.receiver.slo)
        assert b"delivery_sidecar_slo_waiting 1.0" in sidecar.metrics.text()
        await sidecar.receiver.slo.stop()


def test_a_bucket_fills_up_again_and_no_further() -> None:
    now = [0.0]
    buckets = TokenBuckets(rate=2.0, burst=3, clock=lambda: now[0])

    assert [buckets.take("a") for _ in range(4)] == [True, True, True, False]
    assert buckets.take("b")
    now[0] = 0.5
    assert [buckets.take("a") for _ in range(2)] == [True, False]
    now[0] = 100.0
    assert [buckets.take("a") for _ in range(4)] == [True, True, True, False]


def test_a_capacity_gets_back_what_was_taken() -> None:
    capacity = Capacity(3)
    with capacity.lease() as first, capacity.lease() as second:
        assert first.more(2)
        assert not second.more(2)
        assert second.more(1)
        assert capacity.used == 3
    assert capacity.used == 0
