"""Turn the report flags of a command line into assignments, and check that the gate passed.

Pure: the caller passes the function that reads files.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from producers.errors import UsageError
from producers.events.event_builder import Assignment
from producers.evidence import flags
from producers.evidence.flags import REPORT_FLAGS, ReportFlag
from producers.evidence.report import EvidenceReading, ReportFile, printable

ReadFiles = Callable[[ReportFlag, Sequence[str], int], Sequence[ReportFile]]
"""Read the files of a flag's patterns, each within a limit in bytes. Raises UsageError."""

_KIND: Final = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,62})=(.+)", re.DOTALL)
_LICENCES: Final = "scan.licences_denied"
_NOTE_BYTES: Final = 900
"""Maximum bytes of a note; name and value of an attribute together may have 1024."""


class ReportArguments:
    """The values of the report flags on the command line, by `dest`."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._arguments = arguments

    def texts(self, flag: ReportFlag) -> list[str]:
        """Return every value of a flag."""
        value = self._arguments.get(flag.dest)
        return [] if value is None else value if isinstance(value, list) else [value]

    def text(self, flag: ReportFlag) -> str | None:
        """Return the value of a flag that is not repeatable."""
        return next(iter(self.texts(flag)), None)

    def has(self, flag: ReportFlag) -> bool:
        """Check that the flag is present."""
        return bool(self._arguments.get(flag.dest))

    @property
    def names(self) -> list[str]:
        """Return the names of the flags that are present."""
        return [flag.name for flag in REPORT_FLAGS if self.has(flag)]


def collect(
    event_type: str, arguments: ReportArguments, found: Sequence[Assignment], read: ReadFiles
) -> list[Assignment]:
    """Collect assignments from the reports of an event; `found` holds those of other flags.

    Raises:
        UsageError: a flag does not go with the event, a report cannot be read, or one says that the gate did not pass.
    """
    if not arguments.names:
        return []
    _check(event_type, arguments)
    readings = list(_READERS[event_type](arguments, found, read))
    assigned = _with_all_licences([entry for reading in readings for entry in reading.assigned])
    known = {entry.path for entry in (*found, *assigned)}
    assigned += [entry for reading in readings for entry in reading.defaults if entry.path not in known]
    objections = list(dict.fromkeys(printable(text) for reading in readings for text in reading.objections))
    return assigned + _accepted(event_type, arguments, objections)


def _check(event_type: str, arguments: ReportArguments) -> None:
    for flag in REPORT_FLAGS:
        if not arguments.has(flag):
            continue
        if event_type not in flag.events:
            raise UsageError(f"{flag.name} goes with {' or '.join(flag.events)}, not with {event_type}")
        if flag.needs and not set(flag.needs) & set(arguments.names):
            raise UsageError(f"{flag.name} needs {' or '.join(flag.needs)}")


def _with_all_licences(assigned: list[Assignment]) -> list[Assignment]:
    """Merge the denied licences of Trivy and of a bill of materials into one list."""
    lists = [entry for entry in assigned if entry.path == _LICENCES]
    if len(lists) < 2:  # noqa: PLR2004 - nothing to put together
        return assigned
    every = sorted({name for entry in lists for name in _names(entry)})
    merged = Assignment(_LICENCES, every, " and ".join(entry.origin for entry in lists))
    return [*(entry for entry in assigned if entry.path != _LICENCES), merged]


def _accepted(event_type: str, arguments: ReportArguments, objections: Sequence[str]) -> list[Assignment]:
    """Note why a gate passed despite its reports. Raises UsageError: no reason was stated."""
    if not objections:
        return []
    reason = arguments.text(flags.ACCEPTED)
    if not reason or not reason.strip():
        raise UsageError(
            f"{event_type} would not be true: {'; '.join(objections)}. Nothing was sent. If the gate passed all the "
            f"same, say why by {flags.ACCEPTED.name} REASON: it stands in the event, beside the true numbers"
        )
    notes = (("accepted_because", reason), ("accepted_findings", "; ".join(objections)))
    return [Assignment(f"attributes.{name}", _cut(text), flags.ACCEPTED.name) for name, text in notes]


def _cut(text: str) -> str:
    return text.encode(errors="replace")[:_NOTE_BYTES].decode(errors="ignore")


def _tests(arguments: ReportArguments, found: Sequence[Assignment], read: ReadFiles) -> Iterable[EvidenceReading]:
    if arguments.has(flags.JUNIT):
        from producers.evidence import junit  # noqa: PLC0415 - a run pays for the readers that it needs

        patterns: dict[str, list[str]] = {}
        for text in arguments.texts(flags.JUNIT):
            match = _KIND.fullmatch(text)
            kind, pattern = match.groups() if match else (junit.DEFAULT_KIND, text)
            patterns.setdefault(kind, []).append(pattern)
        shards = {kind: read(flags.JUNIT, files, junit.MAX_BYTES) for kind, files in patterns.items()}
        yield junit.read_junit(shards, reruns=arguments.has(flags.RERUNS))
    if arguments.has(flags.COVERAGE):
        from producers.evidence import line_coverage  # noqa: PLC0415 - as above

        critical = [name for entry in found if entry.path == "commit.critical_modules" for name in _names(entry)]
        wanted = line_coverage.read_thresholds(arguments.texts(flags.THRESHOLD), critical)
        reports = read(flags.COVERAGE, arguments.texts(flags.COVERAGE), line_coverage.MAX_BYTES)
        yield line_coverage.read_coverage(reports, wanted)


def _names(entry: Assignment) -> list[str]:
    return [str(name) for name in entry.value] if isinstance(entry.value, list) else []


def _scan(arguments: ReportArguments, _found: Sequence[Assignment], read: ReadFiles) -> Iterable[EvidenceReading]:
    from producers.evidence import sbom, trivy  # noqa: PLC0415 - as above
    from producers.evidence.licences import LicencePolicy  # noqa: PLC0415 - as above

    policy = LicencePolicy(arguments.texts(flags.DENY), arguments.texts(flags.ALLOW))
    if arguments.has(flags.TRIVY):
        blocking = trivy.read_blocking(arguments.text(flags.BLOCK), ignore_unfixed=arguments.has(flags.UNFIXED))
        catalogue = read(flags.KEV, arguments.texts(flags.KEV), trivy.MAX_BYTES) if arguments.has(flags.KEV) else [None]
        reports = read(flags.TRIVY, arguments.texts(flags.TRIVY), trivy.MAX_BYTES)
        yield trivy.read_trivy(reports, blocking, policy, catalogue[0])
    if arguments.has(flags.SBOM):
        if not policy.is_set:
            raise UsageError(f"--sbom with security_scanned needs {flags.DENY.name} or {flags.ALLOW.name}")
        yield sbom.read_sbom_licences(read(flags.SBOM, arguments.texts(flags.SBOM), sbom.MAX_BYTES), policy)


def _policy(arguments: ReportArguments, _found: Sequence[Assignment], read: ReadFiles) -> Iterable[EvidenceReading]:
    from producers.evidence import conftest_report  # noqa: PLC0415 - as above

    yield conftest_report.read_conftest(
        read(flags.CONFTEST, arguments.texts(flags.CONFTEST), conftest_report.MAX_BYTES)
    )


def _artifact(arguments: ReportArguments, found: Sequence[Assignment], read: ReadFiles) -> Iterable[EvidenceReading]:
    if arguments.has(flags.SBOM):
        from producers.evidence import sbom  # noqa: PLC0415 - as above

        yield sbom.read_sbom_digest(_only(flags.SBOM, read(flags.SBOM, arguments.texts(flags.SBOM), sbom.MAX_BYTES)))
    if arguments.has(flags.PROVENANCE):
        from producers.evidence import provenance  # noqa: PLC0415 - as above

        levels = provenance.read_builder_levels(arguments.texts(flags.BUILDERS))
        digest = next((str(entry.value) for entry in found if entry.path == "artifact_digest"), None)
        reports = read(flags.PROVENANCE, arguments.texts(flags.PROVENANCE), provenance.MAX_BYTES)
        yield provenance.read_provenance(_only(flags.PROVENANCE, reports), digest, levels)


def _analysis(arguments: ReportArguments, _found: Sequence[Assignment], read: ReadFiles) -> Iterable[EvidenceReading]:
    from producers.evidence import analysis_run  # noqa: PLC0415 - as above

    yield analysis_run.read_analysis(read(flags.ANALYSIS, arguments.texts(flags.ANALYSIS), analysis_run.MAX_BYTES))


def _rollback(arguments: ReportArguments, found: Sequence[Assignment], read: ReadFiles) -> Iterable[EvidenceReading]:
    from producers.evidence import analysis_run  # noqa: PLC0415 - as above

    if not any(entry.path == "rollback.reason" for entry in found):
        yield analysis_run.read_failure(read(flags.ANALYSIS, arguments.texts(flags.ANALYSIS), analysis_run.MAX_BYTES))


def _only(flag: ReportFlag, reports: Sequence[ReportFile]) -> ReportFile:
    if len(reports) != 1:
        raise UsageError(f"{flag.name}: an artifact has one; {len(reports)} files were named")
    return reports[0]


_READERS: Final[
    Mapping[str, Callable[[ReportArguments, Sequence[Assignment], ReadFiles], Iterable[EvidenceReading]]]
] = {
    "tests_passed": _tests,
    "security_scanned": _scan,
    "policy_passed": _policy,
    "artifact_built": _artifact,
    "canary_promoted": _analysis,
    "rollback_triggered": _rollback,
}
