"""`candora`: run the workers and the serving process, look after the topics, and compute numbers from a file."""

import argparse
import errno
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from schemas.errors import ContractError
from streams.cli_arguments import UNREACHABLE, USAGE, build_parser
from streams.terminal.os_errors import in_words

if TYPE_CHECKING:
    from confluent_kafka import KafkaException
    from pydantic_settings import BaseSettings

    from streams.replay.compute import ComputedNumbers

    AnySettings = TypeVar("AnySettings", bound=BaseSettings)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answer the exit code."""
    try:
        code = _run(build_parser().parse_args(arguments))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _drop_output()
        return 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _drop_output()
        return _fail(USAGE, f"cannot write: {in_words(error)}")
    return code


def _run(given: argparse.Namespace) -> int:
    try:
        return _RUN[given.command](given)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in {"", "schemas", "producers", "streams"}:
            raise
        return _fail(USAGE, f"`candora {given.command}` needs {missing}: pip install 'candora[streams]'")


def _drop_output() -> None:
    """Python would try to write once more at its end, and fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(code: int, message: object) -> int:
    print(f"candora: {message}", file=sys.stderr)
    return code


def _settings(kind: "type[AnySettings]") -> "AnySettings":
    """Return the settings of a process, from the environment; one line for each that is wrong ends the command."""
    from pydantic import ValidationError

    for name, meant in _misspelt(kind):
        print(f"candora: warning: {name} is set and is no setting; did you mean {meant}?", file=sys.stderr)
    try:
        return kind()
    except ValidationError as error:
        prefix = str(kind.model_config.get("env_prefix", ""))
        for fault in error.errors(include_url=False, include_context=False):
            name = f"{prefix}{fault['loc'][0]}".upper()
            _fail(USAGE, f"{name}: {fault['msg'].removeprefix('Value error, ')} (given: {fault['input']!r})")
        raise SystemExit(USAGE) from error


def _misspelt(kind: "type[BaseSettings]") -> Iterator[tuple[str, str]]:
    """Yield variables that almost name a setting, and that setting: unnoticed, the default would be used instead."""
    from difflib import get_close_matches

    prefix = str(kind.model_config.get("env_prefix", ""))
    known = {f"{prefix}{field}".upper() for field in kind.model_fields}
    for name in sorted(os.environ):
        if name.startswith(prefix) and name not in known:
            yield from ((name, meant) for meant in get_close_matches(name, known, 1, _ALMOST))


def _worker(_: argparse.Namespace) -> int:
    """Run a worker. It does not return: Faust ends the process with its own exit code."""
    from streams.settings.installation import WorkerSettings
    from streams.worker.run import run_worker

    return run_worker(_settings(WorkerSettings))


def _serve_metrics(_: argparse.Namespace) -> int:
    import logging

    from confluent_kafka import KafkaException

    from streams.exporter.reader import OutputReadError
    from streams.exporter.run import serve_metrics
    from streams.exporter.settings import ServingSettings

    settings = _settings(ServingSettings)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        serve_metrics(settings)
    except KafkaException as error:
        return _wrong_client(error)
    except OutputReadError as error:
        return _fail(1, error)
    except OSError as error:
        where = f"{settings.metrics_host}:{settings.metrics_port}"
        return _fail(1, f"cannot listen on {where} (CANDORA_METRICS_HOST, CANDORA_METRICS_PORT): {_cause(error)}")
    return 0


def _cause(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)


def _topics_create(given: argparse.Namespace) -> int:
    from streams.kafka.topics import TopicsUnreachable, create_topics, partitions_of, wanted_topics
    from streams.settings.installation import WorkerSettings

    settings = _settings(WorkerSettings)
    try:
        admin, events = _admin(settings.client()), settings.topic("deploy_events")
        wanted = wanted_topics(settings.app_id, settings.topic_prefix, given.partitions, settings.output_prefix)
        created = create_topics(admin, wanted, given.replication)
        partitions = 0 if events in created else partitions_of(admin, events)
    except TopicsUnreachable as error:
        return _fail(UNREACHABLE, f"Kafka at {settings.kafka_bootstrap_servers}: {error}")
    for one in wanted:
        print(f"{'created' if one.name in created else 'exists '}  {one.name}")
    if given.partitions is not None and partitions not in {0, given.partitions}:
        print(f"candora: {events} keeps its {partitions} partitions: they can never change", file=sys.stderr)
    return 0


