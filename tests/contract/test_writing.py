"""What we write is what fastavro writes, to the byte; and what it refuses, we refuse."""

from copy import deepcopy
from io import BytesIO
from typing import Any, Final

import pytest
from fastavro import schemaless_writer
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec.codec import Encoder, Schema, load_schema
from schemas.codec.writer import NOT_WRITTEN, compile_writer
from schemas.errors import InvalidEvent
from schemas.ids import pinned_decoder
from tests.contract.test_codec import EVERY_VALUE, EVERYTHING
from tests.support.builders.golden_messages import goldens

EVERY: Final = Schema.parse("all", EVERYTHING)
GOLDENS: Final = [(golden.record, pinned_decoder(golden.record).decode(golden.message)) for golden in goldens()]
ODD: Final[list[Any]] = [
    None,
    True,
    False,
    7,
    -1,
    2**63,
    -(2**63) - 1,
    10**40,
    0.5,
    "text",
    "half \ud800",
    b"raw",
    [],
    {},
    (1,),
]


def by_fastavro(schema: Schema, value: Any) -> bytes | None:
    """What fastavro writes, None where it refuses."""
    out = BytesIO()
    try:
        schemaless_writer(out, schema.parsed, value, strict=True)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return None
    return out.getvalue()


def by_us(schema: Schema, value: Any) -> bytes | None:
    """What our writer writes, None where it leaves the value to fastavro."""
    writer = compile_writer(schema.parsed)
    assert writer is not None
    parts: list[bytes] = []
    try:
        writer(value, parts)
    except NOT_WRITTEN:
        return None
    return b"".join(parts)


@given(EVERY_VALUE)
def test_any_value(value: dict[str, Any]) -> None:
    assert by_us(EVERY, value) == by_fastavro(EVERY, value)


@pytest.mark.parametrize(("record", "value"), GOLDENS)
def test_every_record_of_the_contract(record: str, value: dict[str, Any]) -> None:
    schema = load_schema(record)
    assert by_us(schema, value) == by_fastavro(schema, value) is not None


def damaged(data: st.DataObject, value: Any) -> Any:
    """The value with something odd in one place, or with a field too many or too few."""
    if not isinstance(value, dict | list) or not value or data.draw(st.integers(0, 3)) == 0:
        return data.draw(st.sampled_from(ODD))
    place = data.draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
    if isinstance(value, dict) and data.draw(st.integers(0, 5)) == 0:
        return {**value, "another": 1} if data.draw(st.booleans()) else {k: v for k, v in value.items() if k != place}
    changed = deepcopy(value)
    changed[place] = damaged(data, value[place])
    return changed


@given(st.data())
def test_a_damaged_value_is_written_as_by_fastavro_or_not_at_all(data: st.DataObject) -> None:
    record, value = data.draw(st.sampled_from(GOLDENS))
    schema, wrong = load_schema(record), damaged(data, value)
    ours = by_us(schema, wrong)
    assert ours is None or ours == by_fastavro(schema, wrong)


def test_an_encoder_says_the_same_before_and_after_it_has_compiled() -> None:
    record, value = GOLDENS[0]
    encoder = Encoder[Any](load_schema(record), 1)
    wrong = {**value, "service": 7}
    with pytest.raises(InvalidEvent, match="service") as before:
        encoder.encode(wrong)
    assert len({encoder.encode(value) for _ in range(100)}) == 1
    with pytest.raises(InvalidEvent, match="service") as after:
        encoder.encode(wrong)
    assert str(after.value) == str(before.value)
