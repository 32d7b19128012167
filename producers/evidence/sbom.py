"""Read bills of materials (CycloneDX and SPDX in JSON) for their digest and their denied licences."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final

from producers.events.event_builder import Assignment
from producers.evidence.json_report import JsonNode, read_json
from producers.evidence.licences import LicencePolicy
from producers.evidence.report import MAX_DEPTH, MEBIBYTE, EvidenceReading, ReportFile, origin

MAX_BYTES: Final = 64 * MEBIBYTE
CYCLONEDX: Final = frozenset({"1.2", "1.3", "1.4", "1.5", "1.6", "1.7"})
SPDX: Final = frozenset({"SPDX-2.2", "SPDX-2.3"})
SPDX_3: Final = "3.0"

_HINT: Final = "give CycloneDX 1.2 to 1.7 or SPDX 2.2, 2.3 or 3.0, in JSON"
_SHOWN: Final = 3


def read_sbom_digest(report: ReportFile) -> EvidenceReading:
    """Compute the digest for `artifact_built` of a bill of materials that is not empty.

    Raises:
        EvidenceError: it is none.
    """
    list(licences_in(report))
    return EvidenceReading(
        [Assignment("artifact.sbom_sha256", sha256(report.data).hexdigest(), origin("sbom", [report]))]
    )


def read_sbom_licences(reports: Sequence[ReportFile], policy: LicencePolicy) -> EvidenceReading:
    """Find the denied licences for `security_scanned`. Raises EvidenceError: a file is not a bill of materials."""
    denied = policy.denied(licence for report in reports for licence in licences_in(report))
    objections = [f"licences that are denied: {', '.join(denied[:_SHOWN])}"] if denied else []
    return EvidenceReading([Assignment("scan.licences_denied", denied, origin("sbom", reports))], objections)


def licences_in(report: ReportFile) -> Iterator[str]:
    """Iterate over licences, as names or expressions, once for each component that states one.

    Raises:
        EvidenceError: the file is no bill of materials of a known version, or lists nothing.
    """
    root = read_json(report, "a bill of materials", _HINT)
    if root.has("bomFormat"):
        found = _cyclonedx(root)
    elif root.has("spdxVersion"):
        found = _spdx(root)
    elif root.has("@context") and root.has("@graph"):
        found = _spdx_3(root)
    else:
        raise root.error("is not a bill of materials", _HINT)
    yield from found


def _cyclonedx(root: JsonNode) -> Iterator[str]:
    if root.text("bomFormat") != "CycloneDX" or root.text("specVersion") not in CYCLONEDX:
        raise root.child("specVersion").error("is not a version that is known", _HINT)
    if not root.child("components").value:
        raise root.child("components").error("lists nothing", "make it of what is shipped, not of an empty folder")
    yield from _components(root, 0)


def _components(parent: JsonNode, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise parent.error(f"is nested more than {MAX_DEPTH} deep", _HINT)
    for component in parent.items("components"):
        for choice in component.items("licenses"):
            if choice.has("expression"):
                yield choice.text("expression")
            elif choice.has("license"):
                licence = choice.child("license")
                name = licence.optional_text("id") or licence.optional_text("name")
                if name:
                    yield name
        yield from _components(component, depth + 1)


def _spdx(root: JsonNode) -> Iterator[str]:
    if root.text("spdxVersion") not in SPDX:
        raise root.child("spdxVersion").error("is not a version that is known", _HINT)
    if not root.child("packages").value:
        raise root.child("packages").error("lists nothing", "make it of what is shipped, not of an empty folder")
    for package in root.items("packages"):
        concluded = package.optional_text("licenseConcluded") or "NOASSERTION"
        declared = package.optional_text("licenseDeclared") or "NOASSERTION"
        yield declared if concluded in {"NOASSERTION", "NONE"} else concluded


def _spdx_3(root: JsonNode) -> Iterator[str]:
    """The elements of the graph. Which expression belongs to which package does not matter here: all are judged."""
    packages, version = 0, None
    for element in root.items("@graph"):
        match element.optional_text("type"):
            case "CreationInfo":
                version = element.optional_text("specVersion")
            case "software_Package" | "software_File":
                packages += 1
            case "simplelicensing_LicenseExpression":
                yield element.text("simplelicensing_licenseExpression")
            case _:
                pass
    if version is None or not version.startswith(SPDX_3):
        raise root.error("is not of SPDX 3.0", _HINT)
    if not packages:
        raise root.error("lists nothing", "make it of what is shipped, not of an empty folder")
