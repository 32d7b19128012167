import pytest

from tests.tools.reference_page import PAGE, WHEN, documented_events, render


def test_its_tables_are_those_of_the_code() -> None:
    text = PAGE.read_text("utf-8")
    assert text == render(text), "run `make reference`"


def test_a_changed_table_is_noticed() -> None:
    text = PAGE.read_text("utf-8")
    changed = text.replace("| `commit_created` |", "| `commit_made` |")
    assert changed != text
    assert render(changed) == text


def test_a_lost_place_is_noticed() -> None:
    with pytest.raises(LookupError, match="no single place for metrics"):
        render(PAGE.read_text("utf-8").replace("<!-- end of metrics -->", ""))


def test_it_shows_every_event_that_people_send() -> None:
    assert set(WHEN) == documented_events()
