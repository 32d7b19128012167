import io
import os

from typing_extensions import override

from producers.console import Console


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
    console.error("bad")
    console.info("fine")

    assert err.getvalue() == "candora-ci: warning: slow\ncandora-ci: error: bad\ncandora-ci: fine\n"


def test_a_counter_is_shown_only_after_two_seconds_and_not_at_every_step() -> None:
    err, clock = _Terminal(), _Clock()
    console = Console(io.StringIO(), err, {}, clock)

    clock.now += 1.9
    console.progress("early")
    clock.now += 0.2
    console.progress("first")
    clock.now += 0.1
    console.progress("too soon")
    clock.now += 0.2
    console.progress("second")
    console.info("done")

    assert err.getvalue() == "\rfirst\x1b[K\rsecond\x1b[K\r\x1b[Kcandora-ci: done\n"


def test_no_counter_is_written_to_a_log() -> None:
    err, clock = io.StringIO(), _Clock()
    console = Console(io.StringIO(), err, {}, clock)

    clock.now += 60
    console.progress("counting")

    assert err.getvalue() == ""


def test_a_reader_that_goes_away_does_not_end_the_work() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as out:
        console = Console(out, io.StringIO(), {}, _Clock())

        console.data("one")
        console.data("two")

        assert not out.closed
