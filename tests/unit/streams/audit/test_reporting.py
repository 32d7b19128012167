"""What an audit says, and when it says that it cannot tell."""

import io
import json
import sys
from typing import Any

import pytest
from typing_extensions import override

from schemas.values import HOUR, MINUTE
from streams.audit.comparison import AuditComparison
from streams.audit.differences import Difference, FieldDifference, field_differences
from streams.audit.process_pool import WORTH_A_PROCESS, groups_of
from streams.audit.provenance import NEWEST, ProvenanceEvent, RecordProvenance
from streams.audit.provenance import behind as events_behind
from streams.audit.published_outputs import PublishedMessage
from streams.audit.record_types import kinds
from streams.audit.report import AuditReport
from streams.audit.run import check_settings
from streams.core.settings import MetricSettings
from streams.errors import Inconclusive
from streams.terminal import progress
from streams.terminal.progress import ProgressBar
from tests.support.events import commit, event_id
from tests.unit.streams.audit.cases import (
    BANK,
    KINDS,
    SETTINGS,
    Log,
    change,
    home,
    judged,
    published,
    read,
    record,
    replay,
    story,
)


class TestFieldDifferences:
    def test_lists_of_other_lengths(self) -> None:
        found = list(field_differences({"a": [1, 2]}, {"a": [1]}))
        assert found == [FieldDifference("a[1]", 2, "(absent)")]

    def test_fields_that_one_has_not(self) -> None:
        found = list(field_differences({"a": 1, "b": {}}, {"a": 1, "c": None}))
        assert [one.path for one in found] == ["c", "b"]

    def test_one_is_not_true(self) -> None:
        assert list(field_differences({"a": 1}, {"a": True})) == [FieldDifference("a", 1, recomputed=True)]


class TestReport:
    difference = Difference(
        "delivery_metrics",
        "shop/prod",
        "different",
        tuple(FieldDifference(f"windows[{n}].failed", n, n + 1) for n in range(12)),
        RecordProvenance((ProvenanceEvent(1, 7, "id-7"), ProvenanceEvent(1, 9, "id-9")), 5),
    )
    report = AuditReport("different", differences=(difference,), differing=3, messages=10, records={"changes": 4})

    def test_text(self) -> None:
        lines = list(self.report.lines())
        assert lines[:2] == [
            "different: delivery_metrics shop/prod",
            "    windows[0].failed: published 0, recomputed 1",
        ]
        assert lines[11:14] == [
            "    ... and 2 more fields",
            "    events (the newest 2 of 5): [1]@7 id-7, [1]@9 id-9",
            "... and 2 more (--most)",
        ]
        assert lines[14].startswith("different: 3 of them; recomputed 4 changes, 0 dead letters and 0 links from 10")

    def test_long_values_are_cut(self) -> None:
        long = Difference("changes", "shop/1", "extra", (FieldDifference("", {"a": "b" * 1000}, "(absent)"),))
        line = list(AuditReport("different", differences=(long,), differing=1).lines())[1]
        assert len(line) < 200
        assert line.startswith('    record: published {"a": "bbb')

    def test_json(self) -> None:
        value = json.loads(self.report.to_json())
        assert value["differing"] == 3
        assert value["differences"][0]["fields"][1] == {"path": "windows[1].failed", "published": 1, "recomputed": 2}
        assert value["differences"][0]["events"][0] == {"partition": 1, "offset": 7, "event_id": "id-7"}

    def test_bytes_in_json(self) -> None:
        letter = Difference("deploy_events_dead", "x", "different", (FieldDifference("value", b"\x01", b"\x02"),))
        value = json.loads(AuditReport("different", differences=(letter,)).to_json())
        assert value["differences"][0]["fields"] == [{"path": "value", "published": "01", "recomputed": "02"}]

    @pytest.mark.parametrize(
        ("report", "code"), [(AuditReport("equal"), 0), (report, 1), (AuditReport("undecided", "why"), 2)]
    )
    def test_exit_codes(self, report: AuditReport, code: int) -> None:
        assert report.exit_code == code

    def test_undecided_says_why(self) -> None:
        assert list(AuditReport("undecided", "Kafka is away").lines()) == ["undecided: Kafka is away"]


