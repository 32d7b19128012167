"""Check that the schema registry answers and knows our schema; read its clock."""

import time
from collections.abc import Callable
from contextlib import closing
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from producers.config import ProducerConfig
from producers.delivery.encoder import InstallationEncoder, SchemaUnavailable
from producers.delivery.outcomes import EXIT_CODES
from producers.doctor.finding import CheckResult, ok, problem
from producers.spool.message_file import EVENTS

if TYPE_CHECKING:
    from producers.delivery.delivery import Encode


def check_registry(config: ProducerConfig) -> "tuple[CheckResult, Encode | None]":
    """Look up the schema; also return its encoder. Raises UsageError if the registry's address is invalid."""
    try:
        encode = InstallationEncoder(config).learn(EVENTS).encode
    except SchemaUnavailable as error:
        advice = "check its address and credentials, and that the release pipeline has registered the schema there"
        return problem("registry", error.failure.problem, advice, EXIT_CODES[error.failure.cause]), None
    if config.registry_url is None:
        return ok("registry", "none is set: events have the schema id that is pinned in this package"), encode
    return ok("registry", f"{config.registry_url} knows the schema"), encode


def registry_ahead(url: str, limit: float, clock: Callable[[], float] = time.time) -> float | None:
    """Return how many seconds the registry's clock is ahead, to about a second; None if it does not say."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    try:
        with closing(kind(parts.hostname or "", parts.port, timeout=limit)) as connection:
            before = clock()
            connection.request("HEAD", parts.path or "/")
            date = connection.getresponse().getheader("Date")
            after = clock()
        # The header has whole seconds: on average it is half of one late.
        return parsedate_to_datetime(date).timestamp() + 0.5 - (before + after) / 2 if date else None
    except (OSError, HTTPException, ValueError):
        return None
