import json
import pickle
import time
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import MAX_BYTES, Decoder, Encoder, Schema, frame, load_schema, split_frame
from schemas.errors import ContractError, InvalidEvent, Undecodable, UnknownSchema
from schemas.ids import pinned_decoder, pinned_encoder, pinned_id
from tests.contract.golden import MODELS, goldens

EVENT_ID: Final = pinned_id("deploy_event")
MESSAGES: Final = [(golden.record, golden.message) for golden in goldens()]
DECODERS: Final = {record: pinned_decoder(record) for record in MODELS}
PROMOTED: Final = next(golden for golden in goldens() if golden.name == "canary_promoted")


def promoted() -> dict[str, Any]:
    value: dict[str, Any] = pinned_decoder("deploy_event").decode(PROMOTED.message)
    return value


def zigzag(number: int) -> bytes:
    """Return a number as Avro writes it."""
    rest = (number << 1) ^ (number >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*out, rest])


NASTY: Final = [
    *(zigzag(number) for number in (-1, -2, 2**31, 2**62, 2**63 - 1, -(2**63), 1_000_000, -1_000_000)),
    b"\xff" * 12,
    b"\x80" * 30 + b"\x01",
    b"\xed\xa0\x80",
]


def reason(record: str, data: bytes) -> str | None:
    """Return why a message is refused, None if it is not; any other error than the contract's ends the test."""
    try:
        value = DECODERS[record].decode(data)
    except ContractError as error:
        return error.reason
    return None if isinstance(value, dict) else "no record"


@given(st.binary(max_size=300))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    for record in DECODERS:
        assert reason(record, data) in {None, "undecodable", "unknown_schema"}
        assert reason(record, frame(pinned_id(record), data)) in {None, "undecodable"}


@given(st.data())
def test_a_damaged_message_decodes_or_is_refused_at_once(data: st.DataObject) -> None:
    record, message = data.draw(st.sampled_from(MESSAGES))
    start = data.draw(st.integers(0, len(message)))
    end = data.draw(st.integers(start, min(len(message), start + 12)))
    patch = data.draw(st.sampled_from(NASTY) | st.binary(max_size=8))
    damaged = message[:start] + patch + message[end:]
    began = time.perf_counter()
    assert reason(record, damaged) in {None, "undecodable", "unknown_schema"}
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(("record", "message"), MESSAGES)
def test_a_message_cut_short_anywhere_is_refused(record: str, message: bytes) -> None:
    for size in range(len(message)):
        with pytest.raises(Undecodable):
            DECODERS[record].decode(message[:size])


def test_a_message_with_more_after_it_is_refused() -> None:
    with pytest.raises(Undecodable, match="2 bytes follow the message"):
        DECODERS["deploy_event"].decode(PROMOTED.message + b"\0\0")


def test_a_message_longer_than_any_topic_takes_is_refused_unread() -> None:
    with pytest.raises(Undecodable, match="more than"):
        DECODERS["deploy_event"].decode(frame(EVENT_ID, bytes(MAX_BYTES)))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "the message is empty"),
        (b'{"event_id": "x"}', "looks like JSON"),
        (b"\x01\0\0\0\1", "does not begin with a schema id"),
        (b"\0\0\0\1", "does not begin with a schema id"),
    ],
)
def test_bytes_without_a_frame_are_refused_in_words(data: bytes, problem: str) -> None:
    with pytest.raises(Undecodable, match=problem):
        split_frame(data)
    with pytest.raises(Undecodable, match=problem):
        DECODERS["deploy_event"].decode(data)


@given(st.integers(0, 2**32 - 1), st.binary(max_size=64))
def test_a_frame_comes_apart_as_it_was_put_together(schema_id: int, body: bytes) -> None:
    assert split_frame(frame(schema_id, body)) == (schema_id, body)


def test_an_unknown_schema_is_named_and_can_be_learnt() -> None:
    decoder = pinned_decoder("deploy_event")
    message = frame(77, PROMOTED.message[5:])
    with pytest.raises(UnknownSchema, match="id 77") as caught:
        decoder.decode(message)
    assert (caught.value.schema_id, caught.value.reason) == (77, "unknown_schema")
    decoder.add_writer(77, load_schema("deploy_event"))
    assert decoder.decode(message) == promoted()


def _writer(change: Callable[[dict[str, Any]], None]) -> Schema:
    source = json.loads(load_schema("deploy_event").raw)
    change(source)
    return Schema.parse("deploy_event", json.dumps(source))


def test_an_older_writer_is_read_with_defaults_of_its_own() -> None:
    """A field that the writer lacked gets its default, and no two events share one."""
    older = _writer(lambda source: source["fields"].pop())
    value = promoted()
    del value["attributes"]
    message = Encoder[dict[str, Any]](older, 78).encode(value)
    decoder = Decoder[dict[str, Any]](load_schema("deploy_event"), {78: older})
    first = decoder.decode(message)
    assert first == {**value, "attributes": {}}
    first["attributes"]["mine"] = "only"
    assert decoder.decode(message)["attributes"] == {}


def test_a_newer_event_type_reads_as_unknown() -> None:
    newer = _writer(lambda source: source["fields"][1]["type"]["symbols"].append("moon_landed"))
    message = Encoder[dict[str, Any]](newer, 79).encode({**promoted(), "event_type": "moon_landed"})
    assert Decoder(load_schema("deploy_event"), {79: newer}).decode(message)["event_type"] == "UNKNOWN"


