"""Trivy's JSON report (`trivy image -f json`); beside it `trivy version -f json`, and CISA's catalogue of exploits.

The report does not say with which `--severity` Trivy ran: run it without, or counts of 0 only mean "not asked".
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from producers.errors import UsageError
from producers.events.event_builder import Assignment
from producers.evidence.json_report import JsonNode, read_json
from producers.evidence.licences import LicencePolicy
from producers.evidence.report import MEBIBYTE, EvidenceError, EvidenceReading, ReportFile, origin

MAX_BYTES: Final = 64 * MEBIBYTE
SEVERITIES: Final = ("critical", "high", "medium", "low", "unknown")
DEFAULT_BLOCKING: Final = "critical,high"

_HINT: Final = "make it with `trivy image --format json`, without --severity"
_KEV_HINT: Final = "give CISA's known_exploited_vulnerabilities.json"
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class BlockingRules:
    """Findings that block the gate. Known exploited vulnerabilities and denied licences always do."""

    severities: frozenset[str]
    ignore_unfixed: bool = False
    """Vulnerabilities without a fixed version do not block; they are counted all the same."""


@dataclass(frozen=True, slots=True)
class ScanFinding:
    """One finding of a scan."""

    name: str
    severity: str
    fixable: bool = True


@dataclass(slots=True)
class TrivyScan:
    """The merged content of the reports."""

    findings: list[ScanFinding] = field(default_factory=list)
    licences: list[tuple[str, str]] = field(default_factory=list)
    """Names, and what Trivy makes of them."""
    scanned: bool = False
    version: str | None = None
    db_updated_at: datetime | None = None
    end_of_life: str | None = None
    suppressed: int | None = None


def read_blocking(text: str | None, *, ignore_unfixed: bool) -> BlockingRules:
    """Parse "critical,high" or "none". Raises UsageError: a word is no severity."""
    words = [word.strip().lower() for word in (text or DEFAULT_BLOCKING).split(",")]
    if words == ["none"]:
        return BlockingRules(frozenset(), ignore_unfixed)
    for word in words:
        if word not in SEVERITIES:
            raise UsageError(f"--block-severity: {word!r} is none of {', '.join(SEVERITIES)}, none")
    return BlockingRules(frozenset(words), ignore_unfixed)


def read_trivy(
    reports: Sequence[ReportFile], blocking: BlockingRules, licences: LicencePolicy, catalogue: ReportFile | None = None
) -> EvidenceReading:
    """Build the scan of `security_scanned` from the findings of all reports.

    Raises:
        EvidenceError: a report is none of Trivy's, or nothing was scanned.
    """
    scan = TrivyScan()
    for report in reports:
        _read(report, scan)
    if not scan.scanned:
        raise EvidenceError(
            reports[0].name,
            "Trivy looked at nothing: there are no Results",
            hint="check what it scanned; if there was truly nothing to find, say so by --critical 0 --high 0 ...",
        )
    source = origin("trivy", reports)
    counts = Counter(finding.severity for finding in scan.findings)
    assigned = [Assignment(f"scan.counts.{name}", counts[name], source) for name in SEVERITIES]
    if scan.db_updated_at:
        assigned.append(Assignment("scan.db_updated_at", scan.db_updated_at.isoformat(), source))
    notes = {"scan.unfixed": sum(not finding.fixable for finding in scan.findings), "scan.suppressed": scan.suppressed}
    assigned += [Assignment(f"attributes.{name}", str(n), source) for name, n in notes.items() if n]
    if scan.end_of_life:
        assigned.append(Assignment("attributes.scan.os_end_of_life", scan.end_of_life, source))
    objections = _objections(scan, blocking)
    if catalogue is not None:
        exploited, version = _exploited(catalogue)
        found = sorted({finding.name for finding in scan.findings} & exploited)
        assigned.append(Assignment("scan.kev", found, f"kev catalogue {catalogue.name} on {source}"))
        if version:
            assigned.append(Assignment("attributes.scan.kev_catalogue", version, f"kev catalogue {catalogue.name}"))
        if found:
            objections.append(f"known to be exploited: {', '.join(found[:_SHOWN])}")
    denied = _denied(scan, licences)
    if denied is not None:
        assigned.append(Assignment("scan.licences_denied", denied, source))
        if denied:
            objections.append(f"licences that are denied: {', '.join(denied[:_SHOWN])}")
    scanner = f"trivy {scan.version}" if scan.version else "trivy"
    return EvidenceReading(assigned, objections, [Assignment("scan.scanner", scanner, source)])


def _objections(scan: TrivyScan, blocking: BlockingRules) -> list[str]:
    found = []
    for severity in SEVERITIES:
        names = [
            finding.name
            for finding in scan.findings
            if finding.severity == severity and (finding.fixable or not blocking.ignore_unfixed)
        ]
        if names and severity in blocking.severities:
            more = ", ..." if len(names) > _SHOWN else ""
            found.append(f"{len(names)} {severity} findings: {', '.join(names[:_SHOWN])}{more}")
    return found


def _read(report: ReportFile, scan: TrivyScan) -> None:
    root = read_json(report, "a report of Trivy", _HINT)
    if root.has("VulnerabilityDB") and not root.has("ArtifactName"):
        _read_version(root, scan)
        return
    if not (root.has("SchemaVersion") and root.has("ArtifactName")):
        raise root.error("is not a report of Trivy", _HINT)
    if root.count("SchemaVersion") != 2:  # noqa: PLR2004 - the only one since 2021
        raise root.child("SchemaVersion").error("is not 2, the one that is known", _HINT)
    if root.has("Trivy"):
        scan.version = scan.version or root.child("Trivy").optional_text("Version")
    if root.has("Metadata") and root.child("Metadata").has("OS"):
        system = root.child("Metadata").child("OS")
        if system.child("EOSL").value is True:
            scan.end_of_life = f"{system.optional_text('Family')} {system.optional_text('Name')}"
    for result in root.items("Results"):
        scan.scanned = True
        _read_result(result, scan)


def _read_version(root: JsonNode, scan: TrivyScan) -> None:
    scan.version = root.optional_text("Version") or scan.version
    updated = root.child("VulnerabilityDB").time("UpdatedAt")
    if updated and (scan.db_updated_at is None or updated < scan.db_updated_at):
        scan.db_updated_at = updated


def _read_result(result: JsonNode, scan: TrivyScan) -> None:
    for node in result.items("Vulnerabilities"):
        fixable = node.optional_text("FixedVersion") is not None
        scan.findings.append(ScanFinding(node.text("VulnerabilityID"), _severity(node), fixable))
    for node in result.items("Secrets"):
        scan.findings.append(ScanFinding(f"secret {node.text('RuleID')}", _severity(node)))
    for node in result.items("Misconfigurations"):
        if node.optional_text("Status") == "FAIL":
            scan.findings.append(ScanFinding(node.text("ID"), _severity(node)))
    for node in result.items("Licenses"):
        scan.licences.append((node.text("Name"), (node.optional_text("Category") or "unknown").lower()))
    if result.has("ExperimentalModifiedFindings"):
        scan.suppressed = (scan.suppressed or 0) + sum(1 for _ in result.items("ExperimentalModifiedFindings"))


def _severity(node: JsonNode) -> str:
    severity = (node.optional_text("Severity") or "unknown").lower()
    if severity not in SEVERITIES:
        raise node.child("Severity").error(f"is {severity[:20]!r}, none that is known", _HINT)
    return severity


def _denied(scan: TrivyScan, policy: LicencePolicy) -> list[str] | None:
    """The licences that the policy denies; by Trivy's own classes if there is none; None if it looked for none."""
    if policy.is_set:
        return policy.denied(name for name, _ in scan.licences) if scan.licences else None
    return sorted({name for name, category in scan.licences if category == "forbidden"}) if scan.licences else None


def _exploited(catalogue: ReportFile) -> tuple[frozenset[str], str | None]:
    root = read_json(catalogue, "a catalogue of known exploited vulnerabilities", _KEV_HINT)
    found = frozenset(node.text("cveID") for node in root.items("vulnerabilities"))
    if not found:
        raise root.error("lists no vulnerability", _KEV_HINT)
    return found, root.optional_text("catalogVersion")
