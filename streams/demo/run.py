"""Run the demo: broker, worker, exporter, ninety days of history in seconds, then a live table.

Everything but the broker is real: events go through `candora-ci emit`, worker and exporter are separate processes, and
the table shows values scraped from /metrics.
"""

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Final, NoReturn

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from schemas.topics import load_topics
from schemas.values import EventValue, Micros
from streams.demo.broker import EmbeddedBroker
from streams.demo.company import history
from streams.demo.disturb import Poison, disturb
from streams.demo.errors import DemoError
from streams.demo.live import live
from streams.demo.metrics_summary import MetricsSummary
from streams.demo.processes import ChildProcess, command, environment, free_port
from streams.demo.send import EventSender
from streams.demo.table import WIDTH, render
from streams.demo.watch import LogWatch, scrape

_GROUP: Final = "candora-demo"
_LATENESS: Final = 2.0
_TICK: Final = 1.0
_BATCH_SIZE: Final = 500
"""Messages per call of `candora-ci emit`."""
_TIMEOUT: Final = 120.0
_POLL_INTERVAL: Final = 0.25
_STABLE_FOR: Final = 1.5
_INTERRUPTED: Final = 130
_NEWS: Final = 2
_MOST_DAYS: Final = 180
"""With more, the embedded broker would drop the oldest messages."""


def run_demo(*, once: bool = False, seed: int = 1, days: int = 90, console: Console | None = None) -> int:
    """Show the table, once or live until Ctrl-C, and return the exit code.

    0 means that it was shown, 1 that something failed (the reason goes to standard error), 130 that it was interrupted
    before there was anything to show.
    """
    console = console or Console(width=None if Console().width <= WIDTH else WIDTH)
    try:
        _check_days(days)
        with _stop_signals(), ExitStack() as stack:
            demo = start_stack(stack)
            summary = play(demo, console, list(disturb(history(seed, _now(), days), seed)))
            if not once:
                summary = _run_live(demo, console, summary, seed)
            console.print(render(summary, demo.watch.dead_letters, demo.url))
    except DemoError as error:
        Console(stderr=True).print(f"[bold red]candora demo:[/] {escape(str(error))}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


def _check_days(days: int) -> None:
    if not 1 <= days <= _MOST_DAYS:
        raise DemoError(f"{days} days cannot be played; 1 to {_MOST_DAYS} can")


@dataclass(frozen=True, slots=True)
class DemoStack:
    """All running parts of the demo, and access to them."""

    url: str
    children: tuple[ChildProcess, ...]
    sender: EventSender
    watch: LogWatch

    def check(self) -> None:
        """Raise DemoError if a process has ended."""
        for child in self.children:
            child.check()


def start_stack(stack: ExitStack) -> DemoStack:
    """Start the broker and the processes; the exit stack stops them in reverse order."""
    home = Path(stack.enter_context(TemporaryDirectory(prefix="candora-demo-")))
    broker = stack.enter_context(EmbeddedBroker())
    broker.create([topic.name for topic in load_topics()])
    broker.create([f"{_GROUP}-state-changelog", f"{_GROUP}-__assignor-__leader"])
    port = free_port()
    environ = environment(
        {
            "CANDORA_KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap,
            "CANDORA_APP_ID": _GROUP,
            "CANDORA_LATENESS": f"{_LATENESS:g}s",
            "CANDORA_TICK_INTERVAL": f"{_TICK:g}s",
            "CANDORA_TRUST_CREATE_TIME": "true",
            "CANDORA_STORE": "memory",
            "CANDORA_DATA_DIR": str(home / "worker"),
            "CANDORA_WEB_HOST": "127.0.0.1",
            "CANDORA_WEB_PORT": "0",
            "CANDORA_LOG_FORMAT": "text",
            "CANDORA_METRICS_PORT": str(port),
        }
    )
    worker = ChildProcess("worker", command("streams.cli", "worker"), environ, home / "worker.log")
    serving = ChildProcess("serving process", command("streams.cli", "serve-metrics"), environ, home / "serving.log")
    children = (stack.enter_context(worker), stack.enter_context(serving))
    watch = LogWatch(broker.bootstrap, _GROUP)
    stack.callback(watch.close)
    return DemoStack(f"http://127.0.0.1:{port}/metrics", children, EventSender(broker.bootstrap, environ), watch)


# --- the history ------------------------------------------------------------------------------------------------------
def play(demo: DemoStack, console: Console, items: Sequence[EventValue | Poison]) -> MetricsSummary:
    """Send the items, wait until all are counted or refused, and return the metrics.

    Raises:
        DemoError: a part of it failed, or has not done its work within `_TIMEOUT` seconds.
    """
    columns = (
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[of]}"),
        TimeElapsedColumn(),
    )
    total = len(items)
    with Progress(*columns, console=console, transient=console.is_terminal) as progress:
        sent = progress.add_task("sent by candora-ci", total=total, of=f"{total:,} messages")
        read = progress.add_task("read by the worker", total=total, of="")
        settled = progress.add_task("judged and on /metrics", total=None, of="")
        for start in range(0, total, _BATCH_SIZE):
            demo.check()
            demo.sender.send(items[start : start + _BATCH_SIZE])
            progress.advance(sent, _BATCH_SIZE)
            progress.update(read, completed=min(sum(demo.watch.read().values()), total - 1))
        ends = demo.watch.ends()
        _wait(demo, "the worker has not read everything", lambda: _read_up_to(demo, ends))
        progress.update(read, completed=total)
        summary = _wait_until_stable(demo, sum(isinstance(item, Poison) for item in items))
        progress.update(settled, total=1, completed=1)
    return summary


