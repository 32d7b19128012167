"""`candora report`: from the log, or a file of events, to a review."""

import argparse
import importlib
import json
import sys
from io import StringIO
from typing import Final

from schemas.errors import ContractError
from schemas.values import Micros
from streams.errors import Inconclusive
from streams.replay.event_file import events_in_order
from streams.replay.log_source import EventTimeLog
from streams.report import periods
from streams.report.as_json import as_json
from streams.report.layout import document
from streams.report.periods import PeriodPair
from streams.report.review import Review, ReviewRequest, review
from streams.settings.installation import WorkerSettings
from streams.terminal.os_errors import in_words
from streams.terminal.progress import ProgressBar

USAGE: Final = 2
UNREACHABLE: Final = 3
_ASKED: Final = ("week", "quarter", "last", "begin")


class ReportRequestError(Exception):
    """What was asked for cannot be."""


def run_report(given: argparse.Namespace, settings: WorkerSettings, now: Micros) -> int:
    """Return 0: written; 2: wrong usage or a bad event; 3: Kafka does not answer."""
    try:
        question = ReviewRequest(
            period(given, now), tuple(given.env or settings.production_envs), tuple(given.service or ())
        )
        if given.format == "html":
            _need_pictures()
        found, refused = _review(given.events, question, settings)
        text = render(found, given.format, refused)
        if given.output is None:
            sys.stdout.write(text)
        else:
            given.output.write_text(text, "utf-8")
    except Inconclusive as error:
        return _fail(UNREACHABLE, error)
    except ContractError as error:
        return _fail(USAGE, f"{given.events}: {error}")
    except UnicodeDecodeError as error:
        return _fail(USAGE, f"{given.events}: is not UTF-8: {error}")
    except ReportRequestError as error:
        return _fail(USAGE, error)
    except OSError as error:
        return _fail(USAGE, in_words(error))
    return 0


def period(given: argparse.Namespace, now: Micros) -> PeriodPair:
    """Return the period asked for: by --week, --quarter, --last or --from; else the last week that is over.

    Raises:
        ReportRequestError: it is none of these, more than one, or not over.
    """
    asked = [name for name in _ASKED if getattr(given, name) is not None]
    if len(asked) > 1:
        raise ReportRequestError("give one of --week, --quarter, --last and --from")
    end = periods.whole_hour(now) if given.end is None else given.end
    if given.end is not None and (not asked or asked[0] in ("week", "quarter")):
        raise ReportRequestError("--to needs --from or --last")
    if end > now:
        raise ReportRequestError("--to lies in the future: a review is of what is over")
    try:
        match asked:
            case ["quarter"]:
                return periods.quarter(given.quarter or None, now)
            case ["last"]:
                return periods.last(given.last, end)
            case ["begin"]:
                return periods.between(given.begin, end)
        return periods.week(given.week or None, now)
    except ValueError as error:
        raise ReportRequestError(str(error)) from error


def render(found: Review, form: str, refused: int | None) -> str:
    """Return the whole text in one of the formats; it ends with a newline."""
    if form == "json":
        return json.dumps(as_json(found, refused), indent=1, sort_keys=True) + "\n"
    laid_out = document(found, refused)
    if form == "markdown":
        from streams.report.markdown import markdown

        return markdown(laid_out)
    if form == "html":
        from streams.report.page import page

        return page(found, laid_out) + "\n"
    from streams.report.terminal import show

    file = StringIO()
    show(laid_out, file, colour=sys.stdout.isatty())
    return file.getvalue()


def _need_pictures() -> None:
    try:
        importlib.import_module("jinja2")
        importlib.import_module("matplotlib")
    except ImportError as error:
        raise ReportRequestError(
            f"--format html needs {error.name}: pip install 'candora[report]'; markdown works without"
        ) from error


def _review(name: str | None, question: ReviewRequest, settings: WorkerSettings) -> tuple[Review, int | None]:
    """Return the review, and how many messages of the log were refused (None: it was a file)."""
    if name is None:
        with ProgressBar("reading") as bar:
            log = EventTimeLog(settings, bar)
            found = review(log.events(), question, settings.core())
        return found, log.refused
    return review(events_in_order(name), question, settings.core()), None


def _fail(code: int, message: object) -> int:
    print(f"candora: {message}", file=sys.stderr)
    return code
