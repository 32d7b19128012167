"""`candora trace`: from a commit, change, deployment or incident to all that hangs together with it."""

import argparse
import json
import sys
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

from schemas.errors import ContractError
from schemas.values import EventValue, Micros
from streams.core.service_state import ServiceState
from streams.core.settings import MetricSettings
from streams.errors import Inconclusive
from streams.replay.event_file import events_in_order
from streams.replay.known_states import ServiceStates
from streams.replay.log_source import EventTimeLog
from streams.report.formatting import count, plain
from streams.report.period_facts import facts_at
from streams.settings.installation import WorkerSettings
from streams.terminal.os_errors import in_words
from streams.terminal.progress import ProgressBar
from streams.trace.as_json import as_json
from streams.trace.chain import CommitNotes, chain
from streams.trace.name_search import Ambiguous, NotFound, find

NOTHING: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3


def run_trace(given: argparse.Namespace, settings: WorkerSettings, now: Micros) -> int:
    """0: shown; 1: nothing goes by this name; 2: short for several, wrong usage or a bad event; 3: no Kafka."""
    at = now if given.at is None else given.at
    notes = CommitNotes()
    try:
        services = _services(given.events, at, settings, notes)
        found = chain(services, find(_of_services(services, given.service), given.what))
    except NotFound as error:
        return _fail(NOTHING, error)
    except Ambiguous as error:
        return _fail(USAGE, error)
    except Inconclusive as error:
        return _fail(UNREACHABLE, error)
    except (ContractError, UnicodeDecodeError) as error:
        return _fail(USAGE, f"{given.events}: {error}")
    except OSError as error:
        return _fail(USAGE, in_words(error))
    if given.json:
        print(json.dumps(as_json(given.what, at, services, found, notes), indent=1, sort_keys=True))
    else:
        from streams.trace.terminal import render

        sys.stdout.write(render(at, services, found, notes, colour=sys.stdout.isatty()))
    return 0


def _services(name: str | None, at: Micros, settings: WorkerSettings, notes: CommitNotes) -> ServiceStates:
    """Return the service states as they are when all that had happened by then is known."""
    if name is None:
        with ProgressBar("reading") as bar:
            log = EventTimeLog(settings, bar)
            services = _look(log.events(), at, settings.core(), notes)
        if log.refused:
            print(f"candora: left out {count(log.refused, 'message')} that the workers refused", file=sys.stderr)
        return services
    return _look(events_in_order(name), at, settings.core(), notes)


def _look(events: Iterable[EventValue], at: Micros, settings: MetricSettings, notes: CommitNotes) -> ServiceStates:
    return next(facts_at(notes.listen(events), [at], settings)).services


def _of_services(services: ServiceStates, globs: list[str] | None) -> list[ServiceState]:
    """Return those of the services that were asked for. Raises NotFound if events are of others only."""
    asked = [state for name, state in services.items() if not globs or any(fnmatchcase(name, glob) for glob in globs)]
    if services and not asked:
        raise NotFound(f"no event is of a service called {' or '.join(globs or ())}")
    return asked


def _fail(code: int, message: object) -> int:
    print(f"candora: {plain(str(message))}", file=sys.stderr)
    return code
