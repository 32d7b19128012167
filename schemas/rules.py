"""The rules of an event that a schema cannot say: what each type needs, and how names, ids and hashes are written.

Written as tables, run by `check_event`: on the producer before sending, on the worker for every message.
"""

import re
from collections.abc import Callable, Mapping
from math import isfinite
from operator import itemgetter
from typing import Any, Final

from schemas.errors import FutureTimestamp, InvalidEvent
from schemas.values import DAY, EventValue, Micros

EARLIEST: Final[Micros] = 946_684_800_000_000
"""2000-01-01T00:00:00Z. A time before it is a zero, or seconds taken for microseconds."""
LATEST: Final[Micros] = 253_402_300_799_999_999
"""The end of the year 9999: no later time can be shown as a date."""

LARGEST: Final = 2**63 - 1
"""The largest number that a message can hold."""

MAX_ENTRIES: Final = 10_000
MAX_TEXT: Final = 2_048
"""Characters of a free text: with it, no record that is made of valid events outgrows its topic."""
MAX_SHORT: Final = 512
"""Characters of a text that is kept with a record."""
MAX_INCLUDED: Final = 2_048
"""Commits that one deployment may say it includes."""
MAX_SHOWN: Final = 16
"""Entries of a list that is shown with a record."""
MAX_ATTRIBUTES: Final = 256
MAX_ATTRIBUTE_BYTES: Final = 1024

_SERVICE_HINT: Final = "use 1 to 200 letters, digits and . _ / -, beginning with a letter or digit"
_ENV_HINT: Final = "use 1 to 63 letters, digits and . _ -, beginning with a letter or digit"
_SHA_HINT: Final = "give the full hash: 40 or 64 lower-case hexadecimal digits"
_SHA256_HINT: Final = "give 64 lower-case hexadecimal digits without a prefix"
_ID_HINT: Final = "use 1 to 256 characters, none of them a control character"
_UUID_HINT: Final = "give a lower-case UUID such as 1ca7beda-8189-5879-88f0-921bb32c06b2"

_Match = Callable[[str], object]
_UUID: Final[_Match] = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_SERVICE: Final[_Match] = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}").fullmatch
_ENV: Final[_Match] = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}").fullmatch
_SHA: Final[_Match] = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?").fullmatch
_SHA256: Final[_Match] = re.compile(r"[0-9a-f]{64}").fullmatch
_ID: Final[_Match] = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,256}").fullmatch
_GATE: Final[_Match] = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{1,128}").fullmatch
_SEVERITY: Final[_Match] = re.compile(r"sev[1-5]").fullmatch
_HALF: Final = re.compile(r"[\ud800-\udfff]")

REQUIRED: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "commit_created": (("commit_sha",),),
    "artifact_built": (("commit_sha",),),
    "tests_passed": (("commit_sha",),),
    "security_scanned": (("commit_sha",),),
    "policy_passed": (("commit_sha",),),
    "canary_started": (("env",), ("deployment_id", "commit_sha")),
    "canary_promoted": (("env",), ("deployment_id", "commit_sha")),
    "rollback_triggered": (("env",),),
    "incident_opened": (("env",), ("incident_id",)),
    "incident_resolved": (("incident_id",),),
    "clock_tick": (),
    "cause_linked": (("env",), ("incident_id",), ("incident",)),
}
"""What an event of each type needs besides its id, time and service: of each group of fields at least one."""

_FORMATS: Final[tuple[tuple[str, _Match, str, str], ...]] = (
    ("event_id", _UUID, "is not a canonical UUID", _UUID_HINT),
    ("env", _ENV, "is not the name of an environment", _ENV_HINT),
    ("commit_sha", _SHA, "is not a full commit hash", _SHA_HINT),
    ("deployment_id", _ID, "is not an id", _ID_HINT),
    ("change_id", _ID, "is not an id", _ID_HINT),
    ("incident_id", _ID, "is not an id", _ID_HINT),
    ("artifact_digest", _ID, "is not a digest", _ID_HINT),
)
"""The formats of the envelope's fields, where they are not null."""

_Check = Callable[[Any, str], None]
"""Looks at a value that is not null; raises InvalidEvent with the path given."""


def _text(match: _Match, problem: str, hint: str) -> _Check:
    def check(value: str, path: str) -> None:
        if not match(value):
            raise InvalidEvent(problem, path=path, hint=hint)

    return check


def _not_negative(value: Any, path: str) -> None:
    if not 0 <= value <= LARGEST:
        raise InvalidEvent("is not a number from 0 up", path=path, hint="leave out what is not known")


