"""A program to measure against: Faust as it comes, with one agent that decodes every event and does nothing with it.

Called with bootstrap servers, topic, name of the app, folder, number of events and the file for the answer: [seconds,
CPU seconds] from the first event to the last.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import faust

from schemas.ids import pinned_decoder


def tell(answer: str, seconds: float, cpu: float) -> None:
    Path(answer).write_text(json.dumps([seconds, cpu]), "utf-8")


def main() -> None:
    servers, topic, name, folder, count, answer = sys.argv[1:]
    last = int(count)
    decode = pinned_decoder("deploy_event").decode
    app = faust.App(
        name,
        broker=f"kafka://{servers}",
        datadir=folder,
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
        autodiscover=False,
    )
    source = app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")

    async def decode_all(stream: Any) -> None:
        seen, began, cpu = 0, 0.0, 0.0
        async for value in stream:
            if not seen:
                began, cpu = time.perf_counter(), time.process_time()
            decode(value)
            seen += 1
            if seen == last:
                tell(answer, time.perf_counter() - began, time.process_time() - cpu)

    app.agent(source)(decode_all)
    sys.argv[1:] = ["worker", "-l", "info"]
    app.main()


if __name__ == "__main__":
    main()
