"""Any log of valid events: the core reads, publishes, stores and restores it."""

from random import Random

from tests.fuzz.targets.guided import Guided, search, watched

with watched("streams.core"):
    from tests.fuzz.oracle import run_log
    from tests.fuzz.wild_logs import wild_log

LONGEST = 40


def target(data: bytes) -> None:
    """The bytes decide everything: what happens, when, and how many messages a batch has."""
    choices = Guided(data)
    batch = choices.integer(1, LONGEST)
    run_log(wild_log(choices, LONGEST), batch)


if __name__ == "__main__":
    chance = Random(4)
    search(target, (chance.randbytes(2048) for _ in range(40)))
