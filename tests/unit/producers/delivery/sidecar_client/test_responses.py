"""What each answer of a sidecar means."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.delivery.outcomes import EXIT_CODES
from producers.delivery.publisher import FailureCause
from producers.delivery.sidecar_client.responses import NextAction, SidecarResponse, judge, refusal
from producers.errors import ExitCode
from producers.sidecar.auth.access import AccessRefused, RefusalReason
from producers.sidecar.rejections import LIMITS


def answer(status: int, body: Any = None, **headers: str) -> SidecarResponse:
    content = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    return SidecarResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


@pytest.mark.parametrize(
    ("status", "reason", "then", "cause"),
    [
        (401, "expired", NextAction.RENEW, FailureCause.CREDENTIALS),
        (401, None, NextAction.RENEW, FailureCause.CREDENTIALS),
        (403, "wrong_repository", NextAction.STOP, FailureCause.CREDENTIALS),
        (403, "claim_mismatch", NextAction.APART, FailureCause.FORBIDDEN),
        (403, "wrong_scope", NextAction.APART, FailureCause.FORBIDDEN),
        (403, "no_environment", NextAction.APART, FailureCause.FORBIDDEN),
        (403, None, NextAction.STOP, FailureCause.CREDENTIALS),
        (400, "not_json", NextAction.APART, FailureCause.MESSAGE),
        (413, "too_large", NextAction.APART, FailureCause.MESSAGE),
        (422, "invalid", NextAction.APART, FailureCause.MESSAGE),
        (408, "slow_body", NextAction.RETRY, FailureCause.UNREACHABLE),
        (429, "rate", NextAction.RETRY, FailureCause.UNREACHABLE),
        (500, None, NextAction.RETRY, FailureCause.UNREACHABLE),
        (502, None, NextAction.RETRY, FailureCause.UNREACHABLE),
        (503, "spool_full", NextAction.RETRY, FailureCause.UNREACHABLE),
        (504, None, NextAction.RETRY, FailureCause.UNREACHABLE),
        (301, None, NextAction.STOP, FailureCause.UNREACHABLE),
        (307, None, NextAction.STOP, FailureCause.UNREACHABLE),
        (404, None, NextAction.STOP, FailureCause.UNREACHABLE),
        (405, None, NextAction.STOP, FailureCause.UNREACHABLE),
        (415, None, NextAction.STOP, FailureCause.UNREACHABLE),
        (200, None, NextAction.STOP, FailureCause.UNREACHABLE),
        (204, None, NextAction.STOP, FailureCause.UNREACHABLE),
    ],
)
def test_what_a_status_means(status: int, reason: str | None, then: NextAction, cause: FailureCause) -> None:
    verdict = judge(answer(status, {"error": "no", "reason": reason}), frozenset({"id"}))
    assert (verdict.then, verdict.cause) == (then, cause)
    assert str(status) in verdict.problem


@pytest.mark.parametrize(
    ("cause", "code"), [(FailureCause.CREDENTIALS, 4), (FailureCause.FORBIDDEN, 4), (FailureCause.MESSAGE, 2)]
)
def test_how_a_strict_run_ends(cause: FailureCause, code: int) -> None:
    assert EXIT_CODES[cause] == ExitCode(code)


def test_only_the_events_that_it_names_are_taken() -> None:
    assert judge(answer(202, {"events": ["a", "b"]}), frozenset({"a", "b"})).then is NextAction.DONE
    assert judge(answer(202, {"events": ["a"]}), frozenset({"a", "b"})).then is NextAction.STOP
    assert judge(answer(200, b"<html>Please log in</html>"), frozenset({"a"})).then is NextAction.STOP


def test_the_field_is_told_once() -> None:
    fault = {
        "error": "event 2 of 3: env: is missing; give it",
        "path": "env",
        "problem": "is missing",
        "hint": "give it",
    }
    assert refusal(answer(422, fault)).problem == "does not take it: 422 event 2 of 3: env: is missing; give it"
    short = {"error": "refused", "path": "env", "problem": "is missing"}
    assert refusal(answer(422, short)).problem == "does not take it: 422 refused; env: is missing"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "30"}, 30.0),
        ({"retry_after": "Mon, 23 Nov 2026 12:00:10 GMT", "date": "Mon, 23 Nov 2026 12:00:00 GMT"}, 10.0),
        ({"retry_after": "Mon, 23 Nov 2026 12:00:10 GMT"}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "-3"}, None),
        ({}, None),
    ],
)
def test_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    assert refusal(answer(503, **headers)).retry_after == seconds


def test_all_that_a_sidecar_says_has_a_meaning() -> None:
    """Neither side has an answer that the other does not know."""
    for reason in RefusalReason:
        assert (
            refusal(answer(AccessRefused(reason, "").status, {"reason": str(reason)})).cause is not FailureCause.MESSAGE
        )
    for word, limit in LIMITS.items():
        verdict = refusal(answer(limit.status, {"error": limit.error, "reason": word}))
        assert verdict.then is (NextAction.RETRY if limit.status >= 500 else verdict.then)
        assert (verdict.cause is FailureCause.MESSAGE) == (limit.status in {400, 413, 422})


@given(
    st.integers(100, 599),
    st.one_of(st.binary(), st.recursive(st.none() | st.text(), st.lists).map(lambda each: json.dumps(each).encode())),
    st.dictionaries(st.sampled_from(["retry-after", "date"]), st.text()),
)
def test_no_answer_is_mistaken_for_success(status: int, body: bytes, headers: dict[str, str]) -> None:
    verdict = judge(SidecarResponse(status, headers, body), frozenset({"1ca7beda-8189-5879-88f0-921bb32c06b2"}))
    assert verdict.then is not NextAction.DONE
    assert verdict.problem.isprintable()
