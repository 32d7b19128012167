"""Whatever lies in deploy_events, the intake answers with an event, with nothing, or with an error of the contract."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.codec.codec import frame
from schemas.errors import ContractError
from schemas.ids import pinned_id
from schemas.rules import LATEST
from schemas.values import EventValue
from tests.fuzz.choices import Drawn
from tests.fuzz.oracle import EVENTS, home_of, message, new_intake, take_in
from tests.fuzz.search import quick
from tests.fuzz.wild_events import wild_event
from tests.support.builders.golden_messages import goldens

MESSAGES = [golden.message for golden in goldens() if golden.record == "deploy_event"]
INTAKE = new_intake()
wild_events: st.SearchStrategy[EventValue] = st.composite(lambda draw: wild_event(Drawn(draw)))()
anything = st.none() | st.binary(max_size=400)


@given(anything, anything, st.integers(-1, LATEST), st.integers(0, 3))
@quick(400)
def test_any_bytes(value: bytes | None, key: bytes | None, append_time: int, partition: int) -> None:
    for data in (value, None if value is None else frame(pinned_id("deploy_event"), value)):
        event = take_in(INTAKE, message(data, key, append_time, partition))
        assert event is None or event["service"].encode() == key


@given(st.data())
@quick(400)
def test_a_damaged_message(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(MESSAGES) | wild_events.map(EVENTS.encode))
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 12)))
    damaged = whole[:start] + data.draw(st.binary(max_size=12)) + whole[end:]
    key = data.draw(st.sampled_from((b"a", b"payments", b"", None)))
    event = take_in(INTAKE, message(damaged, key, LATEST, data.draw(st.integers(0, 3))))
    assert event is None or event["service"].encode() == key


@given(wild_events)
@quick(200)
def test_every_event_that_the_contract_allows_is_let_in_as_it_was_written(event: EventValue) -> None:
    record = message(EVENTS.encode(event), event["service"].encode(), LATEST, home_of(event))
    assert INTAKE.read(record) == (None if event["event_type"] == "clock_tick" else event)


@given(wild_events, st.data())
@quick(200)
def test_one_field_made_wrong(event: EventValue, data: st.DataObject) -> None:
    """What the rules refuse is refused with a path; what they still allow is let in."""
    name = data.draw(st.sampled_from([name for name, value in event.items() if isinstance(value, str)]))
    if name in {"event_type", "lane"}:
        return
    wrong: EventValue = {**event, name: data.draw(st.text(max_size=300))}  # type: ignore[misc]
    record = message(EVENTS.encode(wrong), wrong["service"].encode(), LATEST, home_of(wrong))
    refusal: ContractError | None = None
    try:
        found = INTAKE.read(record)
    except ContractError as error:
        refusal = error
    else:
        assert found in (wrong, None)
    assert refusal is None or (refusal.reason, refusal.path) == ("failed_validation", name)
