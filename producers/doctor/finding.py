"""The result of one check."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final, NamedTuple

from producers.errors import ExitCode


class CheckStatus(StrEnum):
    """The grade of a result."""

    OK = "ok"
    UNKNOWN = "unknown"
    """It could not be checked from here, which is no fault by itself."""
    WARNING = "warning"
    """Events are sent, but something is lost or will hurt later."""
    PROBLEM = "problem"
    """Events are not sent, or not accepted."""


class CheckResult(NamedTuple):
    """One check: what was looked at, how it is, and what to do. Holds no secret."""

    name: str
    status: CheckStatus
    text: str
    advice: str = ""
    code: ExitCode = ExitCode.OK
    """How the command ends because of it; OK unless it is a problem."""

    @property
    def line(self) -> str:
        """For people."""
        return f"{self.status:<8} {self.name}: {self.text}" + (f"; {self.advice}" if self.advice else "")

    def as_json(self) -> dict[str, Any]:
        """Return the result as a JSON object."""
        return {"check": self.name, "status": str(self.status), "text": self.text, "advice": self.advice or None}


def ok(name: str, text: str) -> CheckResult:
    """Report that a check passed."""
    return CheckResult(name, CheckStatus.OK, text)


def unknown(name: str, text: str, advice: str = "") -> CheckResult:
    """Report that a check could not be made."""
    return CheckResult(name, CheckStatus.UNKNOWN, text, advice)


def warning(name: str, text: str, advice: str) -> CheckResult:
    """Report something that works now and will fail or lose data later."""
    return CheckResult(name, CheckStatus.WARNING, text, advice)


def problem(name: str, text: str, advice: str, code: ExitCode) -> CheckResult:
    """Report something that must be fixed."""
    return CheckResult(name, CheckStatus.PROBLEM, text, advice, code)


_GRAVEST: Final = (ExitCode.NOT_CONFIGURED, ExitCode.CREDENTIALS, ExitCode.NOT_DELIVERED, ExitCode.USAGE)


def exit_code(findings: Iterable[CheckResult]) -> ExitCode:
    """Return the exit code: that of the problem which must be fixed before the others can be seen."""
    codes = {finding.code for finding in findings}
    return next((code for code in _GRAVEST if code in codes), ExitCode.OK)
