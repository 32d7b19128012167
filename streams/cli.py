"""`candora`: run the workers and the serving process, look after the topics, and compute numbers from a file."""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from typing_extensions import override

from schemas.duration import parse_duration
from schemas.errors import ContractError
from schemas.values import SECOND, Micros

if TYPE_CHECKING:
    from confluent_kafka import KafkaException
    from pydantic_settings import BaseSettings

    from streams.compute import Answer

    Settings = TypeVar("Settings", bound=BaseSettings)
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - it has no other name

USAGE: Final = 2
UNREACHABLE: Final = 3

_DESCRIPTION: Final = """\
Delivery metrics from an event log: change failure rate, lead time, time to restore.

Settings come from CANDORA_… variables, Kafka client settings (SASL, TLS) from KAFKA_… variables."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answer the exit code."""
    given = _parser().parse_args(arguments)
    try:
        code: int = given.run(given)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


class _Version(argparse.Action):
    """Loads what it tells of only when it is asked."""

    def __init__(self, option_strings: Sequence[str], dest: str, **given: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **given)

    @override
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from streams.version import describe

        print(describe())
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="candora", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action=_Version, help="show the version, and whether the core is compiled")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    worker = commands.add_parser("worker", help="join events into deployments, incidents, changes and metrics")
    worker.set_defaults(run=_worker)

    serve = commands.add_parser("serve-metrics", help="answer Prometheus: one process, complete before it answers")
    serve.set_defaults(run=_serve_metrics)

    topics = commands.add_parser("topics", help="create the topics, or check them")
    actions = topics.add_subparsers(title="actions", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="create the topics that are missing")
    create.add_argument("--partitions", type=int, help="of deploy_events (and of the state); it can never change")
    create.add_argument("--replication", type=int, default=1, help="copies of every partition (default: 1)")
    create.set_defaults(run=_topics_create)
    check = actions.add_parser("check", help="compare partitions, retention, compaction and time stamps; exit 1 if off")
    check.set_defaults(run=_topics_check)

    audit = commands.add_parser("audit", help="recompute everything from the log; exit 1 if what is published differs")
    audit.add_argument("--wait", type=_duration, default=parse_duration("60s"), help="for the workers (default: 60s)")
    audit.add_argument("--most", type=int, default=20, help="how many differences to tell (default: 20)")
    audit.add_argument("--processes", type=int, default=0, help="to recompute with (default: one per processor)")
    audit.add_argument("--json", action="store_true", help="print one JSON object")
    audit.set_defaults(run=_audit)

    rebuild = commands.add_parser("rebuild", help="make state and outputs anew from the log, beside the running ones")
    rebuild.add_argument("--app-id", help="of the new workers (default: the next, as candora-worker-2)")
    rebuild.add_argument("--output-prefix", help="of the new output topics (default: the next, as v2-)")
    rebuild.add_argument("--wait", type=_duration, default=parse_duration("60s"), help="for progress (default: 60s)")
    rebuild.add_argument("--switch-file", type=Path, metavar="PATH", help="write there what to set to switch over")
    rebuild.set_defaults(run=_rebuild)

    doctor = commands.add_parser("doctor", help="say what is set up so that numbers would come out wrong")
    whose = doctor.add_subparsers(title="things", required=True, metavar="THING")
    prometheus = whose.add_parser("prometheus", help="its settings, targets and rules; exit 1 if there is a problem")
    prometheus.add_argument("url", metavar="URL", help="e.g. http://prometheus:9090")
    prometheus.add_argument("--job", default="candora", help="the scrape job of the serving process (default: candora)")
    prometheus.add_argument("--json", action="store_true", help="print one JSON array")
    prometheus.set_defaults(run=_doctor)

    _add_compute(commands)
    _add_backfill(commands)
    _add_report(commands)

    demo = commands.add_parser("demo", help="ninety days of a simulated company, with nothing to install")
    demo.add_argument("--once", action="store_true", help="print the table once and leave")
    demo.add_argument("--seed", type=int, default=1, help="another company (default: 1)")
    demo.add_argument("--days", type=int, default=90, help="how much history to play (default: 90)")
    demo.set_defaults(run=_demo)
    return parser


def _add_compute(commands: "Commands") -> None:
    compute = commands.add_parser("compute", help="the numbers of a file of events, with no broker")
    compute.add_argument("events", metavar="EVENTS.jsonl", help="one event per line; - reads standard input")
    compute.add_argument("--at", type=_time, metavar="TIME", help="the moment to look from (default: now)")
    compute.add_argument("--window", type=_duration, default=parse_duration("30d"), help="default: 30d")
    compute.add_argument("--failure-window", type=_duration, default=parse_duration("24h"), help="default: 24h")
    compute.add_argument("--lateness", type=_duration, default=parse_duration("15m"), help="default: 15m")
    compute.add_argument("--canary-timeout", type=_duration, default=parse_duration("24h"), help="default: 24h")
    compute.add_argument(
        "--failing-severities", type=_severities, default=("sev1", "sev2"), metavar="NAMES", help="default: sev1,sev2"
    )
    compute.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    compute.set_defaults(run=_compute)


