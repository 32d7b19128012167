"""Jobs without a secret: GitHub's and GitLab's tokens, exchanged at a real gate, and the session of the next step."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from producers.delivery.publisher import DeliveryFailure, FailureCause, Outcome, SidecarReceipt
from producers.delivery.sidecar_client.publisher import open_sidecar
from producers.sidecar.auth.gate import open_gate
from tests.support.fakes.sidecar import Sidecar
from tests.support.forges import AUDIENCE, GITHUB_CLAIMS, GITLAB_CLAIMS, SHA, Forge
from tests.support.publishers import publish
from tests.support.servers.in_thread import serving, sidecar_at
from tests.unit.producers.delivery.sidecar_client.test_publisher import event
from tests.unit.producers.sidecar.auth.asking import settings

OURS = {"service": "shop", "env": "prod", "occurred_at": "2026-01-05T09:00:00Z"}
CART = {**OURS, "service": "cart"}


@pytest.fixture(scope="module")
def forge() -> Forge:
    return Forge()


@dataclass
class Place:
    """A sidecar with a gate, and the jobs that report to it."""

    url: str
    sidecar: Sidecar
    folder: Path

    def job(self, **environ: str) -> dict[str, str]:
        """The environment of a job; its temporary folder is that of all of its steps."""
        return {"RUNNER_TEMP": str(self.folder), "CANDORA_SIDECAR_AUDIENCE": AUDIENCE, **environ}

    def report(self, environ: dict[str, str], name: str, **fields: Any) -> Outcome:
        """What one step of a job comes to, with a process of its own."""
        [(_, outcome)] = publish(open_sidecar(self.url, environ, timeout=3), [event(name, **fields)])
        return outcome

    def counted(self, source: str) -> float:
        labels = {"source": source}
        return self.sidecar.metrics.registry.get_sample_value("delivery_sidecar_received_total", labels) or 0.0


@contextmanager
def place_at(tmp_path: Path, forge: Forge) -> Iterator[Place]:
    def make() -> Sidecar:
        made = Sidecar(tmp_path / "spool", access=open_gate(settings(), {}, fetch=forge.fetch))
        made.receiver.now = lambda: datetime.now(UTC)  # tokens are of now, as their library has it
        return made

    (tmp_path / "job").mkdir(exist_ok=True)
    with sidecar_at(make) as (url, sidecar):
        yield Place(url, sidecar, tmp_path / "job")


@pytest.fixture
def place(tmp_path: Path, forge: Forge) -> Iterator[Place]:
    with place_at(tmp_path, forge) as made:
        yield made


@contextmanager
def github(forge: Forge, asked: list[str], **claims: Any) -> Iterator[dict[str, str]]:
    """GitHub's service for the tokens of a job: the variables that name it."""

    async def token(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Bearer from-the-runner":
            return web.Response(status=401)
        asked.append(request.query["audience"])
        return web.json_response({"value": forge.token(GITHUB_CLAIMS, aud=request.query["audience"], **claims)})

    with serving([web.get("/token", token)]) as url:
        yield {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{url}/token?api-version=2",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "from-the-runner",
        }


def test_a_job_of_github_needs_no_secret_and_asks_once(place: Place, forge: Forge) -> None:
    asked: list[str] = []
    with github(forge, asked) as variables:
        job = place.job(**variables)
        assert place.report(job, "run-1", **OURS) == SidecarReceipt(place.url)
        assert place.report(job, "run-2", **OURS) == SidecarReceipt(place.url)
    assert asked == [AUDIENCE]
    assert (place.counted("token"), place.counted("events")) == (1.0, 2.0)
    assert {kept["commit_sha"] for kept in place.sidecar.kept_events()} == {SHA}


def test_each_step_of_a_job_of_gitlab_takes_up_the_session(place: Place, forge: Forge) -> None:
    job = place.job(CANDORA_ID_TOKEN=forge.token(GITLAB_CLAIMS))
    outcomes = [place.report(job, f"run-{number}", **CART) for number in range(3)]
    assert outcomes == [SidecarReceipt(place.url)] * 3
    assert place.counted("token") == 1.0


def test_without_a_folder_the_second_step_is_told_what_is_missing(place: Place, forge: Forge) -> None:
    job = place.job(CANDORA_ID_TOKEN=forge.token(GITLAB_CLAIMS), RUNNER_TEMP="/nowhere/at/all")
    assert place.report(job, "run-1", **CART) == SidecarReceipt(place.url)
    refused = place.report(job, "run-2", **CART)
    assert isinstance(refused, DeliveryFailure)
    assert (refused.cause, "replayed" in refused.problem) == (FailureCause.CREDENTIALS, True)


def test_after_a_restart_with_another_key_github_is_asked_again(tmp_path: Path, forge: Forge) -> None:
    asked: list[str] = []
    with github(forge, asked) as variables:
        for number in range(2):
            with place_at(tmp_path, forge) as place:
                # The address is another one each time; a session belongs to one.
                assert place.report(place.job(**variables), f"run-{number}", **OURS) == SidecarReceipt(place.url)
    assert len(asked) == 2


def test_a_session_that_is_not_taken_any_more_is_renewed(place: Place, forge: Forge) -> None:
    asked: list[str] = []
    with github(forge, asked) as variables:
        job = place.job(**variables)
        assert place.report(job, "run-1", **OURS) == SidecarReceipt(place.url)
        place.sidecar.receiver.access = open_gate(settings(), {}, fetch=forge.fetch)  # another key for sessions
        assert place.report(job, "run-2", **OURS) == SidecarReceipt(place.url)
        assert place.report(job, "run-3", **OURS) == SidecarReceipt(place.url)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("claims", "forged", "problem"),
    [
        (
            {"exp": datetime(2026, 1, 1, tzinfo=UTC), "iat": datetime(2026, 1, 1, tzinfo=UTC), "nbf": None},
            False,
            "expired",
        ),
        ({"aud": "https://another.example"}, False, "wrong_audience"),
        ({"iss": "https://gitlab.evil.example"}, False, "wrong_issuer"),
        ({"project_path": "evil/cart"}, False, "wrong_repository"),
        ({}, True, "bad_signature"),
    ],
)
def test_a_token_that_is_not_good_is_refused_with_the_reason(
    place: Place, forge: Forge, claims: dict[str, Any], forged: bool, problem: str
) -> None:
    signer = Forge() if forged else forge
    token = signer.token({**GITLAB_CLAIMS, **claims})
    refused = place.report(place.job(CANDORA_ID_TOKEN=token), "run-1", **CART)
    assert isinstance(refused, DeliveryFailure)
    assert (refused.cause, f"({problem})" in refused.problem) == (FailureCause.CREDENTIALS, True)
    assert token not in refused.problem
    assert place.sidecar.kept() == []
    assert list(place.folder.iterdir()) == []


