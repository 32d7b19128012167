"""A program to measure against: a plain confluent-kafka consumer that decodes every event and does nothing with it.

Called with bootstrap servers, topic, partitions, number of events and the file for the answer: [seconds, CPU seconds]
from the first message to the last.
"""

import json
import sys
import time
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from schemas.ids import pinned_decoder


def main() -> None:
    servers, topic, partitions, count, answer = sys.argv[1:]
    decode = pinned_decoder("deploy_event").decode
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "bare", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, each, OFFSET_BEGINNING) for each in range(int(partitions))])
    seen, began, cpu = 0, 0.0, 0.0
    while seen < int(count):
        messages = consumer.consume(1_000, 1.0)
        if messages and not seen:
            began, cpu = time.perf_counter(), time.process_time()
        for message in messages:
            value = message.value()
            if value is None or message.error():
                raise RuntimeError(f"not an event: {message.error()}")
            decode(value)
        seen += len(messages)
    Path(answer).write_text(json.dumps([time.perf_counter() - began, time.process_time() - cpu]), "utf-8")


if __name__ == "__main__":
    main()
