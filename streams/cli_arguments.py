"""The command line of `candora`: its commands, flags and help texts."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NoReturn

from typing_extensions import override

from schemas.duration import parse_duration
from schemas.values import SECOND, Micros

USAGE: Final = 2
UNREACHABLE: Final = 3

Commands = argparse._SubParsersAction  # noqa: SLF001 - it has no other name

_DESCRIPTION: Final = """\
Delivery metrics from an event log: change failure rate, lead time, time to
restore.

Settings come from CANDORA_… variables, Kafka client settings (SASL, TLS) from
KAFKA_… variables; docs/operating.md has them all."""
_BROKERS: Final = {"CANDORA_KAFKA_BOOTSTRAP_SERVERS": "the brokers (default: localhost:9092)"}
_LOG: Final = "read this file of events, not Kafka; - is standard input"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; `command` of what it parsed names the one asked for, as in "topics create"."""
    parser = _Parser(
        prog="candora",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, help="show the version, and whether the core is compiled")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_worker(commands)
    _add_serve_metrics(commands)
    _add_topics(commands)
    _add_audit(commands)
    _add_rebuild(commands)
    _add_doctor(commands)
    _add_compute(commands)
    _add_backfill(commands)
    _add_report(commands)
    _add_trace(commands)
    _add_demo(commands)
    return parser


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as `candora-ci` does, where argparse would print its usage first."""

    @override
    def error(self, message: str) -> NoReturn:
        problem = message.replace("expected one argument", "needs a value, which must not begin with -")
        self.exit(USAGE, f"candora: {problem}; see `{self.prog} --help`\n")

    @override
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Name a flag that it does not know, where argparse would only miss the command."""
        given = sys.argv[1:] if args is None else list(args)
        first = given[0] if given else ""
        if self._subparsers is not None and first.startswith("-") and first not in self._option_string_actions:
            meant = get_close_matches(first, self._option_string_actions, 1)
            self.error(f"unrecognized argument {first}" + (f", did you mean {meant[0]}" if meant else ""))
        return super().parse_known_args(given, namespace)