def test_an_event_that_contradicts_the_token_is_refused_alone(place: Place, forge: Forge) -> None:
    job = place.job(CANDORA_ID_TOKEN=forge.token(GITLAB_CLAIMS))
    good, bad = event("run-1", **CART), event("run-2", **CART, commit_sha="f" * 40)
    reports = dict(publish(open_sidecar(place.url, job, timeout=3), [bad, good]))
    assert reports[good] == SidecarReceipt(place.url)
    refused = reports[bad]
    assert isinstance(refused, DeliveryFailure)
    assert (refused.cause, "claim_mismatch" in refused.problem) == (FailureCause.FORBIDDEN, True)


@pytest.mark.parametrize(
    ("status", "cause"),
    [(401, FailureCause.CREDENTIALS), (403, FailureCause.CREDENTIALS), (503, FailureCause.UNREACHABLE)],
)
def test_when_github_gives_no_token_it_is_said(place: Place, status: int, cause: FailureCause) -> None:
    async def none(request: web.Request) -> web.Response:
        return web.Response(status=status)

    with serving([web.get("/", none)]) as url:
        job = place.job(ACTIONS_ID_TOKEN_REQUEST_URL=url, ACTIONS_ID_TOKEN_REQUEST_TOKEN="geheim")
        refused = place.report(job, "run-1", **OURS)
    assert isinstance(refused, DeliveryFailure)
    assert (refused.cause, f"it answers {status}" in refused.problem) == (cause, True)
    assert "geheim" not in refused.problem


def test_a_session_ends_with_its_time(place: Place, forge: Forge) -> None:
    """A long import goes on with a new one."""
    asked: list[str] = []
    with github(forge, asked) as variables:
        publisher = open_sidecar(place.url, place.job(**variables), timeout=3)
        assert [outcome for _, outcome in publish(publisher, [event("run-1", **OURS)])] == [SidecarReceipt(place.url)]
        publisher._proof._now = lambda: datetime.now(UTC) + timedelta(minutes=15)  # type: ignore[attr-defined]
        assert [outcome for _, outcome in publish(publisher, [event("run-2", **OURS)])] == [SidecarReceipt(place.url)]
    assert len(asked) == 2
