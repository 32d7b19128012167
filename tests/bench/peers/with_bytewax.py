"""The plain join in Bytewax: a stateful map by service, its state and its offsets in a recovery store.

Called with bootstrap servers, topic, topic for the counters, name of the app (not used), folder, number of events and
the file for the answer: [seconds, CPU seconds] from the first event until the dataflow has come to the end of the
topic, when the last epoch's state is in the store and the counters are with the broker.
"""

import json
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from schemas.ids import pinned_decoder
from tests.bench.peers.plain_join import CHECKPOINT, join

PARTITIONS = 4
"""Of the recovery store, as many as the log has."""


def main() -> None:
    servers, source, target, _name, folder, count, answer = sys.argv[1:]
    decode = pinned_decoder("deploy_event").decode
    began: list[float] = []
    seen = 0

    def event_of(message: KafkaSourceMessage[bytes, bytes]) -> tuple[str, Any]:
        nonlocal seen
        if not seen:
            began[:] = time.perf_counter(), time.process_time()
        seen += 1
        event = decode(message.value)
        return event["service"], event

    def count_up(state: dict[str, Any] | None, event: Any) -> tuple[dict[str, Any], dict[str, Any] | None]:
        state = {} if state is None else state
        return state, join(event, state.get, state.__setitem__)

    def message_of(item: tuple[str, dict[str, Any] | None]) -> KafkaSinkMessage[bytes, bytes] | None:
        service, counters = item
        return counters and KafkaSinkMessage(service.encode(), json.dumps(counters).encode())

    flow = Dataflow("peers")
    messages = op.input("events", flow, KafkaSource([servers], [source], tail=False))
    counted = op.stateful_map("join", op.map("decode", messages, event_of), count_up)
    op.output("counters", op.filter_map("changed", counted, message_of), KafkaSink([servers], target))
    Path(folder).mkdir(parents=True)
    init_db_dir(Path(folder), PARTITIONS)
    recovery = RecoveryConfig(Path(folder))
    cli_main(flow, epoch_interval=timedelta(seconds=CHECKPOINT), recovery_config=recovery)
    assert seen == int(count), f"{seen} of {count} events were read"
    Path(answer).write_text(json.dumps([time.perf_counter() - began[0], time.process_time() - began[1]]), "utf-8")


if __name__ == "__main__":
    main()