def test_a_schema_that_does_not_fit_makes_messages_undecodable() -> None:
    other = Schema.parse("other", '{"type": "record", "name": "DeployEvent", "fields": []}')
    for writer in (other, Schema.parse("text", '"string"')):
        with pytest.raises(Undecodable):
            Decoder(load_schema("deploy_event"), {80: writer}).decode(frame(80, b"\x02a"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 100_000,
        "7",
        "null",
        '"nonsense"',
        '["null", 7]',
        '{"type": "record"}',
        '{"type": "enum", "name": "A", "symbols": 7}',
        '{"type": "fixed", "name": "A"}',
        '{"type": "array"}',
    ],
)
def test_what_is_no_schema_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an Avro schema: x"):
        Schema.parse("x", text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"type": "array", "items": "null"}', "entries that take no bytes"),
        ('{"type": "array", "items": {"type": "null"}}', "entries that take no bytes"),
        ('{"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}', "entries that take no bytes"),
        ('{"type": "array", "items": {"type": "record", "name": "R", "fields": []}}', "entries that take no bytes"),
        ('{"type": "record", "name": "R", "fields": [{"name": "r", "type": ["null", "R"]}]}', "R holds itself"),
        (
            '{"type": "record", "name": "R", "fields": [{"name": "r", "type": {"type": "map", "values": "R"}}]}',
            "itself",
        ),
    ],
)
def test_a_schema_that_could_exhaust_its_reader_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Schema.parse("x", text)


def _without(value: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: part for key, part in value.items() if key != name}


ANALYSIS: Final = {"metric": "p99", "verdict": "pass", "value": None, "threshold": None, "n": None}


@pytest.mark.parametrize(
    ("change", "path", "problem"),
    [
        (lambda v: {**v, "colour": "red"}, "colour", "is not a field of the contract"),
        (lambda v: _without(v, "lane"), "lane", "is missing"),
        (lambda v: {**v, "canary": _without(v["canary"], "weight")}, "canary.weight", "is missing"),
        (lambda v: {**v, "canary": {**v["canary"], "size": 1}}, "canary.size", "is not a field of the contract"),
        (lambda v: {**v, "canary": {**v["canary"], "included_shas": ["a", 7]}}, "canary.included_shas[1]", "be text"),
        (
            lambda v: {**v, "canary": {**v["canary"], "analysis": [{**ANALYSIS, "n": "9"}]}},
            "canary.analysis[0].n",
            "int",
        ),
        (
            lambda v: {**v, "canary": {**v["canary"], "analysis": [{"metric": "x"}]}},
            "canary.analysis[0].verdict",
            "miss",
        ),
        (lambda v: {**v, "canary": []}, "canary", "should be Canary, not list"),
        (lambda v: {**v, "event_type": "moon_landed"}, "event_type", "is not one of UNKNOWN, commit_created"),
        (lambda v: {**v, "lane": None}, "lane", "is not one of normal"),
        (lambda v: {**v, "occurred_at": "2026-01-05"}, "occurred_at", "should be integer, not str"),
        (lambda v: {**v, "occurred_at": 2**63}, "occurred_at", "is beyond the long of Avro"),
        (lambda v: {**v, "emitted_at": 1.5}, "emitted_at", "should be integer, not float"),
        (lambda v: {**v, "service": None}, "service", "should be text, not NoneType"),
        (lambda v: {**v, "service": "\ud800"}, "service", "half a character"),
        (lambda v: {**v, "attributes": {"a": 1}}, "attributes.a", "should be text, not int"),
        (lambda v: {**v, "attributes": ["a"]}, "attributes", "should be map, not list"),
        (lambda v: [v], None, "should be DeployEvent, not list"),
    ],
)
def test_a_value_that_is_not_of_the_schema_is_refused_with_its_path(
    change: Callable[[dict[str, Any]], Any], path: str | None, problem: str
) -> None:
    with pytest.raises(InvalidEvent) as caught:
        pinned_encoder("deploy_event").encode(change(promoted()))
    assert caught.value.path == path
    assert problem in caught.value.problem


def test_a_fault_behind_a_type_defined_earlier_has_its_path() -> None:
    golden = next(golden for golden in goldens() if golden.record == "delivery_metrics")
    value = pinned_decoder("delivery_metrics").decode(golden.message)
    value["counters"]["restore"]["exemplars"] = [{"bucket": 1, "commit_sha": 7, "value": 1, "at": 1}]
    with pytest.raises(InvalidEvent, match=r"counters\.restore\.exemplars\[0\]\.commit_sha: should be text, not int"):
        pinned_encoder("delivery_metrics").encode(value)


def test_errors_are_one_line_and_survive_pickling() -> None:
    """An error crosses process borders, and its line break in a log would be somebody else's entry."""
    error = InvalidEvent("has a\nbreak", path="a.b", hint="remove it")
    assert str(error) == "a.b: has a\\nbreak; remove it"
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (str(again), again.reason) == (str(error), "failed_validation")
    unknown = pickle.loads(pickle.dumps(UnknownSchema(9)))  # noqa: S301 - our own
    assert (unknown.schema_id, str(unknown)) == (9, str(UnknownSchema(9)))
