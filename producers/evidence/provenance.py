"""SLSA provenance v0.2 and v1: an in-toto statement, as such, in a DSSE envelope, or in a Sigstore bundle.

Nothing is verified here: run `cosign verify-attestation` or `slsa-verifier` before. What is read is what the file says.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Final, NamedTuple

from producers.errors import UsageError
from producers.events.event_builder import Assignment
from producers.evidence.json_report import JsonNode, read_json
from producers.evidence.report import MEBIBYTE, EvidenceError, EvidenceReading, ReportFile, origin

MAX_BYTES: Final = 16 * MEBIBYTE
MAX_LEVEL: Final = 4

_HINT: Final = "give an in-toto statement, its DSSE envelope, or the Sigstore bundle"
_STATEMENTS: Final = frozenset(f"https://in-toto.io/Statement/{version}" for version in ("v0.1", "v1"))
_V02: Final = "https://slsa.dev/provenance/v0.2"
_V1: Final = "https://slsa.dev/provenance/v1"
_PAYLOAD: Final = "application/vnd.in-toto+json"


class Statement(NamedTuple):
    """A statement, and the keys that it claims to be signed with."""

    node: JsonNode
    keys: Sequence[str]

    @property
    def digests(self) -> list[str]:
        """Return the digests of the subjects, as sha256:..."""
        found = []
        for subject in self.node.items("subject"):
            digest = subject.child("digest")
            text = digest.optional_text("sha256") if digest.value is not None else None
            if text:
                found.append(f"sha256:{text.lower()}")
        return found

    @property
    def builder(self) -> str | None:
        """Return the id of the builder."""
        predicate = self.node.child("predicate")
        place = predicate.child("runDetails") if self.node.text("predicateType") == _V1 else predicate
        if not (place.value is not None and place.has("builder")):
            return None
        return place.child("builder").optional_text("id")


def read_builder_levels(texts: Sequence[str]) -> dict[str, int]:
    """Parse "https://.../builder@*=3". Raises UsageError: a text is not of that form."""
    levels = {}
    for text in texts:
        builder, _, level = text.rpartition("=")
        if not builder or level not in {str(n) for n in range(MAX_LEVEL + 1)}:
            raise UsageError(f"--builder-level {text}: expected BUILDER_ID=LEVEL, the level from 0 to {MAX_LEVEL}")
        levels[builder] = int(level)
    return levels


def read_provenance(report: ReportFile, artifact_digest: str | None, levels: dict[str, int]) -> EvidenceReading:
    """Read the provenance of `artifact_built`.

    The level is what `levels` says of the builder, never what the build claims. Without `artifact_digest` the only
    subject is taken for the artifact.

    Raises:
        EvidenceError: it is no provenance, or of another artifact.
    """
    source = origin("provenance", [report])
    statements = list(_statements(report))
    if artifact_digest is not None:
        statements = [one for one in statements if artifact_digest.lower() in one.digests]
        if not statements:
            raise EvidenceError(
                report.name,
                f"is not of {artifact_digest}: no subject has that digest",
                at="subject",
                hint="give the provenance of this artifact, or mend --artifact-digest",
            )
    if len(statements) > 1:
        raise EvidenceError(report.name, "holds several provenances", hint="say which by --artifact-digest")
    statement = statements[0]
    assigned = [Assignment("artifact.provenance_sha256", sha256(report.data).hexdigest(), source)]
    if artifact_digest is None and len(statement.digests) == 1:
        assigned.append(Assignment("artifact_digest", statement.digests[0], source))
    level = _level(statement.builder, levels)
    if level is not None:
        assigned.append(Assignment("artifact.slsa_level", level, f"--builder-level for the builder in {report.name}"))
    keys = [Assignment("artifact.signed_by", statement.keys[0], source)] if len(statement.keys) == 1 else []
    return EvidenceReading(assigned, (), keys)


def _level(builder: str | None, levels: dict[str, int]) -> int | None:
    found = [level for pattern, level in levels.items() if builder and fnmatchcase(builder, pattern)]
    return min(found, default=None)


def _statements(report: ReportFile) -> Iterator[Statement]:
    """The provenances of a file; of several lines (as `gh attestation download` and slsa-github-generator write)."""
    lines = [line for line in report.data.splitlines() if line.strip()]
    several = len(lines) > 1 and all(line.lstrip().startswith(b"{") for line in lines) and _is_json(lines[0])
    found = []
    for number, line in enumerate(lines if several else [report.data], start=1):
        name = f"{report.name} line {number}" if several else report.name
        found.append(_statement(read_json(ReportFile(name, line), "provenance", _HINT)))
    provenances = [one for one in found if one.node.optional_text("predicateType") in {_V02, _V1}]
    if not provenances:
        kind = found[0].node.optional_text("predicateType") or "nothing"
        raise EvidenceError(report.name, f"states {kind[:80]}, not SLSA provenance v0.2 or v1", hint=_HINT)
    for one in provenances:
        if not one.digests:
            raise one.node.child("subject").error("names no artifact by its sha256", _HINT)
        if one.node.child("predicate").value is None:
            raise one.node.child("predicate").error("is missing", _HINT)
        yield one


def _statement(root: JsonNode) -> Statement:
    envelope = root.child("dsseEnvelope") if root.has("dsseEnvelope") else root
    if not envelope.has("payload"):
        if root.optional_text("_type") not in _STATEMENTS:
            raise root.error("is not an in-toto statement", _HINT)
        return Statement(root, ())
    if envelope.text("payloadType") != _PAYLOAD:
        raise envelope.child("payloadType").error(f"is not {_PAYLOAD}", _HINT)
    try:
        payload = base64.b64decode(envelope.text("payload"), validate=True)
    except (binascii.Error, ValueError):
        raise envelope.child("payload").error("is not in base64", _HINT) from None
    node = read_json(ReportFile(f"{root.report}: payload", payload), "a statement", _HINT)
    if node.optional_text("_type") not in _STATEMENTS:
        raise node.error("is not an in-toto statement", _HINT)
    keys = [signature.optional_text("keyid") for signature in envelope.items("signatures")]
    return Statement(node, [key for key in keys if key])


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
