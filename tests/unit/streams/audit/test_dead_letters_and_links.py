"""Dead letters and links: all that are due, as they are due, and no others."""

from dataclasses import replace
from typing import Any

import pytest

from schemas.codec.codec import frame
from schemas.ids import pinned_encoder
from schemas.values import DeadLetterValue, EventValue
from streams.audit.differences import ABSENT, FieldDifference
from streams.audit.published_outputs import DeadLetters, PublishedOutputs
from streams.audit.recompute import ReplayedLink
from tests.support.events import cause, opened, promoted
from tests.unit.streams.audit.cases import BANK, Log, differences, home, judged, published, read, replay, story

REASON = FieldDifference("reason", ABSENT, "undecodable")


def with_letters(outputs: PublishedOutputs, letters: list[DeadLetterValue]) -> PublishedOutputs:
    return replace(outputs, dead=DeadLetters(letters, [], gone=False))


class TestDeadLetters:
    log = story()
    outputs = published(log, log.ends)
    letters = outputs.dead.records

    def test_repeated_ones_are_the_same(self) -> None:
        assert differences(self.log, with_letters(self.outputs, [*self.letters, *self.letters])) == []

    def test_missing(self) -> None:
        for letter in self.letters:
            left = [one for one in self.letters if one is not letter]
            [found] = differences(self.log, with_letters(self.outputs, left))
            assert (found.topic, found.problem) == ("deploy_events_dead", "missing")
            assert found.key == f"deploy_events[{letter['partition']}]@{letter['offset']}"
            assert found.behind.events[0][:2] == (letter["partition"], letter["offset"])

    @pytest.mark.parametrize("place", [(home("shop"), 0), (home("shop"), 10_000), (7, 0)])
    def test_of_a_message_that_was_not_refused(self, place: tuple[int, int]) -> None:
        more: DeadLetterValue = {**self.letters[0], "partition": place[0], "offset": place[1]}
        [found] = differences(self.log, with_letters(self.outputs, [*self.letters, more]))
        assert (found.problem, found.key) == ("extra", f"deploy_events[{place[0]}]@{place[1]}")

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("reason", "wrong_key"),
            ("path", "service"),
            ("topic", "other"),
            ("append_time", 1),
            ("key", b"bank"),
            ("value", b"other"),
            ("headers", {"trace": b"\2"}),
        ],
    )
    def test_changed(self, field: str, value: Any) -> None:
        first: Any = {**self.letters[0], field: value}
        [found] = differences(self.log, with_letters(self.outputs, [first, *self.letters[1:]]))
        assert found.problem == "different"
        assert found.fields[0].path.partition(".")[0] == field

    def test_what_is_no_dead_letter(self) -> None:
        dead = DeadLetters(self.letters, [("deploy_events_dead[0]@3", "the message is empty")], gone=False)
        [found] = differences(self.log, replace(self.outputs, dead=dead))
        assert (found.problem, found.key) == ("extra", "deploy_events_dead[0]@3")