class _Version(argparse.Action):
    """Loads what it shows only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, **given: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **given)

    @override
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from streams.terminal.version import describe  # noqa: PLC0415 - it loads the core

        sys.stdout.write(f"{describe()}\n")
        parser.exit()


def _add(
    commands: "Commands[Any]",
    name: str,
    says: str,
    exits: Mapping[int, str],
    environment: Mapping[str, str] | None = None,
) -> argparse.ArgumentParser:
    """Add a command with its exit codes, and the variables that one has to know of to begin."""
    codes = {**exits, USAGE: exits.get(USAGE, "wrong usage, or a setting that makes no sense")}
    end = _table("exit codes", {str(code): codes[code] for code in sorted(codes)})
    if environment:
        end = _table("environment (the rest is in docs/operating.md)", environment) + "\n\n" + end
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=says,
        description=f"{says[0].upper()}{says[1:]}.",
        epilog=end,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(command=parser.prog.removeprefix("candora "))
    return parser


def _table(title: str, rows: Mapping[str, str]) -> str:
    width = max(map(len, rows))
    return "\n".join([f"{title}:", *(f"  {name:<{width}}  {text}" for name, text in rows.items())])


def _group(commands: "Commands[Any]", name: str, says: str, title: str) -> "Commands[Any]":
    """Add a command that has commands of its own."""
    parser = commands.add_parser(name, help=says, description=f"{says[0].upper()}{says[1:]}.", allow_abbrev=False)
    group: Commands[Any] = parser.add_subparsers(title=f"{title}s", required=True, metavar=title.upper())
    return group


def _add_worker(commands: "Commands[Any]") -> None:
    says = "join events into deployments, incidents, changes and metrics"
    exits = {0: "stopped by SIGTERM or Ctrl-C", 1: "it could not go on; the log says why, a restart may mend it"}
    known = {
        **_BROKERS,
        "CANDORA_INSTANCE_ID": "a name that it keeps (default: the host's)",
        "CANDORA_DATA_DIR": "a folder of its own (default: candora-data)",
        "CANDORA_LOG_FORMAT": "json (default) or text",
    }
    _add(commands, "worker", says, exits, known)


def _add_serve_metrics(commands: "Commands[Any]") -> None:
    says = "answer Prometheus: one process, complete before it answers"
    exits = {0: "stopped by SIGTERM or Ctrl-C", 1: "the address is taken, or a topic was made anew: start it again"}
    known = {
        **_BROKERS,
        "CANDORA_METRICS_HOST": "who may connect (default: 127.0.0.1)",
        "CANDORA_METRICS_PORT": "default: 9464",
    }
    _add(commands, "serve-metrics", says, exits, known)


def _add_topics(commands: "Commands[Any]") -> None:
    actions = _group(commands, "topics", "create the topics, or check them", "action")
    unreachable = {UNREACHABLE: "Kafka does not answer, or refuses"}
    create = _add(
        actions, "create", "create the topics that are missing", {0: "all are there", **unreachable}, _BROKERS
    )
    create.add_argument(
        "--partitions", type=_at_least(1), metavar="N", help="of deploy_events (and of the state); it can never change"
    )
    create.add_argument(
        "--replication", type=_at_least(1), default=1, metavar="N", help="copies of every partition (default: 1)"
    )
    says = "compare partitions, retention, compaction and time stamps; exit 1 if off"
    exits = {0: "all are as they should be", 1: "a topic is missing or off", **unreachable}
    _add(actions, "check", says, exits, _BROKERS)


def _add_audit(commands: "Commands[Any]") -> None:
    says = "recompute everything from the log; exit 1 if what is published differs"
    exits = {0: "equal", 1: "different", 2: "could not be decided, or wrong usage"}
    audit = _add(commands, "audit", says, exits, _BROKERS)
    audit.add_argument("--wait", **_DURATION, default=parse_duration("60s"), help="for the workers (default: 60s)")
    audit.add_argument(
        "--most", type=_at_least(1), default=20, metavar="N", help="how many differences to show (default: 20)"
    )
    audit.add_argument(
        "--processes",
        type=_at_least(1),
        default=0,
        metavar="N",
        help="to recompute with (default: one per processor)",
    )
    audit.add_argument("--json", action="store_true", help="print one JSON object")


def _add_rebuild(commands: "Commands[Any]") -> None:
    says = "make state and outputs anew from the log, beside the running ones"
    exits = {0: "ready to be switched over to", 1: "different", 2: "could not be decided, or wrong usage"}
    rebuild = _add(commands, "rebuild", says, exits, _BROKERS)
    rebuild.add_argument("--app-id", metavar="NAME", help="of the new workers (default: the next: candora-worker-2)")
    rebuild.add_argument("--output-prefix", metavar="PREFIX", help="of the new output topics (default: the next: v2-)")
    rebuild.add_argument("--wait", **_DURATION, default=parse_duration("60s"), help="for progress (default: 60s)")
    rebuild.add_argument("--switch-file", type=Path, metavar="FILE", help="write there what to set to switch over")


def _add_doctor(commands: "Commands[Any]") -> None:
    says = "say what is set up so that numbers would come out wrong"
    things = _group(commands, "doctor", says, "thing")
    exits = {0: "nothing is wrong", 1: "something is", UNREACHABLE: "Prometheus does not answer"}
    prometheus = _add(things, "prometheus", "its settings, targets and rules; exit 1 if there is a problem", exits)
    prometheus.add_argument("url", metavar="URL", help="e.g. http://prometheus:9090")
    prometheus.add_argument(
        "--job", default="candora", metavar="NAME", help="the scrape job of the serving process (default: candora)"
    )
    prometheus.add_argument("--json", action="store_true", help="print one JSON array")


def _add_compute(commands: "Commands[Any]") -> None:
    exits = {0: "done", 2: "wrong usage, or a line that is no event: it is named with its field"}
    compute = _add(commands, "compute", "the numbers of a file of events, with no broker", exits)
    compute.add_argument("events", metavar="EVENTS.jsonl", help="one event per line; - reads standard input")
    compute.add_argument("--at", type=_time, metavar="TIME", help="the moment to look from (default: now)")
    compute.add_argument(
        "--window", **_DURATION, default=parse_duration("30d"), help="how far the numbers look back (default: 30d)"
    )
    compute.add_argument(
        "--failure-window",
        **_DURATION,
        default=parse_duration("24h"),
        help="how long after it finished a deployment may still fail (default: 24h)",
    )
    compute.add_argument(
        "--lateness",
        **_DURATION,
        default=parse_duration("15m"),
        help="how long every number waits for what is late (default: 15m)",
    )
    compute.add_argument(
        "--canary-timeout",
        **_DURATION,
        default=parse_duration("24h"),
        help="after which a canary that never finished is abandoned (default: 24h)",
    )
    compute.add_argument(
        "--failing-severities",
        type=_severities,
        default=("sev1", "sev2"),
        metavar="NAMES",
        help="incidents of these fail a deployment (default: sev1,sev2)",
    )
    compute.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def _add_backfill(commands: "Commands[Any]") -> None:
    things = _group(commands, "backfill", "give Prometheus the time before it scraped", "thing")
    exits = {
        0: "written",
        1: "promtool failed",
        2: "wrong usage, or a line that is no event",
        UNREACHABLE: "Kafka does not answer",
    }
    says = "replay the log in event time, and write what /metrics would have shown"
    past = _add(things, "metrics", says, exits, _BROKERS)
    past.add_argument("--from", dest="begin", type=_time, required=True, metavar="TIME", help="the first moment")
    past.add_argument(
        "--to", dest="end", type=_time, required=True, metavar="TIME", help="the last; 3 h ago or earlier"
    )
    past.add_argument(
        "--step",
        type=_step,
        default=parse_duration("5m"),
        metavar="DURATION",
        help="between two moments (default: 5m)",
    )
    past.add_argument("--events", metavar="FILE", help=_LOG)
    for name in ("job", "instance"):
        past.add_argument(
            f"--{name}", default="candora", metavar="NAME", help="as the scrape configuration says (default: candora)"
        )
    into = past.add_mutually_exclusive_group(required=True)
    into.add_argument("--output", type=Path, metavar="FILE", help="write OpenMetrics for promtool")
    into.add_argument("--blocks", type=Path, metavar="FOLDER", help="let promtool write blocks into Prometheus' data")


def _add_report(commands: "Commands[Any]") -> None:
    exits = {0: "written", 2: "wrong usage, or a line that is no event", UNREACHABLE: "Kafka does not answer"}
    report = _add(commands, "report", "the delivery review of a week, a quarter or any other time", exits, _BROKERS)
    report.add_argument("--week", nargs="?", const="", metavar="N", help="13 or 2026-W13 (default: the last whole one)")
    report.add_argument("--quarter", nargs="?", const="", metavar="N", help="1 or 2026-Q1 (alone: the last whole one)")
    report.add_argument("--last", **_DURATION, help="e.g. 7d or 90d, up to the last full hour")
    report.add_argument("--from", dest="begin", type=_time, metavar="TIME", help="the begin of any other time")
    report.add_argument("--to", dest="end", type=_time, metavar="TIME", help="the end of --from or --last")
    report.add_argument(
        "--env", action="append", metavar="ENV", help="default: CANDORA_PRODUCTION_ENVS, or prod; repeatable"
    )
    report.add_argument(
        "--service", action="append", metavar="GLOB", help="only these services, e.g. 'shop-*'; repeatable"
    )
    report.add_argument("--events", metavar="FILE", help=_LOG)
    formats = ("terminal", "markdown", "html", "json")
    report.add_argument("--format", choices=formats, default="terminal", help="default: terminal (80 columns)")
    report.add_argument("--output", type=Path, metavar="FILE", help="write there, not to standard output")


def _add_trace(commands: "Commands[Any]") -> None:
    exits = {
        0: "shown",
        1: "nothing goes by this name",
        2: "wrong usage, a name that is short for several, or a line that is no event",
        UNREACHABLE: "Kafka does not answer",
    }
    says = "from a commit to its deployments and incidents, and back"
    trace = _add(commands, "trace", says, exits, _BROKERS)
    trace.add_argument(
        "what",
        metavar="WHAT",
        help="a commit (7 characters or more), a request such as acme/shop#12 or #12, a deployment, an incident",
    )
    trace.add_argument("--at", type=_time, metavar="TIME", help="the moment to look from (default: now)")
    trace.add_argument("--service", action="append", metavar="GLOB", help="look only for what is of these; repeatable")
    trace.add_argument("--events", metavar="FILE", help=_LOG)
    trace.add_argument("--json", action="store_true", help="print one JSON object")


def _add_demo(commands: "Commands[Any]") -> None:
    exits = {0: "the table was shown", 1: "a part of it did not start or work: it says which"}
    demo = _add(commands, "demo", "ninety days of a simulated company, with nothing to install", exits)
    demo.add_argument("--once", action="store_true", help="print the table once and leave")
    demo.add_argument("--seed", type=int, default=1, metavar="N", help="another company (default: 1)")
    demo.add_argument("--days", type=_at_least(1), default=90, metavar="N", help="how much history (default: 90)")


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and int(text) >= least):
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
        return int(text)

    return number


def _duration(text: str) -> Micros:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


_DURATION: Final[Mapping[str, Any]] = {"type": _duration, "metavar": "DURATION"}


def _step(text: str) -> Micros:
    step = _duration(text)
    if step < SECOND:
        raise argparse.ArgumentTypeError(f"{text!r} is too short: give a second at least")
    return step


def _severities(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not {*names} <= {"sev1", "sev2", "sev3", "sev4", "sev5"}:
        raise argparse.ArgumentTypeError(f"{text!r} are no severities: write some of sev1 to sev5, as in sev1,sev2")
    return names


def _time(text: str) -> Micros:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 2026-01-20T00:00:00Z") from error
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no time zone: write 2026-01-20T00:00:00Z")
    return round(moment.timestamp() * SECOND)
