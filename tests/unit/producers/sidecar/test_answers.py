"""What each answer of a sidecar means."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.errors import ExitCode
from producers.publisher import Cause
from producers.receiver.access import Reason, Refused
from producers.receiver.refusals import LIMITS
from producers.sidecar.answers import Answer, Then, judge, refusal
from producers.tally import EXIT_CODES


def answer(status: int, body: Any = None, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


@pytest.mark.parametrize(
    ("status", "reason", "then", "cause"),
    [
        (401, "expired", Then.RENEW, Cause.CREDENTIALS),
        (401, None, Then.RENEW, Cause.CREDENTIALS),
        (403, "wrong_repository", Then.STOP, Cause.CREDENTIALS),
        (403, "claim_mismatch", Then.APART, Cause.FORBIDDEN),
        (403, "wrong_scope", Then.APART, Cause.FORBIDDEN),
        (403, "no_environment", Then.APART, Cause.FORBIDDEN),
        (403, None, Then.STOP, Cause.CREDENTIALS),
        (400, "not_json", Then.APART, Cause.MESSAGE),
        (413, "too_large", Then.APART, Cause.MESSAGE),
        (422, "invalid", Then.APART, Cause.MESSAGE),
        (408, "slow_body", Then.RETRY, Cause.UNREACHABLE),
        (429, "rate", Then.RETRY, Cause.UNREACHABLE),
        (500, None, Then.RETRY, Cause.UNREACHABLE),
        (502, None, Then.RETRY, Cause.UNREACHABLE),
        (503, "spool_full", Then.RETRY, Cause.UNREACHABLE),
        (504, None, Then.RETRY, Cause.UNREACHABLE),
        (301, None, Then.STOP, Cause.UNREACHABLE),
        (307, None, Then.STOP, Cause.UNREACHABLE),
        (404, None, Then.STOP, Cause.UNREACHABLE),
        (405, None, Then.STOP, Cause.UNREACHABLE),
        (415, None, Then.STOP, Cause.UNREACHABLE),
        (200, None, Then.STOP, Cause.UNREACHABLE),
        (204, None, Then.STOP, Cause.UNREACHABLE),
    ],
)
def test_what_a_status_means(status: int, reason: str | None, then: Then, cause: Cause) -> None:
    verdict = judge(answer(status, {"error": "no", "reason": reason}), frozenset({"id"}))
    assert (verdict.then, verdict.cause) == (then, cause)
    assert str(status) in verdict.problem


@pytest.mark.parametrize(("cause", "code"), [(Cause.CREDENTIALS, 4), (Cause.FORBIDDEN, 4), (Cause.MESSAGE, 2)])
def test_how_a_strict_run_ends(cause: Cause, code: int) -> None:
    assert EXIT_CODES[cause] == ExitCode(code)


def test_only_the_events_that_it_names_are_taken() -> None:
    assert judge(answer(202, {"events": ["a", "b"]}), frozenset({"a", "b"})).then is Then.DONE
    assert judge(answer(202, {"events": ["a"]}), frozenset({"a", "b"})).then is Then.STOP
    assert judge(answer(200, b"<html>Please log in</html>"), frozenset({"a"})).then is Then.STOP


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
    for reason in Reason:
        assert refusal(answer(Refused(reason, "").status, {"reason": str(reason)})).cause is not Cause.MESSAGE
    for word, limit in LIMITS.items():
        verdict = refusal(answer(limit.status, {"error": limit.error, "reason": word}))
        assert verdict.then is (Then.RETRY if limit.status >= 500 else verdict.then)
        assert (verdict.cause is Cause.MESSAGE) == (limit.status in {400, 413, 422})


@given(
    st.integers(100, 599),
    st.one_of(st.binary(), st.recursive(st.none() | st.text(), st.lists).map(lambda each: json.dumps(each).encode())),
    st.dictionaries(st.sampled_from(["retry-after", "date"]), st.text()),
)
def test_no_answer_is_mistaken_for_success(status: int, body: bytes, headers: dict[str, str]) -> None:
    verdict = judge(Answer(status, headers, body), frozenset({"1ca7beda-8189-5879-88f0-921bb32c06b2"}))
    assert verdict.then is not Then.DONE
    assert verdict.problem.isprintable()
