"""Record keys are stored: their text never changes."""

import pytest

from streams.core import record_key
from streams.core.record_key import RecordKey, kind_of, names_of


@pytest.mark.parametrize(
    ("key", "text", "kind"),
    [
        (record_key.change_key("org/repo#1"), "c/org/repo#1", record_key.CHANGE),
        (record_key.deployment_key("prod", "a/b"), "d/prod/a/b", record_key.DEPLOYMENT),
        (record_key.incident_key("INC-1"), "i/INC-1", record_key.INCIDENT),
        (record_key.rollback_key("event"), "r/event", record_key.ROLLBACK),
        (record_key.cause_link_key("shop", "INC 1"), "l/shop INC 1", record_key.CAUSE_LINK),
    ],
)
def test_the_stored_text(key: RecordKey, text: str, kind: str) -> None:
    assert key == text
    assert kind_of(key) == kind
    assert names_of(key) == text[2:]