def _free(value: str, path: str) -> None:
    """Look at a text that may say anything."""
    if len(value) > MAX_TEXT:
        hint = "keep large values elsewhere and give their address"
        raise InvalidEvent(f"has {len(value)} characters, more than {MAX_TEXT}", path=path, hint=hint)
    if not value.isascii() and _HALF.search(value):
        raise InvalidEvent("has half of a character", path=path, hint="send it as UTF-8")


def _short(value: str, path: str) -> None:
    """Look at a text that is kept and shown with a record."""
    if len(value) > MAX_SHORT:
        hint = "keep the whole of it elsewhere and give its address"
        raise InvalidEvent(f"has {len(value)} characters, more than {MAX_SHORT}", path=path, hint=hint)
    _free(value, path)


def _finite(value: Any, path: str) -> None:
    if not isfinite(value):
        raise InvalidEvent("is not a finite number", path=path, hint="leave out what is not known")


def _weight(value: int, path: str) -> None:
    if not 0 <= value <= 100:  # noqa: PLR2004 - per cent
        raise InvalidEvent("is not a share of the traffic", path=path, hint="give a whole per cent from 0 to 100")


def _time(value: Micros, path: str) -> None:
    if not EARLIEST < value <= LATEST:
        raise InvalidEvent(
            "is not a time after 2000-01-01 and before the year 10000", path=path, hint="check the unit: microseconds"
        )


def _each(check: _Check, most: int = MAX_ENTRIES) -> _Check:
    """Return the check of a list that is not too long, and of its entries."""

    def check_all(values: list[Any], path: str) -> None:
        if len(values) > most:
            raise InvalidEvent(f"has {len(values)} entries, more than {most}", path=path)
        for position, value in enumerate(values):
            check(value, f"{path}[{position}]")

    return check_all


def _fields(**checks: _Check) -> _Check:
    """Return the check of a record by its fields; null fields are not looked at."""
    table = tuple(checks.items())

    def check_fields(record: Mapping[str, Any], path: str) -> None:
        for name, check in table:
            value = record[name]
            if value is not None:
                check(value, f"{path}.{name}")

    return check_fields


def _attributes(attributes: Mapping[str, str], path: str) -> None:
    if len(attributes) > MAX_ATTRIBUTES:
        raise InvalidEvent(f"has {len(attributes)} entries, more than {MAX_ATTRIBUTES}", path=path)
    for name, value in attributes.items():
        size = len(name.encode()) + len(value.encode())
        if size > MAX_ATTRIBUTE_BYTES:
            raise InvalidEvent(
                f"name and value have {size} bytes, more than {MAX_ATTRIBUTE_BYTES}",
                path=f"{path}.{name[:40]}",
                hint="keep large values elsewhere and give their address",
            )


_service = _text(_SERVICE, "is not the name of a service", _SERVICE_HINT)
_sha = _text(_SHA, "is not a full commit hash", _SHA_HINT)
_sha256 = _text(_SHA256, "is not a SHA-256", _SHA256_HINT)
_id = _text(_ID, "is not an id", _ID_HINT)
_gate = _text(_GATE, "is not the name of a gate", "use 1 to 128 characters, none of them a control character")
_severity = _text(_SEVERITY, "is not a severity", "use sev1 (worst) to sev5")

_PARTS: Final[tuple[tuple[str, _Check], ...]] = (
    ("source", _fields(system=_free, run_id=_free, attempt=_not_negative, url=_free, actor=_free)),
    (
        "commit",
        _fields(author=_free, branch=_free, merge_sha=_sha, parents=_each(_sha), critical_modules=_each(_free)),
    ),
    (
        "artifact",
        _fields(
            kind=_free,
            slsa_level=_not_negative,
            provenance_sha256=_sha256,
            signed_by=_free,
            sbom_sha256=_sha256,
        ),
    ),
    (
        "tests",
        _fields(
            suites=_each(_fields(kind=_free, executed=_not_negative, passed=_not_negative, skipped=_not_negative)),
            coverage=_each(_fields(module=_free, line=_not_negative, threshold=_not_negative)),
            mutation=_not_negative,
        ),
    ),
    (
        "scan",
        _fields(
            scanner=_free,
            db_updated_at=_time,
            counts=_fields(
                critical=_not_negative,
                high=_not_negative,
                medium=_not_negative,
                low=_not_negative,
                unknown=_not_negative,
            ),
            kev=_each(_free),
            licences_denied=_each(_free),
        ),
    ),
    (
        "policy",
        _fields(
            engine=_free,
            bundle_sha256=_sha256,
            rules=_each(_fields(id=_free, evaluated=_not_negative, failures=_not_negative, exceptions=_not_negative)),
        ),
    ),
    (
        "canary",
        _fields(
            included_shas=_each(_sha, MAX_INCLUDED),
            weight=_weight,
            analysis=_each(_fields(metric=_free, verdict=_free, value=_finite, threshold=_finite, n=_not_negative)),
            promoted_by=_free,
        ),
    ),
    ("rollback", _fields(to_sha=_sha, reason=_short, path_sha256=_sha256)),
    (
        "incident",
        _fields(
            severity=_severity,
            title=_short,
            slo_met_at=_time,
            alert_cleared_at=_time,
            cause=_fields(service=_service, deployment_id=_id, commit_sha=_sha),
            escaped_gates=_each(_gate, MAX_SHOWN),
            regression_test=_short,
        ),
    ),
    ("attributes", _attributes),
)
"""The checks inside the sub-records, by field of the envelope."""

