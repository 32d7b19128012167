"""The cheap way to the contract's JSON is the same as that of its models."""

import json

import pytest

from producers.events.event_json import event_json
from producers.events.fast_json import plain_event
from schemas.events import DeployEvent, parse_event
from schemas.values import EventValue
from streams.demo.company import history
from tests.support.builders.golden_messages import goldens
from tests.unit.producers.events.test_fast_json import EVENT

GOLDEN = [parse_event(each.json_text).to_value() for each in goldens() if each.record == "deploy_event"]
COMPANY = list(history(1, 1_790_000_000_123_456))[:300]


@pytest.mark.parametrize("value", [parse_event(json.dumps(EVENT)).to_value(), *GOLDEN])
def test_an_event_of_the_contract_is_written_as_its_models_write_it(value: EventValue) -> None:
    assert event_json(value) == json.loads(DeployEvent.from_value(value).model_dump_json(exclude_none=True))


def test_what_is_written_reads_as_it_was() -> None:
    assert COMPANY
    for value in COMPANY:
        assert plain_event(event_json(value)) == value
