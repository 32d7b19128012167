"""`candora-ci history`: events of the past from git, from exports of GitHub, GitLab and PagerDuty, and from tables."""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from producers.commands.emit_arguments import add_delivery
from producers.errors import ExitCode, UsageError
from producers.terminal.console import Console

if TYPE_CHECKING:
    from producers.context.service_map import ServiceMap
    from producers.history_import.event_output import MergeSummary
    from producers.history_import.exports import ExportObject
    from producers.history_import.imported_events import ImportedEvents
    from producers.sidecar.name_mapping import MappedNameResolver

HELP: Final = "make events of what happened before, from git, API exports and tables"

_EPILOG: Final = """\
where events go:
  --output FILE keeps them in order of time, each once: what the file has already stays, and what is new is added. An
  interrupted run leaves the file as it was; run it again. Several imports may share a file.
  --send sends them to Kafka, as `candora-ci emit --file` does; with --state FILE only what has not arrived before.

exit codes:
  0  done; also, unless --strict, when Kafka did not take them: a warning says so
  1  done, but a part was refused: each is named with its file and place
  2  wrong usage, or a file that cannot be read: nothing is written
  3, 4, 5  with --strict, as `candora-ci emit`
  --allow-failure makes every one of them 0.
"""
_ONLY_STRICT: Final = frozenset({ExitCode.NOT_CONFIGURED, ExitCode.CREDENTIALS, ExitCode.NOT_DELIVERED})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a command for each source."""
    parser.description = "Make events of what happened before. No network is used: exports are files."
    sources = parser.add_subparsers(dest="source", metavar="SOURCE", required=True)

    def source(name: str, text: str) -> argparse.ArgumentParser:
        made = sources.add_parser(
            name,
            help=text,
            description=f"Make events of {text}.",
            allow_abbrev=False,
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _add_common(made)
        return made

    _add_git(source("git", "a repository's commits and its tags or deploy branch"))
    for name, text in (
        ("github", "pull requests, commits, deployments, statuses and runs, as GitHub's API gives them"),
        ("gitlab", "merge requests, commits, deployments and incidents, as GitLab's API gives them"),
        ("pagerduty", "incidents and log entries, as PagerDuty's API gives them"),
    ):
        export = source(name, text)
        export.add_argument("exports", metavar="EXPORT", nargs="+", help="JSON, one or many documents; - reads stdin")
        export.add_argument("--names", metavar="FILE", help="the mapping file of the webhooks (docs/webhooks)")
        if name != "pagerduty":
            export.add_argument("--default-branch", metavar="NAME", help="if the exports do not say it")
        if name == "gitlab":
            export.add_argument("--project", metavar="GROUP/NAME", help="of what does not say its own")
    table = source("csv", "the rows of a table")
    table.add_argument("file", metavar="FILE", help="CSV with a head line; - reads standard input")
    table.add_argument("--mapping", required=True, metavar="FILE", help="what the columns mean (docs/history.md)")


def _add_git(git: argparse.ArgumentParser) -> None:
    git.add_argument("repository", metavar="REPO", help="the folder of a full clone")
    git.add_argument("--deploy-tags", metavar="GLOB", action="append", default=[], help="each is a deployment: 'v*'")
    git.add_argument("--deploy-branch", metavar="NAME", help="each commit on it is a deployment, or each merge")
    git.add_argument("--rollback-tags", metavar="GLOB", action="append", default=[], help="each is a rollback to it")
    git.add_argument("--branch", metavar="NAME", help="the main line (default: origin's, else what is checked out)")
    git.add_argument("--service", metavar="NAME", help="(default: candora.yaml, else the repository's name)")
    git.add_argument("--services", metavar="FILE", help="the map of services, if it is not candora.yaml")
    git.add_argument("--env", metavar="NAME", default="prod", help="where deployments go (default: prod)")
    git.add_argument("--repository-name", metavar="OWNER/NAME", help="for ids of requests (default: origin's address)")
    git.add_argument(
        "--source-system", metavar="NAME", default="git", help="github, gitlab, ...: the CI that reports from now on"
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", metavar="FILE", help="write JSON lines, or add to them; - is standard output")
    parser.add_argument("--send", action="store_true", help="send to Kafka, or to a sidecar")
    parser.add_argument("--state", metavar="FILE", help="with --send: remembers what has arrived")
    parser.add_argument("--since", metavar="TIME", help="nothing before, e.g. 2026-01-31, but the commits of it")
    parser.add_argument("--until", metavar="TIME", help="nothing from then on: the time at which live reports begin")
    parser.add_argument("--json", action="store_true", help="print the summary as one JSON object")
    add_delivery(parser)


def run(given: argparse.Namespace, environ: Mapping[str, str], console: Console) -> ExitCode:
    """Import events, write or send them, and report what could not be joined."""
    from producers.history_import.event_output import counts, in_order, merge, read_output, write
    from producers.history_import.imported_events import ImportedEvents, TimeRange
    from producers.history_import.summary import ImportSummary, refusals, values_of

    _check_usage(given)
    span = TimeRange(_time(given.since, "--since"), _time(given.until, "--until"))
    found = ImportedEvents(datetime.now(UTC), span, progress=console.progress)
    existing = read_output(Path(given.output), found.now, console.progress) if given.output not in (None, "-") else None
    try:
        _read(given, environ, console, found)
    except RecursionError:
        raise UsageError("an export is nested deeper than anything that an API gives") from None
    merged = merge(existing, found) if existing else None
    events = merged.events if merged else in_order(found.events.values())
    for line in refusals(found):
        console.error(line)
    if merged:
        _report_merge(merged, given.output, console)
        write(Path(given.output), events, console.progress)
    elif given.output == "-":
        for built in events:
            console.data(built.as_json())
    summary = ImportSummary(counts(merged) if merged else {"events": len(events)}, values_of(events), found)
    for line in summary.lines():
        console.info(line)
    if given.json:
        console.data(summary.as_json())
    code = _send(given, environ, console, found) if given.send else ExitCode.OK
    return code or (ExitCode.REFUSED if found.refused else ExitCode.OK)


def _check_usage(given: argparse.Namespace) -> None:
    if given.output is None and not given.send:
        raise UsageError("say where the events should go: --output FILE, or --send")
    if given.state and not given.send:
        raise UsageError("--state goes with --send; --output remembers by itself")
    if given.json and given.output == "-":
        raise UsageError("--json and --output - would both write to standard output; give a file")
    if given.source == "git" and not given.deploy_tags and not given.deploy_branch:
        raise UsageError("say what a deployment is: --deploy-tags 'v*', or --deploy-branch NAME")


def _time(text: str | None, flag: str) -> int | None:
    from producers.history_import.imported_events import micros_of
    from schemas.models import parse_time

    if text is None:
        return None
    try:
        return micros_of(parse_time(text if ":" in text else f"{text}T00:00:00Z"))
    except ValueError:
        raise UsageError(f"{flag}: {text} is no time; write 2026-01-31, or 2026-01-31T09:00:00Z") from None


# --- sources ----------------------------------------------------------------------------------------------------------
def _read(given: argparse.Namespace, environ: Mapping[str, str], console: Console, found: "ImportedEvents") -> None:
    match given.source:
        case "git":
            _read_git(given, environ, found)
        case "csv":
            from producers.history_import.csv_file import load_mapping, read_csv

            read_csv(given.file, load_mapping(given.mapping), found)
        case "github":
            from producers.history_import.github import PAGES, read_github

            names = _names(given.names)
            read_github(_entries(given, PAGES, console), names, found, given.default_branch)
        case "gitlab":
            from producers.history_import.gitlab import read_gitlab

            names = _names(given.names)
            read_gitlab(_entries(given, (), console), names, found, given.default_branch, given.project)
        case _:
            from producers.history_import.pagerduty import PAGES, read_pagerduty

            read_pagerduty(_entries(given, PAGES, console), _names(given.names), found)


def _entries(given: argparse.Namespace, pages: tuple[str, ...], console: Console) -> "Iterator[ExportObject]":
    from producers.history_import.exports import read_export

    for name in given.exports:
        console.progress(f"reading {name}", 0)
        for count, entry in enumerate(read_export(name, pages), 1):
            console.progress(f"entries of {name}", count)
            yield entry


def _names(file: str | None) -> "MappedNameResolver":
    from producers.sidecar.name_mapping import MappedNameResolver, NameRules, load_names

    return MappedNameResolver(NameRules()) if file is None else load_names(Path(file))


def _read_git(given: argparse.Namespace, environ: Mapping[str, str], found: "ImportedEvents") -> None:
    from producers.history_import.git_log import RepositoryHistory
    from producers.history_import.git_source import GitImportRequest, read_git

    git = RepositoryHistory(given.repository, environ)
    services = _services(given)
    request = GitImportRequest(
        deploy_tags=given.deploy_tags,
        deploy_branch=given.deploy_branch,
        rollback_tags=given.rollback_tags,
        branch=given.branch,
        service=given.service,
        services=services,
        env=given.env,
        repository=given.repository_name,
        system=given.source_system,
    )
    read_git(git, request, found)


def _services(given: argparse.Namespace) -> "ServiceMap | None":
    """Read the named service map, else candora.yaml of the repository, if there is one."""
    from producers.context.service_map import FILE, MAX_BYTES, read_services

    if given.service is not None:
        if given.services:
            raise UsageError("--service and --services: give one of both")
        return None
    path = Path(given.services) if given.services else Path(given.repository) / FILE
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        if given.services is None:
            return None
        raise UsageError(f"--services {path}: there is no such file") from None
    except OSError as error:
        if given.services is None and not Path(given.repository).is_dir():
            return None  # git will say that this is no repository
        raise UsageError(f"--services {path}: {error.strerror}") from error
    if len(text) > MAX_BYTES:
        raise UsageError(f"{path}: has more than {MAX_BYTES} bytes")
    return read_services(text, str(path))


# --- where they go ----------------------------------------------------------------------------------------------------
def _report_merge(merged: "MergeSummary", name: str, console: Console) -> None:
    if merged.mended:
        console.warning(f"{name}: its last line was cut off; it is made anew")
    if merged.changed:
        console.warning(f"{merged.changed} events differ from those in {name}, which stay as they are")


def _send(given: argparse.Namespace, environ: Mapping[str, str], console: Console, found: "ImportedEvents") -> ExitCode:
    """Send the imported events, with --state only those that have not arrived."""
    from producers.config import load_config
    from producers.delivery.delivery import open_delivery
    from producers.delivery.emitter import EmitOptions, Emitter
    from producers.history_import.event_output import DeliveredIds, as_lines, in_order

    config = load_config(vars(given), environ)
    state = DeliveredIds(Path(given.state)) if given.state else None
    waiting = [built for name, built in found.events.items() if state is None or name not in state.arrived]
    if not waiting:
        console.info("nothing to send: all of it has arrived before" if found.events else "nothing to send")
        return ExitCode.OK
    delivery = open_delivery(config, environ, console, bulk=True)
    if state is not None and delivery.publisher is not None:
        delivery = replace(delivery, publisher=state.remembering(delivery.publisher))
    with delivery:
        emitter = Emitter(EmitOptions(), console, delivery, found.now)
        code = emitter.emit_file(BytesIO(b"".join(as_lines(in_order(waiting)))))
    return ExitCode.OK if code in _ONLY_STRICT and not config.strict else code
