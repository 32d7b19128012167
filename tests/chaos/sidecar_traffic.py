"""What senders do to a sidecar, whatever happens to it: CI events and Alertmanager's webhooks at an even pace.

Like the real ones they send again what was not answered with 2xx, a few times, and then give up.
"""

import asyncio
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import aiohttp
from typing_extensions import override

from tests.support.builders.sidecar_requests import alert, deployment, group, resolved

SERVICES: Final = 20
TRIES: Final = 5
AGAIN_AFTER: Final = 1.0
RESOLVED_AFTER: Final = 100
"""Requests after which an incident is resolved."""
_OK: Final = range(200, 300)


class Request(NamedTuple):
    """One request."""

    path: str
    body: Any


class SidecarTraffic(threading.Thread):
    """Sends `rate` requests a second to `url` until told to end; remembers what was promised."""

    def __init__(self, url: str, rate: float) -> None:
        super().__init__(name="sidecar traffic", daemon=True)
        self._url = url
        self._rate = rate
        self._ending = threading.Event()
        self.promised: set[str] = set()
        """Ids of the events that were answered with 2xx."""
        self.promised_letters = 0
        self.answers: Counter[str] = Counter()
        """By status, or by the name of what went wrong."""
        self.given_up = 0
        self.slowest = 0.0
        """Seconds until a 2xx."""

    def end(self) -> None:
        """Begin no more requests, and wait for those under way."""
        self._ending.set()
        self.join()

    @override
    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        began, tasks = time.monotonic(), set[asyncio.Task[None]]()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            for number, request in enumerate(requests()):
                if self._ending.is_set():
                    break
                await asyncio.sleep(max(0.0, began + number / self._rate - time.monotonic()))
                task = asyncio.create_task(self._send(session, request))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.gather(*tasks)

    async def _send(self, session: aiohttp.ClientSession, request: Request) -> None:
        for _ in range(TRIES):
            began = time.monotonic()
            try:
                async with session.post(self._url + request.path, json=request.body) as answer:
                    self.answers[str(answer.status)] += 1
                    if answer.status in _OK:
                        self._promised(await answer.json(), time.monotonic() - began)
                        return
            except (aiohttp.ClientError, TimeoutError) as error:
                self.answers[type(error).__name__] += 1
            await asyncio.sleep(AGAIN_AFTER)
        self.given_up += 1

    def _promised(self, answer: dict[str, Any], seconds: float) -> None:
        self.promised.update(answer["events"])
        self.promised_letters += answer["dead_letters"]
        self.slowest = max(self.slowest, seconds)


def requests() -> Iterator[Request]:
    """Deployments that are rolled back, incidents that are resolved, and now and then what cannot be mapped."""
    opened: list[dict[str, Any]] = []
    for number in itertools.count():
        service = f"service-{number % SERVICES}"
        if number % 2:
            yield Request("/v1/events", deployment(service, f"run-{number}"))
        elif number % 500 == 0:
            yield Request("/v1/webhooks/alertmanager", {"version": "4", "alerts": [{"status": "firing"}]})
        elif len(opened) > RESOLVED_AFTER and number % 4 == 0:
            yield Request("/v1/webhooks/alertmanager", group(resolved(opened.pop(0))))
        else:
            opened.append(alert(service, number))
            yield Request("/v1/webhooks/alertmanager", group(opened[-1]))