def _read_up_to(demo: DemoStack, ends: dict[int, int]) -> bool:
    read = demo.watch.read()
    return all(read[partition] >= end for partition, end in ends.items())


def _wait_until_stable(demo: DemoStack, poisons: int) -> MetricsSummary:
    """Return the metrics once the lateness has passed and they no longer change."""
    threading.Event().wait(_LATENESS + 2 * _TICK)
    _wait(
        demo,
        f"the worker has not refused all of {poisons} bad messages",
        lambda: _refused(demo) >= poisons,
    )
    last: tuple[float, MetricsSummary | None] = (time.monotonic(), None)

    def same() -> bool:
        nonlocal last
        now, summary = time.monotonic(), scrape(demo.url)
        if summary != last[1]:
            last = (now, summary)
        return summary is not None and not summary.empty and now - last[0] >= _STABLE_FOR

    _wait(demo, "the numbers on /metrics have not settled", same)
    if last[1] is None:
        raise DemoError("/metrics stopped answering")
    return last[1]


def _refused(demo: DemoStack) -> int:
    demo.watch.read_dead_letters()
    return demo.watch.dead_letters.total()


def _wait(demo: DemoStack, problem: str, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _TIMEOUT
    while not done():
        demo.check()
        if time.monotonic() > deadline:
            raise DemoError(f"{problem} within {_TIMEOUT:g} s")
        time.sleep(_POLL_INTERVAL)


# --- live -------------------------------------------------------------------------------------------------------------
def _run_live(demo: DemoStack, console: Console, summary: MetricsSummary, seed: int) -> MetricsSummary:
    """Run live until Ctrl-C, the regular end, and return the last summary."""
    stories = live(seed, _now())
    upcoming = next(stories)
    news: deque[str] = deque(maxlen=_NEWS)
    try:
        with Live(console=console, auto_refresh=False, transient=True) as screen:
            while True:
                due = []
                while upcoming.at <= _now():
                    due.append(upcoming.item)
                    upcoming = next(stories)
                demo.check()
                demo.sender.send(due)
                news.extend(_describe(item) for item in due)
                demo.watch.read_dead_letters()
                summary = scrape(demo.url) or summary
                screen.update(render(summary, demo.watch.dead_letters, demo.url, news, live=True), refresh=True)
                time.sleep(_POLL_INTERVAL)
    except KeyboardInterrupt:
        return summary


def _describe(item: EventValue | Poison) -> str:
    """Describe an event in one line."""
    clock = datetime.now(UTC).astimezone().strftime("%H:%M:%S")
    if isinstance(item, Poison):
        return f"{clock}  {item.key.decode():<13}  refused: {item.reason}"
    about = item["deployment_id"] or item["incident_id"] or item["change_id"] or (item["commit_sha"] or "")[:12]
    return f"{clock}  {item['service']:<13}  {item['event_type']:<18}  {about}"


def _now() -> Micros:
    return time.time_ns() // 1000


@contextmanager
def _stop_signals() -> Iterator[None]:
    """Handle SIGTERM and SIGHUP like Ctrl-C, so that no process is left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