class TestSettings:
    def snapshots(self, **changes: Any) -> dict[bytes, PublishedMessage]:
        log = story()
        outputs = published(log, log.ends)
        value = record(outputs, "delivery_metrics", "shop/prod")
        value["settings"] = {**value["settings"], **changes}
        return change(outputs, "delivery_metrics", "shop/prod", value).records[KINDS["delivery_metrics"]]

    def test_the_same(self) -> None:
        check_settings(self.snapshots(), SETTINGS)

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"failure_window": 2 * HOUR}, "failure_window is 2h in the snapshot 'shop/prod', and 1d here"),
            ({"failing_severities": ["sev1"]}, "failing_severities[1] is '(absent)' in the snapshot"),
            ({"max_future": MINUTE}, "audit with the workers' CANDORA_MAX_FUTURE"),
        ],
    )
    def test_others(self, changes: dict[str, Any], said: str) -> None:
        with pytest.raises(Inconclusive) as raised:
            check_settings(self.snapshots(**changes), SETTINGS)
        assert said.replace("1d", "24h") in str(raised.value).replace("1d", "24h")

    def test_other_windows(self) -> None:
        with pytest.raises(Inconclusive, match=r"windows\[0\] is 7d in the snapshot .* and 14d here.* CANDORA_WINDOWS"):
            check_settings(self.snapshots(), MetricSettings(windows=tuple(2 * one for one in SETTINGS.windows)))


class TestEventsBehind:
    def of(self, topic: str, key: str, log: Log) -> RecordProvenance:
        reader = replay()
        read(reader, log, {}, log.ends)
        service = key.partition("/")[0]
        partition_state = reader.partition_states[home(service)]
        return events_behind(
            kinds()[KINDS[topic]], key.encode(), partition_state.services[service], partition_state.partition
        )

    @pytest.mark.parametrize(
        ("topic", "key", "offsets"),
        [
            ("deployments", "shop/prod/D1", [3, 4, 5, 7]),
            ("incidents", "shop/i1", [3, 4, 5, 7]),
            ("deployments", f"{BANK}/prod/B1", [1, 4]),
            ("changes", "shop/none", []),
            ("delivery_metrics", "shop/prod", [4, 7, 22]),
        ],
    )
    def test_those_that_touch_it(self, topic: str, key: str, offsets: list[int]) -> None:
        found = self.of(topic, key, story())
        assert {event.offset for event in found.events} >= set(offsets)
        assert found.total == len(found.events) or len(found.events) == NEWEST
        assert bool(found.events) == bool(offsets)

    def test_the_newest_of_many(self) -> None:
        log = Log()
        for number in range(30):
            log.add(commit(f"c{number}", "09:00", change="shop#1", id_label=str(number)), 20_502 * 24 * HOUR)
        found = self.of("changes", "shop/shop#1", log)
        assert [event.offset for event in found.events] == list(range(30 - NEWEST, 30))
        assert found.events[-1].event_id == event_id("29")
        assert found.total == 30

    def test_names_with_a_slash(self) -> None:
        log = Log()
        log.add(commit("c1", "09:00", change="team/shop#1"), 20_502 * 24 * HOUR)
        assert self.of("changes", "shop/team%2Fshop#1", log).total == 1

    def test_a_judge_knows_whom_to_ask(self) -> None:
        log = story()
        outputs = change(published(log, log.ends), "incidents", "shop/i1", None)
        judge: AuditComparison = judged(log, outputs)
        [subject] = judge.subjects(judge.differences()).values()
        assert subject == (KINDS["incidents"], b"shop/i1", "shop", home("shop"))


class TestCrew:
    def test_partitions_are_shared_out_by_size(self) -> None:
        sizes = {0: 5 * WORTH_A_PROCESS, 1: 2 * WORTH_A_PROCESS, 2: 2 * WORTH_A_PROCESS, 3: WORTH_A_PROCESS}
        assert groups_of(sizes, 2) == [[0], [1, 2, 3]]

    def test_little_is_read_by_one(self) -> None:
        assert groups_of({0: 10, 1: 0, 2: 10}, 8) == [[0, 2, 1]]
        assert groups_of({0: 0}, 8) == [[0]]

    def test_no_more_processes_than_partitions(self) -> None:
        assert groups_of({0: 10**6, 1: 10**6}, 8) == [[0], [1]]


class Terminal(io.StringIO):
    @override
    def isatty(self) -> bool:
        return True


class TestProgressBar:
    def shown(self, monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, after: float) -> str:
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(progress, "SHOW_AFTER", after)
        with ProgressBar() as bar:
            bar(3, 10)
            bar(4, 10)
        return stream.getvalue()

    def test_to_somebody_who_waits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "recomputing" in self.shown(monkeypatch, Terminal(), after=0)

    def test_not_before_it_takes_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.shown(monkeypatch, Terminal(), after=60) == ""

    def test_not_to_a_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.shown(monkeypatch, io.StringIO(), after=0) == ""
