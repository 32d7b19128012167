"""The flags of `candora-ci emit` that set fields of an event, as one table: flag, field, kind of value, help."""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple, get_args

from schemas.values import EventTypeName

EVENT_TYPES: Final = tuple(
    name for name in get_args(EventTypeName) if name not in {"UNKNOWN", "clock_tick", "cause_linked"}
)
"""What a pipeline may report."""


class FlagKind(Enum):
    """How the text of a flag becomes a JSON value."""

    TEXT = auto()
    INTEGER = auto()
    NUMBER = auto()
    YES_NO = auto()
    TEXTS = auto()
    """A flag that may be given many times; each one adds an entry."""


class Flag(NamedTuple):
    """One flag: `path` is the field it sets, dotted as the contract's errors say it."""

    name: str
    path: str
    metavar: str
    help: str
    kind: FlagKind = FlagKind.TEXT
    environ: str | None = None
    """The environment variable that sets the field when the flag is not given."""

    @property
    def dest(self) -> str:
        """The attribute of the parsed arguments that holds the flag's text."""
        return "field_" + self.name.removeprefix("--").replace("-", "_")


SHA: Final = "SHA"
TIME: Final = "TIME"

FLAGS: Final[Mapping[str, Sequence[Flag]]] = {
    "what happened, and to what": (
        Flag("--service", "service", "NAME", "the service (repeatable: an event for each)", environ="CANDORA_SERVICE"),
        Flag("--env", "env", "NAME", "the environment, e.g. prod", environ="CANDORA_ENV"),
        Flag("--sha", "commit_sha", SHA, "the commit, in full", environ="CANDORA_SHA"),
        Flag("--change", "change_id", "ID", "the pull or merge request, e.g. repo#123", environ="CANDORA_CHANGE"),
        Flag("--deployment", "deployment_id", "ID", "the rollout or pipeline run", environ="CANDORA_DEPLOYMENT"),
        Flag("--incident", "incident_id", "ID", "the incident", environ="CANDORA_INCIDENT"),
        Flag("--artifact-digest", "artifact_digest", "DIGEST", "what was built or deployed, e.g. sha256:..."),
        Flag("--lane", "lane", "LANE", "normal (default), hotfix, rehearsal or synthetic", environ="CANDORA_LANE"),
        Flag(
            "--occurred-at", "occurred_at", TIME, "when, ISO 8601 with a zone (default: a commit's own time, else now)"
        ),
        Flag("--emitted-at", "emitted_at", TIME, "when it was reported (default: now)"),
        Flag("--event-id", "event_id", "UUID", "identity (default: derived from the content; a retry has the same)"),
    ),
    "where the report comes from": (
        Flag("--source-system", "source.system", "NAME", "the system that reports", environ="CANDORA_SOURCE_SYSTEM"),
        Flag("--run-id", "source.run_id", "ID", "its run, job or pipeline", environ="CANDORA_RUN_ID"),
        Flag("--attempt", "source.attempt", "N", "attempt of that run", FlagKind.INTEGER, "CANDORA_ATTEMPT"),
        Flag("--run-url", "source.url", "URL", "a page that shows it", environ="CANDORA_RUN_URL"),
        Flag("--actor", "source.actor", "NAME", "who started it", environ="CANDORA_ACTOR"),
    ),
    "commit_created": (
        Flag("--author", "commit.author", "NAME", "author of the commit"),
        Flag("--branch", "commit.branch", "NAME", "branch it was made on"),
        Flag("--merge-sha", "commit.merge_sha", SHA, "the squash or merge commit that holds it"),
        Flag("--parent", "commit.parents", SHA, "a parent (repeatable)", FlagKind.TEXTS),
        Flag("--critical-module", "commit.critical_modules", "NAME", "touched (repeatable)", FlagKind.TEXTS),
        Flag("--migration", "commit.migration", "yes|no", "it changes the database's shape", FlagKind.YES_NO),
    ),
    "artifact_built": (
        Flag("--artifact-kind", "artifact.kind", "KIND", "e.g. oci, wheel, jar"),
        Flag("--slsa-level", "artifact.slsa_level", "N", "SLSA build level", FlagKind.INTEGER),
        Flag("--provenance-sha256", "artifact.provenance_sha256", "HEX", "digest of the provenance"),
        Flag("--signed-by", "artifact.signed_by", "IDENTITY", "who signed it"),
        Flag("--sbom-sha256", "artifact.sbom_sha256", "HEX", "digest of the bill of materials"),
    ),
    "tests_passed": (
        Flag("--mutation", "tests.mutation", "SCORE", "mutation score", FlagKind.NUMBER),
        Flag("--contract-tests", "tests.contract", "yes|no", "contract tests passed", FlagKind.YES_NO),
        Flag("--types", "tests.types", "yes|no", "the type check passed", FlagKind.YES_NO),
    ),
    "security_scanned": (
        Flag("--scanner", "scan.scanner", "NAME", "the scanner"),
        Flag("--db-updated-at", "scan.db_updated_at", TIME, "age of its database"),
        Flag("--critical", "scan.counts.critical", "N", "critical findings", FlagKind.INTEGER),
        Flag("--high", "scan.counts.high", "N", "high findings", FlagKind.INTEGER),
        Flag("--medium", "scan.counts.medium", "N", "medium findings", FlagKind.INTEGER),
        Flag("--low", "scan.counts.low", "N", "low findings", FlagKind.INTEGER),
        Flag("--unknown", "scan.counts.unknown", "N", "findings without a severity", FlagKind.INTEGER),
        Flag("--kev", "scan.kev", "CVE", "known to be exploited (repeatable)", FlagKind.TEXTS),
        Flag("--licence-denied", "scan.licences_denied", "NAME", "refused licence (repeatable)", FlagKind.TEXTS),
    ),
    "policy_passed": (
        Flag("--engine", "policy.engine", "NAME", "the policy engine"),
        Flag("--bundle-sha256", "policy.bundle_sha256", "HEX", "digest of the policies"),
    ),
    "canary_started, canary_promoted": (
        Flag("--included-sha", "canary.included_shas", SHA, "a commit it carries (repeatable)", FlagKind.TEXTS),
        Flag("--weight", "canary.weight", "PERCENT", "share of the traffic", FlagKind.INTEGER),
        Flag("--promoted-by", "canary.promoted_by", "NAME", "who or what promoted it"),
    ),
    "rollback_triggered (--sha: the commit rolled back from)": (
        Flag("--trigger", "rollback.trigger", "auto|manual", "what triggered it"),
        Flag("--to-sha", "rollback.to_sha", SHA, "the commit rolled back to"),
        Flag("--reason", "rollback.reason", "TEXT", "why"),
        Flag("--path-sha256", "rollback.path_sha256", "HEX", "digest of the rollback path that was used"),
        Flag("--succeeded", "rollback.succeeded", "yes|no", "it did what it should", FlagKind.YES_NO),
    ),
    "incident_opened, incident_resolved": (
        Flag("--severity", "incident.severity", "sev1..sev5", "severity"),
        Flag("--title", "incident.title", "TEXT", "one line for people"),
        Flag("--slo-met-at", "incident.slo_met_at", TIME, "when the service met its objective again"),
        Flag("--alert-cleared-at", "incident.alert_cleared_at", TIME, "when the alert cleared"),
        Flag("--cause-service", "incident.cause.service", "NAME", "the service that caused it, if another"),
        Flag("--cause-deployment", "incident.cause.deployment_id", "ID", "the deployment that caused it"),
        Flag("--cause-sha", "incident.cause.commit_sha", SHA, "the commit that caused it"),
        Flag("--cause-kind", "incident.cause.kind", "KIND", "change, infra, external or unknown"),
        Flag("--escaped-gate", "incident.escaped_gates", "NAME", "a gate that let it by (repeatable)", FlagKind.TEXTS),
        Flag("--regression-test", "incident.regression_test", "NAME", "the test that now guards against it"),
    ),
}
"""By the heading under which `--help` shows them."""

HISTORY_FLAGS: Final = (
    Flag("--base", "base", "REV", "the commit before the change's first (commit_created)", environ="CANDORA_BASE"),
    Flag("--since", "since", "REV", "the commit promoted last: rollouts list what came after", environ="CANDORA_SINCE"),
    Flag("--since-tag", "since_tag", "GLOB", "the same: newest such tag before", environ="CANDORA_SINCE_TAG"),
    Flag("--services", "services", "FILE", "paths of each service; else candora.yaml", environ="CANDORA_SERVICES"),
)
"""What to ask the repository. `path` is none of the event's: it names the question."""


def all_flags() -> Iterator[Flag]:
    """Yield every flag, in the order of `--help`."""
    for flags in FLAGS.values():
        yield from flags
