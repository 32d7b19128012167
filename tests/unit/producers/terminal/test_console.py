import io
import os

import pytest
from typing_extensions import override

from producers.terminal import progress
from producers.terminal.console import Console


class _Terminal(io.StringIO):
    @override
    def isatty(self) -> bool:
        return True


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_on_github_all_that_went_wrong_is_one_annotation_that_cannot_break_out_of_its_line() -> None:
    err = io.StringIO()
    console = Console(io.StringIO(), err, {"GITHUB_ACTIONS": "true"}, _Clock())

    console.warning("50% lost\r\n::set-output")
    console.error("bad")
    console.annotate()

    assert err.getvalue() == (
        "candora-ci: warning: 50% lost\\r\\n::set-output\n"
        "candora-ci: error: bad\n"
        "::error title=candora-ci::bad%0A50%25 lost%0D%0A::set-output\n"
    )


def test_a_run_without_trouble_leaves_no_annotation() -> None:
    err = io.StringIO()
    console = Console(io.StringIO(), err, {"GITHUB_ACTIONS": "true"}, _Clock())

    console.info("fine")
    console.annotate()

    assert err.getvalue() == "candora-ci: fine\n"


def test_elsewhere_they_are_plain_lines() -> None:
    err = io.StringIO()
    console = Console(io.StringIO(), err, {}, _Clock())

    console.warning("slow")
    console.error("bad\nand worse")
    console.info("fine")

    assert err.getvalue() == (
        "candora-ci: warning: slow\ncandora-ci: error: bad\ncandora-ci: error: and worse\ncandora-ci: fine\n"
    )


def test_a_counter_is_shown_only_after_two_seconds_and_not_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "find_spec", lambda name: None)
    err, clock = _Terminal(), _Clock()
    console = Console(io.StringIO(), err, {}, clock)

    for seconds, done, total in ((1.9, 1, None), (0.2, 2, None), (0.1, 3, None), (0.2, 4_000, 5_000)):
        clock.now += seconds
        console.progress("lines", done, total)
    console.info("done")

    assert err.getvalue() == "\rlines: 2\x1b[K\rlines: 4,000 of 5,000\x1b[K\r\x1b[Kcandora-ci: done\n"


def test_where_rich_is_installed_it_is_a_bar_that_gives_way_to_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    err, clock = _Terminal(), _Clock()
    console = Console(io.StringIO(), err, {}, clock)

    console.progress("reading the commits", 0)  # cannot be counted, so nothing would come that shows it later
    clock.now += 3
    console.progress("commits", 4_000, 5_000)
    console.info("done")

    drawn = err.getvalue()
    for part in ("reading the commits", "commits", "━━━━", "4,000 of 5,000"):
        assert part in drawn
    assert drawn.endswith("\x1b[2Kcandora-ci: done\n")  # on the line that was the bar's


@pytest.mark.parametrize(("done", "total"), [(1, None), (0, None), (1, 2)])
def test_no_counter_is_written_to_a_log(done: int, total: int | None) -> None:
    err, clock = io.StringIO(), _Clock()
    console = Console(io.StringIO(), err, {}, clock)

    clock.now += 60
    console.progress("counting", done, total)

    assert err.getvalue() == ""


def test_a_reader_that_goes_away_does_not_end_the_work() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as out:
        console = Console(out, io.StringIO(), {}, _Clock())

        console.data("one")
        console.data("two")

        assert not out.closed