_LINK: Final[tuple[tuple[str, _Match], ...]] = (
    ("origin", _SERVICE),
    ("version", re.compile(r"[0-9]{1,18}").fullmatch),
    ("holds", re.compile(r"true|false").fullmatch),
)
"""The attributes of a cause_linked."""

_PART_VALUES: Final = itemgetter(*(name for name, _ in _PARTS))


def check_event(event: EventValue) -> None:
    """Raise InvalidEvent, with the path of the field, if a decoded event breaks a rule of the contract.

    Types are taken for granted: the codec and the models see to them. Times are compared with the clock of the broker
    by `check_time`.
    """
    fields: Mapping[str, Any] = event
    kind = event["event_type"]
    required = REQUIRED.get(kind)
    if required is None:
        raise InvalidEvent(
            f"this reader does not know the event type {kind}", path="event_type", hint="upgrade the reader"
        )
    for names in required:
        for name in names:
            if fields[name] is not None:
                break
        else:
            wanted = " or ".join(names)
            raise InvalidEvent(f"{kind} needs {wanted}", path=names[0], hint=f"set {wanted}")
    if not EARLIEST < event["occurred_at"] <= LATEST:
        _time(event["occurred_at"], "occurred_at")
    # A tick belongs to a partition, not to a service.
    if not _SERVICE(event["service"]) and (kind != "clock_tick" or event["service"]):
        _service(event["service"], "service")
    for name, match, problem, hint in _FORMATS:
        value = fields[name]
        if value is not None and not match(value):
            raise InvalidEvent(problem, path=name, hint=hint)
    if event["emitted_at"] is not None:
        _time(event["emitted_at"], "emitted_at")
    if any(_PART_VALUES(event)):
        _check_parts(fields)
    if kind == "cause_linked":
        _check_link(event["attributes"])


def _check_parts(fields: Mapping[str, Any]) -> None:
    for name, check in _PARTS:
        value = fields[name]
        if value:
            check(value, name)


def _check_link(attributes: Mapping[str, str]) -> None:
    """What a worker says of an incident of another service: whose it is, whether it holds, and since which message."""
    for name, match in _LINK:
        value = attributes.get(name)
        if value is None or not match(value):
            raise InvalidEvent(
                "is missing" if value is None else "is not as a worker writes it",
                path=f"attributes.{name}",
                hint="send the incident itself with a cause; the workers write cause_linked",
            )


def check_time(event: EventValue, append_time: Micros, max_future: Micros) -> None:
    """Raise FutureTimestamp if the event says of a time more than `max_future` after its broker received it."""
    limit = append_time + max_future
    if event["occurred_at"] > limit:
        _refuse_future("occurred_at", event["occurred_at"], append_time)
    incident = event["incident"]
    if incident is not None:
        for name, time in (("slo_met_at", incident["slo_met_at"]), ("alert_cleared_at", incident["alert_cleared_at"])):
            if time is not None and time > limit:
                _refuse_future(f"incident.{name}", time, append_time)


def _refuse_future(path: str, time: Micros, append_time: Micros) -> None:
    ahead = (time - append_time) / 1e6
    span = f"{ahead:.0f} s" if ahead < DAY / 1e6 else f"{ahead * 1e6 / DAY:.0f} days"
    raise FutureTimestamp(
        f"is {span} after the broker received the event",
        path=path,
        hint="set the clock of the producer, and send the event again with the right time",
    )
