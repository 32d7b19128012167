import json
import pickle
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any, Final

import pytest
from fastavro import schemaless_reader
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec.codec import MAX_BYTES, Decoder, Encoder, Schema, frame, load_schema, split_frame
from schemas.codec.reader import compile_reader
from schemas.codec.writer import compile_writer
from schemas.errors import ContractError, InvalidEvent, Undecodable, UnknownSchema
from schemas.ids import pinned_decoder, pinned_encoder, pinned_id
from tests.support.builders.golden_messages import MODELS, goldens

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


def by_fastavro(record: str, data: bytes) -> Any:
    """Return what fastavro reads, None where it refuses or leaves bytes over."""
    body = BytesIO(data[5:])
    try:
        value = schemaless_reader(body, load_schema(record).parsed, None)
    except (EOFError, IndexError, OverflowError, ValueError):
        return None
    return value if body.tell() == len(data) - 5 else None


@given(st.data())
def test_what_is_read_is_what_fastavro_reads(data: st.DataObject) -> None:
    """Our reader refuses more, such as negative lengths, and never reads anything else."""
    record, message = data.draw(st.sampled_from(MESSAGES))
    place = data.draw(st.integers(5, len(message) - 1))
    damaged = message[:place] + data.draw(st.binary(min_size=1, max_size=2)) + message[place + 1 :]
    if reason(record, damaged) is None:
        assert repr(DECODERS[record].decode(damaged)) == repr(by_fastavro(record, damaged))
    assert DECODERS[record].decode(message) == by_fastavro(record, message)


EVERYTHING: Final = """
{"type": "record", "name": "All", "fields": [
  {"name": "flag", "type": "boolean"},
  {"name": "number", "type": "long"},
  {"name": "share", "type": ["null", "double"]},
  {"name": "text", "type": "string"},
  {"name": "raw", "type": {"type": "map", "values": "bytes"}},
  {"name": "nothing", "type": "null"},
  {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["a", "b"]}},
  {"name": "kinds", "type": {"type": "array", "items": "Kind"}},
  {"name": "parts", "type": {"type": "array", "items": {"type": "record", "name": "Part", "fields": [
    {"name": "n", "type": "long"}, {"name": "kind", "type": ["null", "Kind"]}]}}},
  {"name": "part", "type": ["null", "Part"]}
]}"""

LONG: Final = st.integers(-(2**63), 2**63 - 1)
PART: Final = st.fixed_dictionaries({"n": LONG, "kind": st.none() | st.sampled_from("ab")})
EVERY_VALUE: Final = st.fixed_dictionaries(
    {
        "flag": st.booleans(),
        "number": LONG,
        "share": st.none() | st.floats(allow_nan=False),
        "text": st.text(max_size=200),
        "raw": st.dictionaries(st.text(max_size=5), st.binary(max_size=80), max_size=4),
        "nothing": st.none(),
        "kind": st.sampled_from("ab"),
        "kinds": st.lists(st.sampled_from("ab"), max_size=70),
        "parts": st.lists(PART, max_size=4),
        "part": st.none() | PART,
    }
)


@given(EVERY_VALUE)
def test_whatever_is_written_is_read(value: dict[str, Any]) -> None:
    schema = Schema.parse("all", EVERYTHING)
    assert compile_reader(schema.parsed) is not None
    assert (
        Decoder[dict[str, Any]](schema, {1: schema}).decode(Encoder[dict[str, Any]](schema, 1).encode(value)) == value
    )


@pytest.mark.parametrize(
    "kind",
    [
        '"int"',
        '"float"',
        '["null", "string", "long"]',
        '["string", "null"]',
        '{"type": "fixed", "name": "F", "size": 2}',
        json.dumps({"type": "enum", "name": "E", "symbols": [f"s{n}" for n in range(65)]}),
    ],
)
def test_types_without_code_of_ours_are_left_to_fastavro(kind: str) -> None:
    text = f'{{"type": "record", "name": "R", "fields": [{{"name": "f", "type": {kind}}}]}}'
    schema = Schema.parse("r", text)
    assert compile_reader(schema.parsed) is None
    assert compile_writer(schema.parsed) is None
    value = {"int": 7, "float": 0.5, "fixed": b"ab", "enum": "s64"}
    given_value = next((known for name, known in value.items() if name in kind), "text")
    message = Encoder[dict[str, Any]](schema, 1).encode({"f": given_value})
    assert Decoder[dict[str, Any]](schema, {1: schema}).decode(message) == {"f": given_value}


def test_blocks_of_a_list_are_read_one_after_another() -> None:
    """Other writers send long lists in blocks, with their length in bytes if the count is negative."""
    schema = Schema.parse("list", '{"type": "array", "items": "long"}')
    blocks = [zigzag(1), zigzag(5), zigzag(-2), zigzag(2), zigzag(6), zigzag(7), zigzag(0)]
    assert Decoder(schema, {1: schema}).decode(frame(1, b"".join(blocks))) == [5, 6, 7]


@pytest.mark.parametrize(("record", "message"), MESSAGES)
def test_a_message_cut_short_anywhere_is_refused(record: str, message: bytes) -> None:
    for size in range(len(message)):
        with pytest.raises(Undecodable):
            DECODERS[record].decode(message[:size])


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda m: m[:-1], "cut short"),
        (lambda m: m[:5] + zigzag(-1) + m[6:], "a negative length"),
        (lambda m: m[:5] + b"\x02\xff" + m[7:], "can't decode byte 0xff"),
        (lambda m: m[:42] + b"\x7e" + m[43:], "a symbol that its enum has not"),
        (lambda m: m[:43] + b"\xff" * 11 + m[54:], "a number of more than ten bytes"),
        (lambda m: m[:43] + b"\xff" * 9 + b"\x7f" + m[54:], "a number of more than 64 bits"),
        (lambda m: m[:-1] + zigzag(2**40) + m[-1:], "more entries than bytes"),
    ],
)
def test_what_is_wrong_with_the_bytes_is_said_in_words(damage: Callable[[bytes], bytes], problem: str) -> None:
    plain = next(golden for golden in goldens() if golden.name == "canary_promoted_hotfix")
    with pytest.raises(Undecodable, match=problem):
        DECODERS["deploy_event"].decode(damage(plain.message))


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
