from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import ClientSession

from streams.worker.health import STALLED_AFTER, HealthServer, liveness, readiness


@dataclass
class Watched:
    why: list[str] = field(default_factory=list)
    oldest: float | None = None
    at: Mapping[int, int] = field(default_factory=dict)

    def why_not_ready(self) -> list[str]:
        return self.why

    def oldest_batch_at(self) -> float | None:
        return self.oldest

    def positions(self) -> Mapping[int, int]:
        return self.at


def test_an_idle_worker_is_alive() -> None:
    assert liveness(Watched(), 1e9) == (200, {"alive": True, "oldest_batch_seconds": 0.0})


def test_a_worker_is_alive_until_a_batch_takes_too_long() -> None:
    assert liveness(Watched(oldest=100.0), 100.0 + STALLED_AFTER - 1)[0] == 200
    assert liveness(Watched(oldest=100.0), 100.0 + STALLED_AFTER)[0] == 503


def test_readiness_says_why_not() -> None:
    status, body = readiness(Watched(why=["the state is being recovered"], at={2: 17}))
    assert status == 503
    assert body == {"ready": False, "why": ["the state is being recovered"], "next_offsets": {"2": 17}}
    assert readiness(Watched())[0] == 200


async def test_the_server_answers_on_a_port_of_its_own() -> None:
    server = HealthServer(Watched(why=["no"]), "127.0.0.1", 0)
    assert server.port == 0
    await server.start()
    try:
        async with ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{server.port}/healthz") as reply:
                assert (reply.status, (await reply.json())["alive"]) == (200, True)
            async with session.get(f"http://127.0.0.1:{server.port}/readyz") as reply:
                assert (reply.status, (await reply.json())["why"]) == (503, ["no"])
    finally:
        await server.stop()
