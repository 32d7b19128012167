import io
import json
import logging
from collections.abc import Iterator

import pytest

from streams.errors import SetupError
from streams.worker.logs import JsonFormatter, configure_logging


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    logger = logging.getLogger()
    before = logger.level, list(logger.handlers)
    yield logger
    logger.setLevel(before[0])
    logger.handlers[:] = before[1]


def test_a_line_is_one_object_with_what_the_caller_added(root: logging.Logger) -> None:
    out = io.StringIO()
    configure_logging("json", out)
    logging.getLogger("candora.test").warning("two\nlines of %s", "ä", extra={"partition": 3})
    logging.getLogger("candora.test").debug("not said")
    [line] = out.getvalue().splitlines()
    said = json.loads(line)
    assert said.pop("time").endswith("+00:00")
    assert said == {"level": "warning", "logger": "candora.test", "message": "two\nlines of ä", "partition": 3}


def test_an_exception_stays_on_its_line(root: logging.Logger) -> None:
    out = io.StringIO()
    configure_logging("json", out)
    try:
        _ = 1 // 0
    except ZeroDivisionError:
        logging.getLogger("x").exception("failed")
    [line] = out.getvalue().splitlines()
    assert "ZeroDivisionError: integer division" in json.loads(line)["error"]


def test_an_error_of_the_set_up_is_one_line_and_said_once(root: logging.Logger) -> None:
    out = io.StringIO()
    configure_logging("json", out)
    error = SetupError("no topic 100% of it: create it")
    logging.getLogger("x").error("Crashed reason=%r", error, exc_info=error)
    logging.getLogger("y").error("Error: %r", error, exc_info=error)
    [line] = out.getvalue().splitlines()
    said = json.loads(line)
    assert (said["level"], said["message"]) == ("error", "no topic 100% of it: create it")
    assert "error" not in said


def test_plain_lines_for_people(root: logging.Logger) -> None:
    out = io.StringIO()
    configure_logging("text", out)
    logging.getLogger("x").info("hello")
    assert out.getvalue().endswith("INFO x: hello\n")


def test_what_json_cannot_hold_is_shown_as_text() -> None:
    record = logging.makeLogRecord({"msg": "m", "path": {1, 2}})
    assert json.loads(JsonFormatter().format(record))["path"] == "{1, 2}"
