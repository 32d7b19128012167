"""Scrapes /metrics all the time, and notes every answer that no Prometheus should ever have seen."""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Final

from typing_extensions import override

from tests.support.servers.exporter import Serving

EVERY: Final = 0.05
"""Seconds between an answer and the next question."""
MOST: Final = 10
"""Faults noted; the first ones tell what happened."""
_OF_THE_PROCESS: Final = "delivery_serving_"
"""What a serving process says of itself begins anew with it, as every process's own counters do."""
_BAD: Final = "delivery_serving_bad_records_total"


def counters(text: str) -> dict[str, float]:
    """Every series of a counter or a histogram in Prometheus's text format, by the text before its value."""
    return {series: value for series, value in _series(text) if not series.startswith(_OF_THE_PROCESS)}


def refused(text: str) -> dict[str, float]:
    """What the serving process found wrong with the records that it read."""
    return {series: value for series, value in _series(text) if series.startswith(_BAD) and value}


def _series(text: str) -> Iterator[tuple[str, float]]:
    counts = False
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            counts = line.rpartition(" ")[2] in {"counter", "histogram"}
        elif counts and line and not line.startswith("#"):
            series, _, value = line.rpartition(" ")
            yield series, float(value)


class Sampler(threading.Thread):
    """Looks at whatever answers at the address of a serving process, through all its lives."""

    def __init__(self, serving: Serving) -> None:
        super().__init__(name="sampler", daemon=True)
        self._serving = serving
        self._ending = threading.Event()
        self._held: dict[str, float] = {}
        self.answers: Counter[int] = Counter()
        """By status; 0: nobody answered."""
        self.faults: list[str] = []

    @override
    def run(self) -> None:
        while not self._ending.wait(EVERY):
            self.look()

    def look(self) -> None:
        """Ask once."""
        reply = self._serving.get("/metrics")
        self.answers[reply.status if reply else 0] += 1
        if reply is not None and reply.status == 200:
            self.judge(reply.text)

    def judge(self, text: str) -> None:
        """Compare an answer with all answers before it."""
        found = counters(text)
        which = f"answer {self.answers[200]}"
        missing = [series for series in self._held if series not in found]
        if missing:
            self._note(f"{which} is not complete: {len(missing)} of {len(self._held)} series, as {missing[0]}")
        for series, value in found.items():
            if value < self._held.get(series, 0.0):
                self._note(f"{which}: {series} fell from {self._held[series]:g} to {value:g}")
        for series, value in refused(text).items():
            self._note(f"{which}: {series} is {value:g}")
        for series, value in found.items():
            self._held[series] = max(value, self._held.get(series, 0.0))

    def end(self) -> None:
        """Stop, when the answer awaited now is judged."""
        self._ending.set()
        self.join(15)

    def _note(self, fault: str) -> None:
        if len(self.faults) < MOST:
            self.faults.append(fault)
