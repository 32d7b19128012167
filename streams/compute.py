"""The numbers of a set of events at one moment: the same core as the workers', with no broker.

The clock is the moment asked for, and everything was known for ever (semantics.md, section 1).
"""

from collections.abc import Iterable
from typing import TypedDict

from schemas.errors import FutureTimestamp
from schemas.rules import check_time
from schemas.values import SECOND, EventValue, Micros, RuleName
from streams.core.book import Book
from streams.core.environment import Environment
from streams.core.facts import FOR_EVER
from streams.core.incident import Incident
from streams.core.records import attribution_of
from streams.core.settings import Settings


class Numbers(TypedDict):
    """What is said of one service in one environment; null where there is no value. Lengths are in seconds."""

    judged: int
    failed: int
    ratio: float | None
    reasons: dict[str, int]
    pending: int
    superseded: int
    abandoned: int
    deployments_total: int
    deployments_success_total: int
    lead_count: int
    lead_p50: float | None
    lead_p90: float | None
    restore_count: int
    restore_mean: float | None
    restore_p50: float | None
    open: int
    unattributed: int
    attribution: dict[str, tuple[str | None, RuleName]]


class Answer(TypedDict):
    """The numbers by "SERVICE/ENV" at one moment (seconds since 1970)."""

    at: float
    services: dict[str, Numbers]


def compute(
    events: Iterable[EventValue], at: Micros, settings: Settings, window: Micros
) -> tuple[Answer, list[EventValue]]:
    """The numbers over the window that ends at `at`, and the events left out because they lie in its future.

    Raises:
        ValueError: `window` is none of the settings' windows.
    """
    books: dict[str, Book] = {}
    refused: list[EventValue] = []
    for event in events:
        try:
            check_time(event, at, settings.max_future)
        except FutureTimestamp:
            refused.append(event)
            continue
        _book(books, event["service"], settings).apply(event, FOR_EVER)
    for link in [link for book in books.values() for link in book.joins.links]:
        _book(books, link["service"], settings).apply(link, FOR_EVER)
    index = settings.windows.index(window)
    services: dict[str, Numbers] = {}
    for name, book in sorted(books.items()):
        book.advance(at)
        for env, environment in sorted(book.environments.items()):
            if env:
                services[f"{name}/{env}"] = _numbers(book, environment, index)
    return {"at": at / SECOND, "services": services}, refused


def _book(books: dict[str, Book], service: str, settings: Settings) -> Book:
    book = books.get(service)
    if book is None:
        book = books[service] = Book(service, settings)
    return book


def _numbers(book: Book, environment: Environment, index: int) -> Numbers:
    value = environment.to_value(book.service, {"partition": 0, "offset": book.offset})
    window, state, counters = value["windows"][index], value["state"], value["counters"]
    incidents = sorted(
        (one for one in book.joins.entities.values() if isinstance(one, Incident)), key=lambda one: one.name
    )
    attributions = {one.name: attribution_of(one) for one in incidents if one.opened and one.env == environment.name}
    return {
        "judged": window["judged"],
        "failed": window["failed"],
        "ratio": window["failed"] / window["judged"] if window["judged"] else None,
        "reasons": window["reasons"],
        "pending": state["pending"],
        "superseded": state["superseded"],
        "abandoned": state["abandoned"],
        "deployments_total": counters["deployments"],
        "deployments_success_total": counters["deployments_success"],
        "lead_count": window["lead_count"],
        "lead_p50": window["lead_p50"],
        "lead_p90": window["lead_p90"],
        "restore_count": window["restore_count"],
        "restore_mean": window["restore_mean"],
        "restore_p50": window["restore_p50"],
        "open": state["incidents_open"],
        "unattributed": state["incidents_unattributed"],
        "attribution": {name: (one["deployment_id"], one["rule"]) for name, one in attributions.items()},
    }
