"""The command line of `candora-ci emit`: built from the table of flags, and checked beyond what argparse can."""

import argparse
from typing import Final

from producers import config
from producers.errors import UsageError
from producers.events.flags import EVENT_TYPES, FLAGS, HISTORY_FLAGS, FlagKind, all_flags
from producers.evidence.flags import REPORT_FLAGS

_EXAMPLES: Final = f"""\
event types:
  {", ".join(EVENT_TYPES[:5])},
  {", ".join(EVENT_TYPES[5:])}

in a CI job nothing but the type is needed:
  The commit, request, run and actor come from the CI system's variables, times and commits from git, the service from
  --service, CANDORA_SERVICE, candora.yaml, or the repository's name. --explain says where each value comes from.
  commit_created reports every commit of the request or push, so that lead time starts at the first one.

examples:
  candora-ci emit commit_created
  candora-ci emit canary_started --env prod --since-tag 'promoted/*'
  candora-ci emit canary_promoted --env prod --since-tag 'promoted/*'
  candora-ci emit rollback_triggered --service shop --env prod --deployment run-1817 --trigger auto
  candora-ci emit incident_opened --service shop --env prod --incident INC-7 --severity sev1
  candora-ci emit incident_resolved --service shop --incident INC-7 --cause-sha "$SHA" --cause-kind change
  candora-ci emit tests_passed --service shop --sha "$SHA" --junit unit='reports/*.xml' \\
      --coverage coverage.json --coverage-threshold shop/payments=90%
  candora-ci emit canary_started --service shop --env prod --sha "$SHA" --dry-run --explain
  candora-ci emit --file events.jsonl

files:
  One event per line, as --dry-run prints it. All lines are checked before the first is sent; if one is bad, it is
  named with its field and nothing is sent. With --skip-invalid the good ones are sent and the bad ones named.

environment (a flag comes before its variable; an empty variable counts as unset):
  the variables in brackets above; to a sidecar CANDORA_SIDECAR_TOKEN or CANDORA_SIDECAR_TOKEN_FILE, CANDORA_ID_TOKEN,
  CANDORA_SIDECAR_CA_FILE and the like (docs/security.md); for the connection to Kafka KAFKA_SECURITY_PROTOCOL,
  KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD, KAFKA_SSL_CA_LOCATION and the like; for the schema
  registry {config.REGISTRY_USER} and {config.REGISTRY_PASSWORD}, or {config.REGISTRY_TOKEN}

exit codes:
  0  delivered, or on the disk of the sidecar; also, unless --strict, when delivery fails: a warning says so, and the
     pipeline goes on
  2  wrong usage, or the contract refuses an event: fix it and run again
  3  with --strict: neither Kafka nor a sidecar is configured
  4  with --strict: the broker or the sidecar refused the credentials
  5  with --strict: no acknowledgement within --timeout; the event is kept if there is a --spool, else run it again
  --allow-failure makes every one of them 0. Sending an event again is harmless: it has the same id.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the event type, a flag for each field, and the options."""
    parser.description = (
        "Send one event to Kafka or a sidecar, or many from a file, once the contract has been checked."
    )
    parser.epilog = _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.usage = (
        "candora-ci emit EVENT_TYPE [field ...] [option ...]\n       candora-ci emit --file events.jsonl [option ...]"
    )
    parser.add_argument("event_type", metavar="EVENT_TYPE", nargs="?", help="what happened, see the list below")
    _add_fields(parser)
    _add_history(parser)
    _add_reports(parser)
    _add_options(parser)


def _add_fields(emit: argparse.ArgumentParser) -> None:
    for heading, flags in FLAGS.items():
        group = emit.add_argument_group(heading)
        for flag in flags:
            variable = f" [{flag.environ}]" if flag.environ else ""
            action = "append" if flag.kind is FlagKind.TEXTS or flag.path == "service" else "store"
            text = (flag.help + variable).replace("%", "%%")
            group.add_argument(flag.name, dest=flag.dest, metavar=flag.metavar, help=text, action=action)
    rest = emit.add_argument_group("any other field")
    rest.add_argument(
        "--set",
        dest="sets",
        metavar="FIELD=VALUE",
        action="append",
        default=[],
        help="a field by its dotted path, e.g. policy.rules='[...]' (JSON, or plain text); repeatable",
    )
    rest.add_argument(
        "--attribute",
        dest="attributes",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a note of your own, as text; repeatable",
    )


