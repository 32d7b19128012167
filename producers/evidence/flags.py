"""The flags of `candora-ci emit` that name reports, as one table. Light to import: every run builds it."""

from typing import Final, NamedTuple


class ReportFlag(NamedTuple):
    """One flag, the event types that it goes with, and the flags of which one must be there for it to make sense."""

    name: str
    metavar: str | None
    """None: the flag takes no value."""
    help: str
    events: tuple[str, ...]
    needs: tuple[str, ...] = ()
    repeatable: bool = True

    @property
    def dest(self) -> str:
        """The attribute of the parsed arguments that holds what was given."""
        return "report_" + self.name.removeprefix("--").replace("-", "_")


_TESTS: Final = ("tests_passed",)
_SCAN: Final = ("security_scanned",)
_POLICY: Final = ("policy_passed",)
_ARTIFACT: Final = ("artifact_built",)

JUNIT: Final = ReportFlag("--junit", "[KIND=]FILE", "JUnit XML; KIND is unit, integration or the like", _TESTS)
RERUNS: Final = ReportFlag(
    "--junit-reruns", None, "of test cases with one name the last counts", _TESTS, ("--junit",), repeatable=False
)
COVERAGE: Final = ReportFlag("--coverage", "FILE", "coverage.py JSON, Cobertura XML or LCOV", _TESTS)
THRESHOLD: Final = ReportFlag(
    "--coverage-threshold",
    "[MODULE=]SHARE",
    "line coverage asked of a critical module, e.g. payments=90%; without a module, of all files",
    _TESTS,
    ("--coverage",),
)
TRIVY: Final = ReportFlag("--trivy", "FILE", "report of Trivy, or what `trivy version` says; both in JSON", _SCAN)
KEV: Final = ReportFlag(
    "--kev-catalogue",
    "FILE",
    "CISA's catalogue of known exploited vulnerabilities, JSON",
    _SCAN,
    ("--trivy",),
    repeatable=False,
)
BLOCK: Final = ReportFlag(
    "--block-severity",
    "LIST",
    "severities that stop the gate (default critical,high), or none",
    _SCAN,
    ("--trivy",),
    repeatable=False,
)
UNFIXED: Final = ReportFlag(
    "--ignore-unfixed", None, "what has no fixed version does not stop it", _SCAN, ("--trivy",), repeatable=False
)
SBOM: Final = ReportFlag("--sbom", "FILE", "bill of materials: CycloneDX or SPDX, JSON", _ARTIFACT + _SCAN)
DENY: Final = ReportFlag("--deny-licence", "NAME", "licence that is denied, e.g. GPL-*", _SCAN, ("--sbom", "--trivy"))
ALLOW: Final = ReportFlag(
    "--allow-licence", "NAME", "licence that is allowed; all others are denied", _SCAN, ("--sbom", "--trivy")
)
CONFTEST: Final = ReportFlag("--conftest", "FILE", "report of conftest, JSON", _POLICY)
PROVENANCE: Final = ReportFlag(
    "--provenance", "FILE", "SLSA provenance: statement, DSSE envelope or Sigstore bundle", _ARTIFACT, repeatable=False
)
BUILDERS: Final = ReportFlag(
    "--builder-level", "BUILDER_ID=N", "SLSA level that you grant a builder", _ARTIFACT, ("--provenance",)
)
ANALYSIS: Final = ReportFlag(
    "--analysis-run",
    "FILE",
    "AnalysisRun of Argo Rollouts, JSON or YAML",
    ("canary_promoted", "rollback_triggered"),
)
ACCEPTED: Final = ReportFlag(
    "--accepted-because",
    "REASON",
    "the gate passed although a report speaks against it; kept with the event",
    _TESTS + _SCAN + _POLICY,
    ("--junit", "--coverage", "--trivy", "--sbom", "--conftest"),
    repeatable=False,
)

REPORT_FLAGS: Final = (
    JUNIT,
    RERUNS,
    COVERAGE,
    THRESHOLD,
    TRIVY,
    KEV,
    BLOCK,
    UNFIXED,
    SBOM,
    DENY,
    ALLOW,
    CONFTEST,
    PROVENANCE,
    BUILDERS,
    ANALYSIS,
    ACCEPTED,
)
"""In the order of `--help`."""
