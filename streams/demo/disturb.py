"""Disturb events in transit: duplicates, disorder, and invalid messages that every reader must refuse."""

from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from random import Random
from typing import Final, NamedTuple

from schemas.codec.codec import frame
from schemas.errors import DeadLetterReason
from schemas.events import new_event_id
from schemas.ids import pinned_encoder
from schemas.values import DAY, EventValue

_REPEATED: Final = 0.08
_DELAYED: Final = 0.15
_DELAYED_LONG: Final = 0.003
_SHORT, _LONG = 40, 600
_POISON_EVERY: Final = 110
_FOREIGN_SCHEMA: Final = 7_000_001
_FAR_AHEAD: Final = 3 * 366 * DAY


class Poison(NamedTuple):
    """A message that the worker must refuse, and why. `misplaced`: sent to a partition that is not its key's."""

    reason: DeadLetterReason
    key: bytes
    value: bytes
    misplaced: bool = False


Poisoner = Callable[[EventValue, Random], Poison]


def disturb(events: Iterable[EventValue], seed: int) -> Iterator[EventValue | Poison]:
    """Yield the same events, some duplicated, many delayed, with every kind of invalid message among them.

    No event is lost. One is delayed by at most 600 positions, as when a spool delivers after an outage.
    """
    rng = Random(f"{seed}/disturb")
    waiting: list[tuple[int, int, EventValue]] = []
    kinds = _poisoners(rng)
    sequence = 0
    for position, event in enumerate(events):
        for delay in _delays(rng):
            heappush(waiting, (position + delay, sequence, event))
            sequence += 1
        while waiting and waiting[0][0] <= position:
            yield heappop(waiting)[2]
        if position % _POISON_EVERY == _POISON_EVERY // 2:
            yield next(kinds)(event, rng)
    while waiting:
        yield heappop(waiting)[2]


def _delays(rng: Random) -> list[int]:
    """Draw the delay, in positions, of each copy of an event."""
    dice = rng.random()
    if dice < _DELAYED_LONG:
        first = rng.randrange(_SHORT, _LONG)
    elif dice < _DELAYED:
        first = rng.randrange(1, _SHORT)
    else:
        first = 0
    if rng.random() < _REPEATED:
        return [first, first + rng.randrange(_SHORT)]
    return [first]


# --- poison -----------------------------------------------------------------------------------------------------------
def _poisoners(rng: Random) -> Iterator[Poisoner]:
    """Yield the kinds in random order, each once before any is repeated."""
    while True:
        yield from rng.sample(POISONERS, len(POISONERS))


def _variant(event: EventValue, rng: Random) -> EventValue:
    """Copy an event with a new id, so that a refused message is never taken for the valid event."""
    copy = event.copy()
    copy["event_id"] = str(new_event_id(f"poison|{rng.getrandbits(64)}"))
    return copy


def _key(event: EventValue) -> bytes:
    return event["service"].encode()


def _garbage(event: EventValue, rng: Random) -> Poison:
    return Poison("undecodable", _key(event), b"{not avro}" + rng.randbytes(24))


def _cut_short(event: EventValue, rng: Random) -> Poison:
    whole = pinned_encoder("deploy_event").encode(_variant(event, rng))
    return Poison("undecodable", _key(event), whole[: len(whole) // 2])


def _foreign_schema(event: EventValue, rng: Random) -> Poison:
    return Poison("unknown_schema", _key(event), frame(_FOREIGN_SCHEMA, rng.randbytes(60)))


def _short_sha(event: EventValue, rng: Random) -> Poison:
    copy = _variant(event, rng)
    copy["event_type"], copy["commit_sha"] = "artifact_built", "abc1234"
    return Poison("failed_validation", _key(event), pinned_encoder("deploy_event").encode(copy))


def _bad_clock(event: EventValue, rng: Random) -> Poison:
    copy = _variant(event, rng)
    copy["occurred_at"] += _FAR_AHEAD
    return Poison("future_timestamp", _key(event), pinned_encoder("deploy_event").encode(copy))


def _other_key(event: EventValue, rng: Random) -> Poison:
    copy = _variant(event, rng)
    return Poison("wrong_key", b"not-" + _key(event), pinned_encoder("deploy_event").encode(copy))


def _other_partition(event: EventValue, rng: Random) -> Poison:
    copy = _variant(event, rng)
    return Poison("wrong_partition", _key(event), pinned_encoder("deploy_event").encode(copy), misplaced=True)


POISONERS: Final[tuple[Poisoner, ...]] = (
    _garbage,
    _cut_short,
    _foreign_schema,
    _short_sha,
    _bad_clock,
    _other_key,
    _other_partition,
)
"""One function for every kind of message that must be refused."""


def poison(event: EventValue, rng: Random) -> Poison:
    """Make an invalid message of a random kind from a valid event."""
    return rng.choice(POISONERS)(event, rng)
