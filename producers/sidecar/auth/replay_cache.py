"""What was seen before, for as long as it could be sent again, and no more of it than fits."""

import hashlib
from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime, timedelta
from typing import Final

from producers.sidecar.auth.access import AccessRefused, RefusalReason

MOST: Final = 10_000


class ReplayCache:
    """Keys with a time until which they are remembered. Beyond `most`, the oldest are forgotten first."""

    def __init__(self, most: int = MOST) -> None:
        self._most: Final = most
        self._known: OrderedDict[Hashable, tuple[bytes, datetime]] = OrderedDict()

    def first(self, key: Hashable, content: bytes, until: datetime, now: datetime) -> bytes:
        """Remember the key with its content until then; what it returns is the content it was first seen with."""
        while self._known and (len(self._known) >= self._most or next(iter(self._known.values()))[1] < now):
            self._known.popitem(last=False)
        known = self._known.get(key)
        if known is not None and known[1] >= now:
            return known[0]
        self._known[key] = (content, until)
        self._known.move_to_end(key)
        return content


class DeliveryReplayGuard:
    """The signed ids of deliveries. Two of one id must be one delivery."""

    def __init__(self, window: timedelta) -> None:
        self._window: Final = window
        self._seen: Final = ReplayCache()

    def check(self, source: str, identity: str, body: bytes, now: datetime) -> None:
        """Let a first delivery pass, and each repeat of it: its sender did not hear our answer.

        A repeat makes the same events with the same ids, so it changes nothing.

        Raises:
            Refused: another body came under this id.
        """
        digest = hashlib.sha256(body).digest()
        # A time may be signed ahead by one window and is good for another after it.
        if self._seen.first((source, identity), digest, now + 2 * self._window, now) != digest:
            raise AccessRefused(RefusalReason.REPLAYED, "another body came under this delivery's id")
