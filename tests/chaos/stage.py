"""One installation, what is done to it, and whoever brings back what has ended, as an operator's supervisor does."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from typing_extensions import override

from schemas.duration import format_duration
from tests.chaos.machines import Clock, Disk
from tests.chaos.schedule import SESSION, WORKERS, Fault, Schedule
from tests.support.servers.exporter import Serving
from tests.support.servers.installation import Installation
from tests.support.servers.kafka import KafkaBroker
from tests.support.servers.processes import POLL, Process, Processes, free_port, packages_env

PROGRAM: Final = str(Path(__file__).with_name("program.py"))
BACKOFF: Final = 1.0
"""Seconds between two starts of one worker, at least."""
UNDECIDED: Final = 2
AUDIT_AGAIN: Final = 20.0
"""Seconds after the first audit in which Kafka may be silent."""
_SILENT: Final = ("Kafka does not say", "cannot be read on", "has sent nothing")
MOST_STARTS: Final = 25
"""Of one worker in one schedule; more is a worker that cannot come back."""


class ChaosFailed(AssertionError):
    """The installation is not what it should be; the message says why."""


@dataclass
class Commands(Processes):
    """Starts `candora`, broken as told, and ends it in silence."""

    broken: str = "nothing"
    variables: Mapping[str, str] = field(default_factory=dict)

    @override
    def __exit__(self, *_exc: object) -> None:
        for process in reversed(self.running):
            process.kill()

    @override
    def candora(self, *args: str, env: Mapping[str, str] | None = None) -> Process:
        """Start `candora ARGS...`. Whoever judges is never broken."""
        whole = {**packages_env(), **self.variables, **(env or {})}
        broken = self.broken if args[0] in {"worker", "serve-metrics"} else "nothing"
        if broken == "nothing" and not self.variables and "CHAOS_CLOCK" not in whole:
            return super().candora(*args, env=env)
        return self.start(sys.executable, PROGRAM, broken, *args, env=whole, name=f"candora {args[0]}")


@dataclass
class Stage:
    """The processes of one schedule."""

    kafka: KafkaBroker
    installation: Installation
    schedule: Schedule
    serving_port: int = field(default_factory=free_port)
    serving_process: Process | None = None
    disks: dict[str, Disk] = field(default_factory=dict)
    clocks: dict[str, Clock] = field(default_factory=dict)
    wanted: set[str] = field(default_factory=lambda: set(WORKERS))
    ended: list[str] = field(default_factory=list)
    """Workers that ended by themselves, and their exit codes."""
    started: dict[str, list[float]] = field(default_factory=dict)
    waiting: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    """What is to be done later, each at its time."""

    @classmethod
    def build(cls, kafka: KafkaBroker, prefix: str, folder: Path, schedule: Schedule, commands: Commands) -> "Stage":
        """The topics, and what the faults need; nothing runs yet."""
        installation = Installation(kafka, prefix, commands, folder, schedule.world.settings)
        stage = cls(kafka, installation, schedule)
        for fault in schedule.faults:
            if fault.kind == "disk full" and fault.victim not in stage.disks:
                stage.disks[fault.victim] = Disk.mount(folder / f"disk-{fault.victim}")
            if fault.kind == "clock" and fault.victim not in stage.clocks:
                stage.clocks[fault.victim] = Clock(folder / f"clock-{fault.victim}")
        return stage

    def close(self) -> None:
        """Give back what the machine lent."""
        for disk in self.disks.values():
            disk.unmount()

    # --- processes ----------------------------------------------------------------------------------------------------

    @property
    def env(self) -> dict[str, str]:
        """What workers and the audit are told alike."""
        settings = self.schedule.world.settings
        return {
            **self.installation.env,
            "CANDORA_LATENESS": format_duration(settings.lateness),
            "CANDORA_WINDOWS": ",".join(map(format_duration, settings.windows)),
            "CANDORA_FAILURE_WINDOW": format_duration(settings.failure_window),
            "CANDORA_CANARY_TIMEOUT": format_duration(settings.canary_timeout),
        }

    @property
    def serving(self) -> Serving:
        """Whatever serves; the address is always the same."""
        assert self.serving_process is not None
        return Serving(f"http://127.0.0.1:{self.serving_port}", self.serving_process)

    def start(self) -> None:
        """Start everything, and wait until it works."""
        self.start_serving()
        for name in WORKERS:
            self.start_worker(name)
        self.installation.await_workers()
        self.serving.ready()

    def start_serving(self) -> None:
        """`candora serve-metrics`."""
        env = {**self.installation.env, "CANDORA_METRICS_PORT": str(self.serving_port)}
        self.serving_process = self.installation.processes.candora("serve-metrics", env=env)

    def start_worker(self, name: str, **env: str) -> None:
        """`candora worker`."""
        variables = {
            **self.env,
            "CANDORA_SESSION_TIMEOUT": f"{SESSION:g}s",
            "CANDORA_TICK_INTERVAL": "1s",
            "CANDORA_BATCH_RECORDS": "100",
            **(self.clocks[name].env if name in self.clocks else {}),
            **({"CANDORA_DATA_DIR": str(self.disks[name].folder / "state")} if name in self.disks else {}),
            **env,
        }
        self.installation.start_worker(name, **variables)
        self.started.setdefault(name, []).append(time.monotonic())

    def process(self, name: str) -> Process:
        """A worker's process, running or ended."""
        return self.installation.workers[name].process

    def tend(self) -> None:
        """Do what is due, and start again what has ended."""
        now = time.monotonic()
        due = [action for at, action in self.waiting if at <= now]
        self.waiting = [(at, action) for at, action in self.waiting if at > now]
        for action in due:
            action()
        for name in self.wanted:
            code = self.process(name).exit_code
            if code is not None and now - self.started[name][-1] > BACKOFF:
                self.ended.append(f"{name} {code}")
                self._start_again(name)
        if self.serving_process is not None and self.serving_process.exit_code is not None:
            self.ended.append(f"serving {self.serving_process.exit_code}")
            self.start_serving()

    def _start_again(self, name: str) -> None:
        if len(self.started[name]) >= MOST_STARTS:
            raise ChaosFailed(f"worker {name} cannot come back; the end of its log:\n{self.process(name).tail()}")
        self.start_worker(name)

    def tend_for(self, seconds: float) -> None:
        """Let time pass."""
        self.tend_until(lambda: False, seconds)

    def tend_until(self, look: Callable[[], bool], seconds: float) -> bool:
        """Let time pass until something holds; False if it does not in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.tend()
            if look():
                return True
            time.sleep(POLL)
        return False

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something after so many seconds, while other things go wrong."""
        self.waiting.append((time.monotonic() + seconds, action))

    # --- faults -------------------------------------------------------------------------------------------------------

    def strike(self, fault: Fault) -> None:
        """Let it happen. What comes back later does so while other things go wrong."""
        _STRIKES[fault.kind](self, fault)

    def _kill(self, fault: Fault) -> None:
        """With an amount, its disk is gone too."""
        name = fault.victim
        if name not in self.wanted:
            return
        self.wanted.discard(name)
        self.process(name).kill()

        def back() -> None:
            lost = {"CANDORA_DATA_DIR": str(self.installation.folder / f"new-{name}-{len(self.started[name])}")}
            self.wanted.add(name)
            self.start_worker(name, **(lost if fault.amount and name not in self.disks else {}))

        self.later(fault.seconds, back)

    def _pause(self, fault: Fault) -> None:
        process = self.process(fault.victim)
        if process.exit_code is None:
            process.pause()
            self.later(fault.seconds, lambda: process.resume() if process.exit_code is None else None)

    def _roll(self, fault: Fault) -> None:
        """With an amount, the next one is told to end when the one before it has begun, not when it is ready."""
        for name in sorted(self.wanted):
            process = self.process(name)
            self.wanted.discard(name)
            if process.exit_code is None:
                process.popen.terminate()
            gone = self.tend_until(lambda process=process: process.exit_code is not None, 40)  # type: ignore[misc]
            if not gone:
                raise ChaosFailed(f"worker {name} has not ended 40 s after SIGTERM:\n{process.tail()}")
            self.wanted.add(name)
            self.start_worker(name)
            self.tend_until(lambda name=name: bool(fault.amount or self.installation.workers[name].held()), 10)  # type: ignore[misc]

    def _scale(self, fault: Fault) -> None:
        """Down to one, up to three, down to two."""
        for name in WORKERS[1:]:
            self._retire(name)
        self.tend_for(fault.seconds)
        for name in WORKERS[1:]:
            self.wanted.add(name)
            self.start_worker(name)
        self.tend_for(fault.seconds / 2)
        self._retire(WORKERS[2])

    def _retire(self, name: str) -> None:
        if name in self.wanted:
            self.wanted.discard(name)
            if self.process(name).exit_code is None:
                self.process(name).popen.terminate()

    def _kill_broker(self, fault: Fault) -> None:
        self.kafka.kill()
        self.tend_for(fault.seconds)
        self.kafka.start()

    def _stop_broker(self, fault: Fault) -> None:
        self.kafka.stop()
        self.tend_for(fault.seconds)
        self.kafka.start()

    def _fill_disk(self, fault: Fault) -> None:
        """With an amount, the worker is killed as well, and must open its state on the full disk."""
        name, disk = fault.victim, self.disks[fault.victim]
        disk.fill(self.process(name))
        if fault.amount and disk.mounted:
            self.process(name).kill()
        self.later(fault.seconds, lambda: disk.free(self.process(name)))

    def _kill_serving(self, fault: Fault) -> None:
        process, self.serving_process = self.serving_process, None
        assert process is not None
        process.kill()
        self.tend_for(fault.seconds)
        self.start_serving()

    def _set_clock(self, fault: Fault) -> None:
        self.clocks[fault.victim].set(fault.amount)

    # --- the judgement ------------------------------------------------------------------------------------------------

    def audit(self) -> tuple[int, str]:
        """`candora audit`, while everything is looked after: its exit code and what it says.

        A broker that has just come back may not answer every question yet: what was undecided for that is asked again.
        """
        deadline = time.monotonic() + AUDIT_AGAIN
        while True:
            code, said = self._audit()
            if code != UNDECIDED or not any(map(said.__contains__, _SILENT)) or time.monotonic() > deadline:
                return code, said

    def _audit(self) -> tuple[int, str]:
        process = self.installation.processes.candora("audit", "--wait", "60s", "--processes", "2", env=self.env)
        if not self.tend_until(lambda: process.exit_code is not None, 150):
            raise ChaosFailed(f"the audit has not ended:\n{process.tail()}")
        return process.wait(1), process.tail(60)


_STRIKES: Final[dict[str, Callable[[Stage, Fault], None]]] = {
    "kill": Stage._kill,
    "pause": Stage._pause,
    "roll": Stage._roll,
    "scale": Stage._scale,
    "broker killed": Stage._kill_broker,
    "broker away": Stage._stop_broker,
    "disk full": Stage._fill_disk,
    "serving killed": Stage._kill_serving,
    "clock": Stage._set_clock,
}
