"""Observe the demo: scrape /metrics, read dead letters, and query the worker's committed offsets."""

from collections import Counter
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from confluent_kafka import Consumer, TopicPartition

from schemas.ids import pinned_decoder
from streams.demo.broker import PARTITIONS
from streams.demo.metrics_summary import MetricsSummary, read_summary
from streams.demo.send import TOPIC

_TIMEOUT = 5.0
_DEAD = "deploy_events_dead"


def scrape(url: str) -> MetricsSummary | None:
    """Return the summary as /metrics has it now; None while it does not answer, or not yet with numbers."""
    try:
        with urlopen(url, timeout=_TIMEOUT) as answer:  # noqa: S310 - our own address
            return read_summary(answer.read().decode())
    except HTTPError as error:
        error.close()
        return None
    except (URLError, HTTPException, OSError):
        return None


class LogWatch:
    """Reader of dead letters and of the committed offsets of the worker's group."""

    def __init__(self, bootstrap: str, group: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "log_level": 0,
            }
        )
        self._consumer.assign([TopicPartition(_DEAD, partition, 0) for partition in range(PARTITIONS)])
        self._decoder = pinned_decoder("dead_letter")
        self.dead_letters = Counter[str]()
        """Number of dead letters read so far, by reason."""

    def read_dead_letters(self) -> None:
        """Read the dead letters that are available now."""
        for message in self._consumer.consume(1000, timeout=0.05):
            value = message.value()
            if message.error() is None and value is not None:
                self.dead_letters[self._decoder.decode(value)["reason"]] += 1

    def ends(self) -> dict[int, int]:
        """Return the end offset of each partition of the log."""
        return {
            partition: self._consumer.get_watermark_offsets(TopicPartition(TOPIC, partition), timeout=_TIMEOUT)[1]
            for partition in range(PARTITIONS)
        }

    def read(self) -> dict[int, int]:
        """Return the worker's committed offset of each partition; 0 if it has none."""
        partitions = [TopicPartition(TOPIC, partition) for partition in range(PARTITIONS)]
        return {at.partition: max(at.offset, 0) for at in self._consumer.committed(partitions, timeout=_TIMEOUT)}

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()
