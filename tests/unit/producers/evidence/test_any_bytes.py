"""No bytes make a reader raise anything but EvidenceError."""

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producers.evidence.analysis_run import read_analysis, read_failure
from producers.evidence.conftest_report import read_conftest
from producers.evidence.junit import read_junit
from producers.evidence.licences import LicencePolicy
from producers.evidence.line_coverage import Thresholds, read_coverage
from producers.evidence.provenance import read_provenance
from producers.evidence.report import EvidenceError, EvidenceReading, ReportFile
from producers.evidence.sbom import read_sbom_digest, read_sbom_licences
from producers.evidence.trivy import BlockingRules, read_trivy
from tests.unit.producers.evidence.shown import FOLDER

POLICY = LicencePolicy(deny=["GPL*"])
Read = Callable[[ReportFile], EvidenceReading]

READERS: dict[str, tuple[str, Read]] = {
    "junit": ("junit", lambda one: read_junit({"unit": [one]}, reruns=b"a" in one.data)),
    "coverage": ("coverage", lambda one: read_coverage([one], Thresholds({"shop": 0.9}, 0.5))),
    "trivy": ("trivy", lambda one: read_trivy([one], BlockingRules(frozenset({"high"})), POLICY)),
    "kev": ("trivy", lambda one: read_trivy([_scan()], BlockingRules(frozenset()), POLICY, one)),
    "sbom": ("sbom", read_sbom_digest),
    "licences": ("sbom", lambda one: read_sbom_licences([one], POLICY)),
    "conftest": ("conftest", lambda one: read_conftest([one])),
    "provenance": ("provenance", lambda one: read_provenance(one, None, {"*": 1})),
    "envelope": ("provenance", lambda one: read_provenance(_wrapped(one), None, {"*": 1})),
    "analysis": ("analysis", lambda one: read_analysis([one])),
    "rollback": ("analysis", lambda one: read_failure([one])),
}


def _scan() -> ReportFile:
    return ReportFile("image.json", (FOLDER / "trivy/image.json").read_bytes())


def _wrapped(one: ReportFile) -> ReportFile:
    payload = base64.b64encode(one.data).decode()
    return ReportFile(
        "envelope", json.dumps({"payloadType": "application/vnd.in-toto+json", "payload": payload}).encode()
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def _samples(folder: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((FOLDER / folder).iterdir())]


@st.composite
def damaged(draw: st.DrawFn, samples: list[bytes]) -> bytes:
    """A good report with a piece cut out, doubled or written over."""
    data = draw(st.sampled_from(samples))
    start = draw(st.integers(0, len(data)))
    end = draw(st.integers(start, min(len(data), start + 60)))
    return data[:start] + draw(st.binary(max_size=12) | st.just(data[start:end] * 2)) + data[end:]


@st.composite
def mistyped(draw: st.DrawFn, samples: list[bytes]) -> bytes:
    """A good report in JSON with one value, anywhere in it, replaced."""
    data = json.loads(draw(st.sampled_from([one for one in samples if one.startswith((b"{", b"["))])))
    holder: Any = {"root": data}
    key: Any = "root"
    for _ in range(draw(st.integers(1, 8))):
        inner = holder[key]
        if not isinstance(inner, dict | list) or not inner:
            break
        holder, key = inner, draw(st.sampled_from(list(inner) if isinstance(inner, dict) else list(range(len(inner)))))
    holder[key] = draw(JSON)
    return json.dumps(data).encode()


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_bytes_raise_anything_else(name: str, data: st.DataObject) -> None:
    folder, read = READERS[name]
    samples = _samples(folder)
    kinds = [st.binary(max_size=80), damaged(samples)]
    if folder != "junit":
        kinds.append(mistyped(samples))

    with suppress(EvidenceError):
        reading = read(ReportFile("report", data.draw(st.one_of(kinds))))
        assert reading.assigned
