"""Configure logs: one JSON object per line, or plain text."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

from typing_extensions import override

from streams.errors import SetupError

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_NOISY: Final = ("aiokafka.consumer.group_coordinator", "aiohttp.access")


class JsonFormatter(logging.Formatter):
    """Formatter for one line of JSON per record: time, level, logger, message, error, and the fields of `extra`."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class SetupErrorFilter(logging.Filter):
    """Filter that logs a set-up error once, as its message without a traceback.

    Otherwise every service that fails because of it logs it again.
    """

    def __init__(self) -> None:
        super().__init__()
        self._reported: BaseException | None = None

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, SetupError):
            return True
        if error is self._reported:
            return False
        self._reported = error
        record.msg, record.args, record.exc_info, record.exc_text = str(error), (), None, None
        return True


def configure_logging(form: Literal["json", "text"], stream: TextIO | None = None) -> None:
    """Send all logs of level INFO and above to `stream` (standard error), replacing any previous configuration."""
    handler = logging.StreamHandler(stream or sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if form == "json" else text)
    handler.addFilter(SetupErrorFilter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