def _topics_check(_: argparse.Namespace) -> int:
    from streams.kafka.topics import TopicsUnreachable, check_topics, wanted_topics
    from streams.settings.installation import WorkerSettings

    settings = _settings(WorkerSettings)
    try:
        wanted = wanted_topics(settings.app_id, settings.topic_prefix, outputs=settings.output_prefix)
        found = check_topics(_admin(settings.client()), wanted)
    except TopicsUnreachable as error:
        return _fail(UNREACHABLE, f"Kafka at {settings.kafka_bootstrap_servers}: {error}")
    for one in found:
        print(f"{'off' if one.problems else 'ok '}  {one.name}")
        for problem in one.problems:
            print(f"     {problem}")
    return 1 if any(one.problems for one in found) else 0


def _admin(client: dict[str, str]):  # type: ignore[no-untyped-def]  # noqa: ANN202 - its class is imported late
    from confluent_kafka import KafkaException

    from streams.kafka.admin import open_admin

    try:
        return open_admin(client)
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
    from streams.settings.installation import WorkerSettings

    return run_audit(given, _settings(WorkerSettings))


def _doctor(given: argparse.Namespace) -> int:
    from streams.doctor.cli import run_doctor

    return run_doctor(given)


def _rebuild(given: argparse.Namespace) -> int:
    from streams.rebuild.cli import run_rebuild
    from streams.settings.installation import WorkerSettings

    return run_rebuild(given, _settings(WorkerSettings))


def _backfill(given: argparse.Namespace) -> int:
    from streams.backfill.cli import run_backfill
    from streams.settings.installation import WorkerSettings

    return run_backfill(given, _settings(WorkerSettings))


def _report(given: argparse.Namespace) -> int:
    from streams.report.cli import run_report
    from streams.settings.installation import WorkerSettings

    return run_report(given, _settings(WorkerSettings), time.time_ns() // 1000)


def _trace(given: argparse.Namespace) -> int:
    from streams.settings.installation import WorkerSettings
    from streams.trace.cli import run_trace

    return run_trace(given, _settings(WorkerSettings), time.time_ns() // 1000)


def _compute(given: argparse.Namespace) -> int:
    from streams.core.settings import MetricSettings
    from streams.replay.compute import compute
    from streams.replay.event_file import read_event_file

    at = given.at if given.at is not None else time.time_ns() // 1000
    try:
        settings = MetricSettings(
            failure_window=given.failure_window,
            lateness=given.lateness,
            windows=(given.window,),
            failing_severities=given.failing_severities,
            canary_timeout=given.canary_timeout,
        )
    except ValueError as error:
        return _fail(USAGE, error)
    try:
        answer, later = compute(read_event_file(given.events), at, settings, given.window)
    except ContractError as error:
        return _fail(USAGE, f"{given.events}: {error}")
    except UnicodeDecodeError as error:
        return _fail(USAGE, f"{given.events}: is not UTF-8: {error}")
    except OSError as error:
        return _fail(USAGE, in_words(error))
    if not (answer["services"] or later):
        print(f"candora: {given.events} holds no event", file=sys.stderr)
    if later:
        print(f"candora: left out {later} events that lie in the future of --at", file=sys.stderr)
    if given.json:
        print(json.dumps(answer, indent=1, sort_keys=True))
    else:
        _print_table(answer)
    return 0


def _print_table(answer: "ComputedNumbers") -> None:
    from streams.replay.compute import table

    for line in table(answer):
        print(line)


def _demo(given: argparse.Namespace) -> int:
    from streams.demo.run import run_demo

    return run_demo(once=given.once, seed=given.seed, days=given.days)


_ALMOST: Final = 0.95
"""How alike two names are that differ by a letter. No setting of candora-ci is so near to one of these."""
_RUN: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "worker": _worker,
    "serve-metrics": _serve_metrics,
    "topics create": _topics_create,
    "topics check": _topics_check,
    "audit": _audit,
    "rebuild": _rebuild,
    "doctor prometheus": _doctor,
    "compute": _compute,
    "backfill metrics": _backfill,
    "report": _report,
    "trace": _trace,
    "demo": _demo,
}

if __name__ == "__main__":
    sys.exit(main())
