"""Where each output goes, and under which key."""

from typing import Any

from schemas.ids import pinned_decoder
from streams.settings.installation import WorkerSettings
from streams.worker.outputs import OutputEncoder
from tests.support import events
from tests.support.servers.fake_partition_state import CountingPartitionState
from tests.unit.streams.worker.raw_records import APPENDED

SETTINGS = WorkerSettings(topic_prefix="eu-", app_id="w")


def test_every_output_has_its_topic_and_key() -> None:
    partition_state = CountingPartitionState(0, SETTINGS.core())
    partition_state.begin([(APPENDED, 4)])
    partition_state.take(events.commit("c", "11:00", service="team/shop"), 0)
    partition_state.finish()
    link = events.event("cause_linked", "11:00", service="bank", env="prod", incident_id="i")
    changes = partition_state.collect()._replace(links=[link])
    dead_letter: Any = {
        "reason": "undecodable",
        "path": None,
        "problem": "p",
        "topic": "t",
        "partition": 0,
        "offset": 1,
    }
    dead_letter |= {"offset": 1, "append_time": APPENDED, "key": None, "value": b"v", "headers": {}}
    sent = list(OutputEncoder(SETTINGS).messages(changes, [dead_letter]))
    assert [(each.topic, each.key, each.partition) for each in sent] == [
        ("eu-deploy_events_dead", None, -1),
        ("eu-deploy_events", b"bank", -1),
        ("eu-changes", b"team/shop/count", -1),
    ]
    assert pinned_decoder("deploy_event").decode(sent[1].value or b"") == link
    assert pinned_decoder("change").decode(sent[2].value or b"") == changes.changes[0]