class TestLinks:
    def link(self) -> tuple[Log, int, EventValue]:
        """A log with the link left out, where it stood last, and the link."""
        log = Log()
        log.add(promoted("B1", "12:00", service=BANK), NOON)
        log.add(opened("i2", "13:05", cause=cause(service=BANK, deployment="B1")), NOON)
        reader = replay()
        read(reader, log, {}, log.ends)
        [due] = reader.take().due
        return log, home(BANK), due.event

    def test_there(self) -> None:
        log, _, link = self.link()
        log.add(link, NOON)
        log.add(link, NOON)  # a batch that was repeated
        assert differences(log, published(log, log.ends)) == []

    def test_not_there(self) -> None:
        log, _, link = self.link()
        [found] = differences(log, published(log, log.ends))
        assert (found.topic, found.problem, found.key) == (
            "deploy_events",
            "missing",
            f"cause_linked {link['event_id']}",
        )
        assert found.behind.events[0][:2] == (home("shop"), 0)

    def test_there_but_beyond_the_audited_ends(self) -> None:
        log, _, link = self.link()
        ends = log.ends
        log.add(link, NOON)
        assert differences(log, published(log, ends), ends) == []

    def test_in_another_partition(self) -> None:
        log, partition, link = self.link()
        log.add(link, NOON, partition=1 - partition)
        problems = [(one.topic, one.problem) for one in differences(log, published(log, log.ends))]
        assert problems == [("deploy_events", "missing")]

    def test_changed(self) -> None:
        log, _, link = self.link()
        log.add({**link, "deployment_id": "B2"}, NOON)
        found = differences(log, published(log, log.ends))
        assert [one.problem for one in found] == ["missing", "extra"]
        assert [field.path for field in found[1].fields] == ["deployment_id"]

    @pytest.mark.parametrize("version", ["0", "500"])
    def test_that_no_message_caused(self, version: str) -> None:
        log, _, link = self.link()
        log.add(link, NOON)
        forged = {**link["attributes"], "version": version, "origin": "auth"}
        log.add({**link, "event_id": "0" * 8 + link["event_id"][8:], "attributes": forged}, NOON)
        [found] = differences(log, published(log, log.ends))
        assert (found.topic, found.problem) == ("deploy_events", "extra")

    def test_that_a_later_message_caused(self) -> None:
        """It stands before the audited end of its partition, its cause behind that of the other."""
        log, _, link = self.link()
        log.add(link, NOON)
        ends = {**log.ends, home("shop"): 0}
        assert differences(log, published(log, log.ends), ends) == []

    def test_that_was_refused(self) -> None:
        """What the incident names may be no service; the link was sent all the same."""
        log, _, link = self.link()
        log.add({**link, "env": "no env!"}, NOON)
        reader = replay()
        read(reader, log, {}, log.ends)
        reading = reader.take()
        assert [letter["reason"] for letter in reading.refused] == ["failed_validation"]
        [linked] = reading.linked
        assert linked == ReplayedLink((home(BANK), 1), {**link, "env": "no env!"})


NOON = 20_500 * 86_400_000_000 + 86_400_000_000


class TestSchemasThatWereLearnedLate:
    """A worker did not know a schema that the registry knows by now."""

    def log(self) -> Log:
        log = Log()
        body = pinned_encoder("deploy_event").encode(promoted("S1", "12:00"))[5:]
        log.add_raw(b"shop", frame(77, body), NOON)
        return log

    def test_refused_then_and_now(self) -> None:
        log = self.log()
        outputs = published(log, log.ends)
        assert [letter["reason"] for letter in outputs.dead.records] == ["unknown_schema"]
        judge = judged(log, outputs)
        assert (judge.disputed(), judge.differences()) == (set(), [])

    def test_a_worker_is_believed(self) -> None:
        log = self.log()
        [letter] = published(log, log.ends).dead.records
        log.messages[home("shop")].clear()
        log.add(promoted("S1", "12:00"), NOON)
        nothing = with_letters(published(log, {0: 0, 1: 0}), [letter])
        assert judged(log, nothing).disputed() == {(home("shop"), 0)}

    def test_not_where_the_schema_was_shipped(self) -> None:
        log = Log()
        log.add(promoted("S1", "12:00"), NOON)
        message = log.messages[home("shop")][0]
        outputs = published(log, log.ends)
        [letter] = published(self.log(), log.ends).dead.records
        wrong: DeadLetterValue = {**letter, "value": message.value}
        judge = judged(log, with_letters(outputs, [wrong]))
        assert judge.disputed() == set()
        assert [one.problem for one in judge.differences()] == ["extra"]

    def test_refused_again_once_that_is_known(self) -> None:
        log = self.log()
        outputs = published(log, log.ends)
        log.messages[home("shop")].clear()
        log.add(promoted("S1", "12:00"), NOON)
        judge = judged(log, outputs, unknown=[(home("shop"), 0)])
        assert judge.disputed() == set()
        assert {one.topic for one in judge.differences()} == {"deploy_events_dead"}  # other bytes, in this test
