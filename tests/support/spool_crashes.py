"""A spool whose process dies between two operations on files: a program, for it forks. Prints JSON.

Called with a folder. Each case is run once to count its operations, then once for each of them: a child kills itself
(SIGKILL) right before it. What it had been told by then stands in a pipe. Afterwards another process drains the folder,
into a broker that is a list.
"""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from typing_extensions import override

from producers.config import ProducerConfig
from producers.delivery.drainer import Drainer
from producers.delivery.encoder import InstallationEncoder
from producers.spool.message_file import SpooledMessage
from producers.spool.spool import Spool, SpoolLimits
from tests.support.publishers import RecordingPublisher

OPERATIONS: Final = ("open", "close", "write", "fsync", "rename", "unlink", "ftruncate", "mkdir", "pwrite")


class Verdict(NamedTuple):
    """What was found after one crash."""

    case: str
    step: int
    acknowledged: list[str]
    """What the child was told is kept, and had not been delivered when it died."""
    delivered: list[str]
    """What it had delivered before."""
    found: list[str]
    """What was sent after the crash."""
    aside: int
    """Files in the quarantine: something half-written was taken for a message."""
    left: int
    room: int
    """How many messages of the same size the spool still takes, of 20."""


def parcel(name: str) -> SpooledMessage:
    return SpooledMessage(name, "shop", name.encode() * 50)


def put_one(spool: Spool, told: Callable[[str], None]) -> None:
    spool.put(parcel("one"))
    told("kept one")


def put_many(spool: Spool, told: Callable[[str], None]) -> None:
    names = ["first", "second", "third"]
    spool.put_all([parcel(name) for name in names])
    for name in names:
        told(f"kept {name}")


def drain(spool: Spool, told: Callable[[str], None]) -> None:
    put_many(spool, told)

    class Telling(RecordingPublisher):
        @override
        def publish(self, messages: Any, report: Any) -> None:
            def heard(message: Any, outcome: Any) -> None:
                told(f"sent {message.event_id}")
                report(message, outcome)

            super().publish(messages, heard)

    Drainer(spool, InstallationEncoder(ProducerConfig(None))).run(Telling())


def quarantine(spool: Spool, told: Callable[[str], None]) -> None:
    put_one(spool, told)
    [entry] = spool.entries()
    spool.quarantine(entry, "for a test")
    told("aside one")


CASES: Final = {case.__name__: case for case in (put_one, put_many, drain, quarantine)}


def run_until(case: str, folder: str, step: int | None) -> tuple[list[str], int]:
    """What a child was told before it died before its operation number `step`, and how many it did."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        with os.fdopen(reading) as pipe:
            lines = pipe.read().splitlines()
        os.waitpid(child, 0)
        counts = [int(line.split()[1]) for line in lines if line.startswith("done")]
        return [line for line in lines if not line.startswith("done")], sum(counts)
    done = 0
    write = os.write

    def counted(operation: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal done
            if done == step:
                os.kill(os.getpid(), signal.SIGKILL)
            done += 1
            return operation(*args, **kwargs)

        return call

    for name in OPERATIONS:
        setattr(os, name, counted(getattr(os, name)))

    def told(line: str) -> None:
        write(writing, f"{line}\n".encode())

    CASES[case](Spool(folder, SpoolLimits(max_files=20)), told)
    write(writing, f"done {done}\n".encode())
    os._exit(0)


def judge(case: str, folder: str, step: int | None, told: list[str]) -> Verdict:
    """Drain what a crash left."""
    sent = [line.removeprefix("sent ") for line in told if line.startswith("sent ")]
    kept = [line.removeprefix("kept ") for line in told if line.startswith("kept ")]
    publisher = RecordingPublisher()
    with Spool(folder, SpoolLimits(max_files=20)) as spool:
        drained = Drainer(spool, InstallationEncoder(ProducerConfig(None))).run(publisher)
        found = [message.event_id for message in publisher.messages]
        for message in publisher.messages:
            assert message.value == message.event_id.encode() * 50
        room = 0
        for number in range(20):
            spool.put(parcel(f"more-{number}"))
            room += 1
        aside = spool.quarantined().files
        left = len(list(Path(folder, "tmp").iterdir())) - 1 + len(drained.aside)
    return Verdict(case, -1 if step is None else step, kept, sent, found, aside, left, room)


def main() -> None:
    verdicts = []
    for case in CASES:
        with tempfile.TemporaryDirectory(dir=sys.argv[1]) as folder:
            told, steps = run_until(case, folder, None)
            verdicts.append(judge(case, folder, None, told))
        for step in range(steps):
            with tempfile.TemporaryDirectory(dir=sys.argv[1]) as folder:
                told, _ = run_until(case, folder, step)
                verdicts.append(judge(case, folder, step, told))
    json.dump([verdict._asdict() for verdict in verdicts], sys.stdout)


if __name__ == "__main__":
    main()