def _add_backfill(commands: "Commands") -> None:
    backfill = commands.add_parser("backfill", help="give Prometheus the time before it scraped")
    things = backfill.add_subparsers(title="things", required=True, metavar="THING")
    past = things.add_parser("metrics", help="replay the log in event time, and write what /metrics would have shown")
    past.add_argument("--from", dest="begin", type=_time, required=True, metavar="TIME", help="the first moment")
    past.add_argument(
        "--to", dest="end", type=_time, required=True, metavar="TIME", help="the last; 3 h ago or earlier"
    )
    past.add_argument("--step", type=_step, default=parse_duration("5m"), help="between two moments (default: 5m)")
    past.add_argument("--events", metavar="FILE", help="read this file of events, not Kafka; - is standard input")
    past.add_argument("--job", default="candora", help="as the scrape configuration says (default: candora)")
    past.add_argument("--instance", default="candora", help="as the scrape configuration says (default: candora)")
    into = past.add_mutually_exclusive_group(required=True)
    into.add_argument("--output", type=Path, metavar="FILE", help="write OpenMetrics for promtool")
    into.add_argument("--blocks", type=Path, metavar="FOLDER", help="let promtool write blocks into Prometheus' data")
    past.set_defaults(run=_backfill)


def _add_report(commands: "Commands") -> None:
    report = commands.add_parser("report", help="the delivery review of a week, a quarter or any other time")
    report.add_argument("--week", nargs="?", const="", metavar="N", help="13 or 2026-W13 (default: the last whole one)")
    report.add_argument("--quarter", nargs="?", const="", metavar="N", help="1 or 2026-Q1 (alone: the last whole one)")
    report.add_argument("--last", type=_duration, metavar="LENGTH", help="e.g. 7d or 90d, up to the last full hour")
    report.add_argument("--from", dest="begin", type=_time, metavar="TIME", help="the begin of any other time")
    report.add_argument("--to", dest="end", type=_time, metavar="TIME", help="the end of --from or --last")
    report.add_argument("--env", action="append", metavar="ENV", help="default: CANDORA_PRODUCTION_ENVS, or prod")
    report.add_argument("--service", action="append", metavar="GLOB", help="only these services, e.g. 'shop-*'")
    report.add_argument("--events", metavar="FILE", help="read this file of events, not Kafka; - is standard input")
    formats = ("terminal", "markdown", "html", "json")
    report.add_argument("--format", choices=formats, default="terminal", help="default: terminal (80 columns)")
    report.add_argument("--output", type=Path, metavar="FILE", help="write there, not to standard output")
    report.set_defaults(run=_report)


