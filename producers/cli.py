"""`candora-ci`: the command a pipeline calls. This module chooses the real clock, streams and Kafka client.

What a command needs is imported where it is used: `--help` and `--dry-run` load no Kafka client, and the client
connects while the contract is being loaded.
"""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, Final

from producers.config import ALLOW_FAILURE, Config, load_config, switch
from producers.console import Console
from producers.errors import ExitCode, UsageError
from producers.flags import all_flags
from producers.parser import EVENT_TYPES, build_parser

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from producers.emit import Emitter, Encode
    from producers.publisher import Failure, Publisher
    from schemas.values import EventValue

TOPIC: Final = "deploy_events"
RECORD: Final = "deploy_event"
_INTERRUPTED: Final = 130
_NOT_ALLOWED: Final = frozenset({401, 403})
_ONLY_STRICT: Final = frozenset({ExitCode.NOT_CONFIGURED, ExitCode.CREDENTIALS, ExitCode.NOT_DELIVERED})


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    console = Console(sys.stdout, sys.stderr, os.environ, time.monotonic)
    forgiving = "--allow-failure" in arguments
    try:
        forgiving = forgiving or switch(os.environ, ALLOW_FAILURE)
        code = int(_emit(build_parser().parse_args(arguments), os.environ, console))
    except UsageError as error:
        console.error(str(error))
        code = ExitCode.USAGE
    except KeyboardInterrupt:
        console.error("interrupted; what was not reported as delivered may not be sent")
        return _INTERRUPTED
    return 0 if forgiving else code


def _emit(given: argparse.Namespace, environ: Mapping[str, str], console: Console) -> ExitCode:
    _check_usage(given)
    config = load_config(vars(given), environ)
    bulk = given.file is not None
    with _opened(given.file) as stream:
        publisher = None if given.dry_run or config.servers is None else _open_publisher(config, bulk=bulk)
        try:
            emitter = _emitter(given, config, console, publisher)
            code = emitter.emit_file(stream) if stream else _emit_one(given, environ, emitter)
        finally:
            if publisher is not None:
                publisher.close()
    return ExitCode.OK if code in _ONLY_STRICT and not config.strict else code


def _check_usage(given: argparse.Namespace) -> None:
    """Refuse what argparse cannot see."""
    if given.file is None:
        if given.event_type is None:
            raise UsageError(f"say what happened ({', '.join(EVENT_TYPES)}), or give --file")
        if given.event_type not in EVENT_TYPES:
            raise UsageError(f"unknown event type {given.event_type!r}{_suggestion(given.event_type)}")
        if given.skip_invalid:
            raise UsageError("--skip-invalid goes with --file")
        return
    fields = [flag.name for flag in all_flags() if getattr(given, flag.dest) is not None]
    fields += ["EVENT_TYPE"] * (given.event_type is not None)
    fields += ["--set"] * bool(given.sets) + ["--attribute"] * bool(given.attributes)
    if fields:
        raise UsageError(f"with --file every field stands in the file; leave out {', '.join(fields)}")


def _suggestion(word: str) -> str:
    import difflib

    near = difflib.get_close_matches(word, EVENT_TYPES, n=1)
    return f"; did you mean {near[0]}?" if near else f"; it is one of {', '.join(EVENT_TYPES)}"


def _opened(name: str | None) -> "AbstractContextManager[BinaryIO | None]":
    if name is None:
        return nullcontext()
    if name == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return open(name, "rb")  # noqa: PTH123 - pathlib costs its import, and the caller closes the file
    except OSError as error:
        raise UsageError(f"--file {name}: {error.strerror}") from error


def _open_publisher(config: Config, *, bulk: bool) -> "Publisher":
    from producers.kafka_publisher import KafkaPublisher, producer_settings
    from producers.publisher import PublisherError

    settings = producer_settings(config.servers or "", config.kafka, timeout=config.timeout, bulk=bulk)
    try:
        return KafkaPublisher(_topic(config), settings, timeout=config.timeout)
    except PublisherError as error:
        raise UsageError(f"the Kafka client does not take its settings: {error}") from error


def _topic(config: Config) -> str:
    from schemas.topics import topic_name

    try:
        return topic_name(TOPIC, config.topic_prefix)
    except ValueError as error:
        raise UsageError(f"--topic-prefix: {error}") from error


def _emitter(given: argparse.Namespace, config: Config, console: Console, publisher: "Publisher | None") -> "Emitter":
    from producers.emit import Emitter, Options
    from schemas.ids import pinned_encoder

    options = Options(dry_run=given.dry_run, explain=given.explain, json=given.json, skip_invalid=given.skip_invalid)
    encode: Encode = pinned_encoder(RECORD).encode
    failure: Failure | None = None
    if publisher is not None and config.registry_url is not None:
        encode, failure = _registered_encoder(config, config.registry_url, encode)
    return Emitter(options, console, publisher, encode, datetime.now(UTC), no_schema=failure)


def _registered_encoder(config: Config, url: str, pinned: "Encode") -> "tuple[Encode, Failure | None]":
    """The encoder with the registry's id; if there is none, the pinned one to check with, and why nothing is sent."""
    from producers.publisher import Cause, Failure
    from schemas.codec import Encoder, load_schema
    from schemas.ids import subject_for
    from schemas.registry import Credentials, RegistryClient, RegistryError

    credentials = Credentials(config.registry_user, config.registry_password, config.registry_token)
    schema, subject = load_schema(RECORD), subject_for(_topic(config))
    try:
        schema_id = RegistryClient(url, timeout=config.timeout / 2, credentials=credentials).id_of(subject, schema)
    except ValueError as error:
        raise UsageError(f"--schema-registry: {error}") from error
    except RegistryError as error:
        cause = Cause.CREDENTIALS if error.status in _NOT_ALLOWED else Cause.UNREACHABLE
        return pinned, Failure(cause, f"no schema id for {subject}: {error}")
    encoder: Encoder[EventValue] = Encoder(schema, schema_id)
    return encoder.encode, None


def _emit_one(given: argparse.Namespace, environ: Mapping[str, str], emitter: "Emitter") -> ExitCode:
    from producers.assign import assignments

    return emitter.emit_one(
        assignments(
            given.event_type,
            vars(given),
            sets=given.sets,
            attributes=given.attributes,
            environ=environ,
            now=emitter.now,
        )
    )
