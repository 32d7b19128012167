"""The plain join in Quix Streams: stateful, RocksDB with a changelog topic, at least once with its own checkpoints.

Called with bootstrap servers, topic, topic for the counters, name of the app, folder, number of events and the file for
the answer: [seconds, CPU seconds] from the first event until the last one's counters and state are confirmed and
its offset is committed, which `Application.run` does before it returns.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from quixstreams import Application, State

from schemas.ids import pinned_decoder
from tests.bench.peers.plain_join import CHECKPOINT, join


def main() -> None:
    servers, source, target, name, folder, count, answer = sys.argv[1:]
    last, decode = int(count), pinned_decoder("deploy_event").decode
    began: list[float] = []
    seen = 0
    app = Application(
        broker_address=servers,
        consumer_group=name,
        auto_offset_reset="earliest",
        state_dir=folder,
        commit_interval=CHECKPOINT,
        consumer_poll_timeout=0.1,
        loglevel="WARNING",
    )

    def read(value: bytes, state: State) -> dict[str, Any] | None:
        nonlocal seen
        if not seen:
            began[:] = time.perf_counter(), time.process_time()
        seen += 1
        if seen == last:
            app.stop()
        return join(decode(value), state.get, state.set)

    events = app.topic(source, key_deserializer="str", value_deserializer="bytes")
    counters = app.topic(target, key_serializer="str", value_serializer="json")
    counted = app.dataframe(events).apply(read, stateful=True)
    counted.filter(lambda value: value is not None).to_topic(counters)
    app.run()
    Path(answer).write_text(json.dumps([time.perf_counter() - began[0], time.process_time() - began[1]]), "utf-8")


if __name__ == "__main__":
    main()