def _add_history(emit: argparse.ArgumentParser) -> None:
    group = emit.add_argument_group("from the repository")
    for flag in HISTORY_FLAGS:
        group.add_argument(flag.name, dest=flag.dest, metavar=flag.metavar, help=f"{flag.help} [{flag.environ}]")
    group.add_argument(
        "--fetch-history", action="store_true", help="fetch what a shallow clone left out, before asking git"
    )


def _add_reports(emit: argparse.ArgumentParser) -> None:
    group = emit.add_argument_group("evidence, from the reports of tools (FILE may have *; docs/evidence.md)")
    for flag in REPORT_FLAGS:
        text = flag.help.replace("%", "%%") + (" (repeatable)" if flag.repeatable else "")
        if flag.metavar is None:
            group.add_argument(flag.name, dest=flag.dest, help=text, action="store_true")
        else:
            action = "append" if flag.repeatable else "store"
            group.add_argument(flag.name, dest=flag.dest, metavar=flag.metavar, help=text, action=action)


def _add_options(emit: argparse.ArgumentParser) -> None:
    many = emit.add_argument_group("many events")
    many.add_argument("--file", metavar="FILE", help="JSON lines; - reads standard input")
    many.add_argument("--skip-invalid", action="store_true", help="send the good lines of a file that has bad ones")

    add_delivery(emit)

    show = emit.add_argument_group("output")
    show.add_argument("--dry-run", action="store_true", help="print the event as JSON and send nothing")
    show.add_argument("--explain", action="store_true", help="say where each value comes from (standard error)")
    show.add_argument("--json", action="store_true", help="print the outcome of each event: partition, offset, problem")


def add_delivery(parser: argparse.ArgumentParser) -> None:
    """Add the flags of delivery: where to send, and how long to try; `load_config` reads them."""
    to = parser.add_argument_group("delivery")
    to.add_argument("--bootstrap-servers", dest="servers", metavar="HOST:PORT,...", help=f"Kafka [{config.SERVERS}]")
    to.add_argument("--sidecar", metavar="URL", help=f"a sidecar that takes them instead of Kafka [{config.SIDECAR}]")
    to.add_argument("--topic-prefix", metavar="PREFIX", help=f"put before the topic's name [{config.TOPIC_PREFIX}]")
    to.add_argument("--schema-registry", dest="registry", metavar="URL", help=f"look schema ids up [{config.REGISTRY}]")
    to.add_argument(
        "--timeout",
        metavar="10s",
        help=f"give up when nothing is acknowledged for so long (default {config.DEFAULT_TIMEOUT}) [{config.TIMEOUT}]",
    )
    to.add_argument(
        "--spool", metavar="DIR", help=f"keep here what cannot be delivered, and send it next time [{config.SPOOL}]"
    )
    to.add_argument("--strict", action="store_true", help=f"fail when delivery fails [{config.STRICT}]")
    to.add_argument(
        "--allow-failure", action="store_true", help=f"never fail, whatever happens [{config.ALLOW_FAILURE}]"
    )


def check_usage(given: argparse.Namespace) -> None:
    """Refuse combinations of arguments that argparse cannot see.

    Raises:
        UsageError: the message says what to give or leave out.
    """
    if given.file is None:
        if given.event_type is None:
            raise UsageError(f"say what happened ({', '.join(EVENT_TYPES)}), or give --file")
        if given.event_type not in EVENT_TYPES:
            raise UsageError(f"unknown event type {given.event_type!r}{_suggestion(given.event_type)}")
        if given.skip_invalid:
            raise UsageError("--skip-invalid goes with --file")
        return
    fields = [flag.name for flag in all_flags() if getattr(given, flag.dest) is not None]
    fields += [flag.name for flag in REPORT_FLAGS if getattr(given, flag.dest)]
    fields += [flag.name for flag in HISTORY_FLAGS if getattr(given, flag.dest) is not None]
    fields += ["--fetch-history"] * given.fetch_history
    fields += ["EVENT_TYPE"] * (given.event_type is not None)
    fields += ["--set"] * bool(given.sets) + ["--attribute"] * bool(given.attributes)
    if fields:
        raise UsageError(f"with --file every field stands in the file; leave out {', '.join(fields)}")


def _suggestion(word: str) -> str:
    import difflib

    near = difflib.get_close_matches(word, EVENT_TYPES, n=1)
    return f"; did you mean {near[0]}?" if near else f"; it is one of {', '.join(EVENT_TYPES)}"