def _duration(text: str) -> Micros:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _severities(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not {*names} <= {"sev1", "sev2", "sev3", "sev4", "sev5"}:
        raise argparse.ArgumentTypeError(f"{text!r} are no severities: write some of sev1 to sev5, as in sev1,sev2")
    return names


def _step(text: str) -> Micros:
    step = _duration(text)
    if step < SECOND:
        raise argparse.ArgumentTypeError(f"{text!r} is too short: give a second at least")
    return step


def _time(text: str) -> Micros:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 2026-01-20T00:00:00Z") from error
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no time zone: write 2026-01-20T00:00:00Z")
    return round(moment.timestamp() * SECOND)


def _fail(code: int, message: object) -> int:
    print(f"candora: {message}", file=sys.stderr)
    return code


def _settings(kind: "type[Settings]") -> "Settings":
    """The settings of a process, from the environment; one line for each that is wrong ends the command."""
    from pydantic import ValidationError

    try:
        return kind()
    except ValidationError as error:
        prefix = str(kind.model_config.get("env_prefix", ""))
        for fault in error.errors(include_url=False, include_context=False):
            name = prefix + "_".join(str(part) for part in fault["loc"]).upper()
            _fail(USAGE, f"{name}: {fault['msg']} (given: {fault['input']!r})")
        raise SystemExit(USAGE) from error


def _worker(_: argparse.Namespace) -> int:
    """It does not return: Faust's worker ends the process with its own exit code."""
    from streams.worker.run import run_worker
    from streams.worker.settings import WorkerSettings

    return run_worker(_settings(WorkerSettings))


def _serve_metrics(_: argparse.Namespace) -> int:
    import logging

    from confluent_kafka import KafkaException

    from streams.serving.reader import ReadingFailed
    from streams.serving.run import serve_metrics
    from streams.serving.settings import ServingSettings

    settings = _settings(ServingSettings)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        serve_metrics(settings)
    except KafkaException as error:
        return _wrong_client(error)
    except (ReadingFailed, OSError) as error:
        return _fail(1, error)
    return 0


def _topics_create(given: argparse.Namespace) -> int:
    from streams.topics import TopicsUnreachable, create_topics, wanted_topics
    from streams.worker.settings import WorkerSettings

    if given.replication < 1 or (given.partitions is not None and given.partitions < 1):
        return _fail(USAGE, "--partitions and --replication must be at least 1")
    settings = _settings(WorkerSettings)
    try:
        wanted = wanted_topics(settings.app_id, settings.topic_prefix, given.partitions, settings.output_prefix)
        created = create_topics(_admin(settings.client()), wanted, given.replication)
    except TopicsUnreachable as error:
        return _fail(UNREACHABLE, error)
    for one in wanted:
        print(f"{'created' if one.name in created else 'exists '}  {one.name}")
    return 0


def _topics_check(_: argparse.Namespace) -> int:
    from streams.topics import TopicsUnreachable, check_topics, wanted_topics
    from streams.worker.settings import WorkerSettings

    settings = _settings(WorkerSettings)
    try:
        wanted = wanted_topics(settings.app_id, settings.topic_prefix, outputs=settings.output_prefix)
        found = check_topics(_admin(settings.client()), wanted)
    except TopicsUnreachable as error:
        return _fail(UNREACHABLE, error)
    for one in found:
        print(f"{'off' if one.problems else 'ok '}  {one.name}")
        for problem in one.problems:
            print(f"     {problem}")
    return 1 if any(one.problems for one in found) else 0


def _admin(client: dict[str, str]):  # type: ignore[no-untyped-def]  # noqa: ANN202 - its class is imported late
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    try:
        # What goes wrong is raised and told once; librdkafka would log it every 50 ms.
        return AdminClient({**client, "log_level": 0, "reconnect.backoff.ms": 500})
    except KafkaException as error:
        raise SystemExit(_wrong_client(error)) from error


def _wrong_client(error: "KafkaException") -> int:
    """Tell what librdkafka does not take of its settings; anything else that it raises is a fault of this program."""
    from confluent_kafka import KafkaError

    reason = error.args[0]
    if reason.code() != KafkaError._INVALID_ARG:  # noqa: SLF001 - it has no other name
        raise error
    return _fail(USAGE, f"the Kafka client does not take its settings: {reason.str()}; look at the KAFKA_… variables")


def _audit(given: argparse.Namespace) -> int:
    from streams.audit.cli import run_audit

    return run_audit(given)


def _doctor(given: argparse.Namespace) -> int:
    from streams.doctor.cli import run_doctor

    return run_doctor(given)


def _rebuild(given: argparse.Namespace) -> int:
    from streams.rebuild.cli import run_rebuild
    from streams.worker.settings import WorkerSettings

    return run_rebuild(given, _settings(WorkerSettings))


def _backfill(given: argparse.Namespace) -> int:
    from streams.backfill.cli import run_backfill
    from streams.worker.settings import WorkerSettings

    return run_backfill(given, _settings(WorkerSettings))


def _report(given: argparse.Namespace) -> int:
    from streams.report.cli import run_report
    from streams.worker.settings import WorkerSettings

    return run_report(given, _settings(WorkerSettings), time.time_ns() // 1000)


def _compute(given: argparse.Namespace) -> int:
    from streams.compute import compute, read_events
    from streams.core.settings import Settings

    at = given.at if given.at is not None else time.time_ns() // 1000
    try:
        settings = Settings(
            failure_window=given.failure_window,
            lateness=given.lateness,
            windows=(given.window,),
            failing_severities=given.failing_severities,
            canary_timeout=given.canary_timeout,
        )
    except ValueError as error:
        return _fail(USAGE, error)
    try:
        if given.events == "-":
            answer, later = compute(read_events(sys.stdin), at, settings, given.window)
        else:
            with Path(given.events).open(encoding="utf-8-sig") as lines:
                answer, later = compute(read_events(lines), at, settings, given.window)
    except ContractError as error:
        return _fail(USAGE, f"{given.events}: {error}")
    except UnicodeDecodeError as error:
        return _fail(USAGE, f"{given.events}: is not UTF-8: {error}")
    except OSError as error:
        return _fail(USAGE, error)
    if later:
        print(f"candora: left out {later} events that lie in the future of --at", file=sys.stderr)
    if given.json:
        print(json.dumps(answer, indent=1, sort_keys=True))
    else:
        _print_table(answer)
    return 0


def _print_table(answer: "Answer") -> None:
    from streams.compute import table

    for line in table(answer):
        print(line)


def _demo(given: argparse.Namespace) -> int:
    from streams.demo.run import run_demo

    return run_demo(once=given.once, seed=given.seed, days=given.days)


if __name__ == "__main__":
    sys.exit(main())
