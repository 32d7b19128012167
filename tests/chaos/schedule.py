"""A schedule: what breaks while events flow, and when. It follows from its seed and from nothing else."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple

from typing_extensions import override

from schemas.values import DAY, HOUR, SECOND
from streams.core.settings import MetricSettings

WORKERS: Final = ("one", "two", "three")
SESSION: Final = 6.0
"""Seconds that a worker may be silent; Kafka allows no less."""
LONG: Final = os.environ.get("CHAOS_LONG", "") == "1"
"""A broker is away for a minute instead of some seconds."""


class Fault(NamedTuple):
    """One thing that goes wrong."""

    kind: str
    victim: str = ""
    """A worker, where it is about one."""
    seconds: float = 0.0
    """How long it lasts, or how long until what was ended comes back."""
    amount: int = 0
    """What the kind makes of it: seconds of a clock's jump, or 1 for the worse of two forms."""

    @override
    def __str__(self) -> str:
        jump = f"{self.amount:+d}s" if self.kind == "clock" else "!" if self.amount else ""
        return " ".join(filter(None, (self.kind, self.victim, f"{self.seconds:.1f}s" if self.seconds else "", jump)))


class World(NamedTuple):
    """Settings that make everything happen within seconds."""

    name: str
    settings: MetricSettings


_USUAL: Final = MetricSettings(failure_window=HOUR, lateness=SECOND, windows=(2 * HOUR, 7 * DAY))
_SHORT_RETENTION: Final = MetricSettings(
    failure_window=2 * SECOND,
    lateness=SECOND,
    canary_timeout=2 * SECOND,
    windows=(5 * SECOND, 20 * SECOND),
    retention_period=2 * SECOND,
)
USUAL: Final = World("usual", _USUAL)
SHORT_RETENTION: Final = World("retention", _SHORT_RETENTION)
"""The longest window is so short that records are closed all the time."""


@dataclass(frozen=True)
class Schedule:
    """What is done to one installation."""

    seed: int
    faults: tuple[Fault, ...]
    world: World = USUAL
    events: int = 5_000
    seconds: float = 12.0
    """Within which the load is sent, if the broker takes it."""
    gap: tuple[float, float] = (0.3, 2.0)
    """Seconds between two faults."""
    foreign: bool = True
    """Whether some messages have a schema that nobody knows: if one of those is lost, the audit cannot decide."""

    @override
    def __str__(self) -> str:
        return ", ".join(map(str, self.faults))

    @property
    def kinds(self) -> frozenset[str]:
        """What happens at all."""
        return frozenset(fault.kind for fault in self.faults)


def _away(rng: Random) -> float:
    return 60.0 if LONG else rng.uniform(8, 12)


_KINDS: Final[dict[str, Callable[[Random, str], Fault]]] = {
    "kill": lambda rng, name: Fault("kill", name, rng.uniform(0, 2), rng.randrange(2)),
    "pause": lambda rng, name: Fault("pause", name, rng.uniform(1, SESSION / 2)),
    "long pause": lambda rng, name: Fault("pause", name, rng.uniform(SESSION + 1, SESSION + 4)),
    "roll": lambda rng, _: Fault("roll", amount=rng.randrange(2)),
    "scale": lambda rng, _: Fault("scale", seconds=SESSION + rng.uniform(0, 2)),
    "broker killed": lambda rng, _: Fault("broker killed", seconds=rng.uniform(0, 2)),
    "broker away": lambda rng, _: Fault("broker away", seconds=_away(rng)),
    "disk full": lambda rng, name: Fault("disk full", name, rng.uniform(3, 6), rng.randrange(2)),
    "serving killed": lambda rng, _: Fault("serving killed", seconds=rng.choice((0.0, rng.uniform(0, 2)))),
    "clock": lambda rng, name: Fault("clock", name, amount=rng.choice((-1, 1)) * rng.randrange(60, 40 * 86_400)),
}
_QUICK: Final = ("kill", "serving killed", "pause", "clock")


def plan(seed: int) -> Schedule:
    """The schedule of a seed. Seeds in a row go through all kinds, each once as the first fault of a schedule."""
    rng = Random(f"{seed}/chaos")
    kinds = list(_KINDS)
    chosen = [kinds[seed % len(kinds)], *rng.choices(kinds, k=rng.randrange(1, 4))]
    faults = _faults(chosen, rng)
    return Schedule(seed, faults, SHORT_RETENTION if seed % 3 == 0 else USUAL)


def quick_plan(seed: int) -> Schedule:
    """A schedule that costs little: nothing in it takes long to come back."""
    rng = Random(f"{seed}/chaos")
    faults = _faults((_QUICK[seed % len(_QUICK)], rng.choice(_QUICK), rng.choice(_QUICK)), rng)
    return Schedule(seed, faults, SHORT_RETENTION if seed % 2 else USUAL, events=2_000, seconds=5.0, gap=(0.3, 1.0))


def _faults(kinds: Sequence[str], rng: Random) -> tuple[Fault, ...]:
    return tuple(_KINDS[kind](rng, rng.choice(WORKERS)) for kind in kinds)
