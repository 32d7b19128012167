"""Each row of the table of a deployment's life, at the exact microsecond where the clock decides."""

import pytest

from schemas.values import HOUR, VerdictName
from streams.core.deployment import LIFE, DeploymentFailure, DeploymentState
from streams.core.record_key import deployment_key
from streams.core.settings import MetricSettings
from tests.support import events

SETTINGS = MetricSettings()
BEGUN = events.DAY_1
FINISHED = BEGUN + HOUR
DUE = FINISHED + SETTINGS.failure_window + SETTINGS.lateness
TIMEOUT = BEGUN + SETTINGS.canary_timeout


def deployment(*, begun: bool = True, finished: bool = False, failed: bool = False) -> DeploymentState:
    one = DeploymentState(deployment_key("prod", "D1"), "prod", "D1")
    one.begun_at = BEGUN if begun else None
    one.finished_at = FINISHED if finished else None
    one.failure = DeploymentFailure(FINISHED, "rollback") if failed else None
    return one


@pytest.mark.parametrize(
    ("one", "clock", "newer", "verdict", "due"),
    [
        (deployment(begun=False), DUE, False, "unknown", None),
        (deployment(), TIMEOUT, False, "pending", TIMEOUT + 1),
        (deployment(), TIMEOUT + 1, False, "abandoned", None),
        (deployment(), BEGUN, True, "superseded", None),
        (deployment(), TIMEOUT + 1, True, "superseded", None),
        (deployment(finished=True), DUE - 1, False, "pending", DUE),
        (deployment(finished=True), DUE, False, "succeeded", None),
        (deployment(finished=True), DUE - 1, True, "pending", DUE),
        (deployment(finished=True, failed=True), DUE - 1, False, "pending", DUE),
        (deployment(finished=True, failed=True), DUE, True, "failed", None),
    ],
)
def test_the_first_condition_that_holds_decides(
    one: DeploymentState, clock: int, newer: bool, verdict: VerdictName, due: int | None
) -> None:
    assert one.judge(clock, SETTINGS, newer=newer) == due
    assert one.verdict == verdict
    assert one.failing == (verdict == "pending" and one.failure is not None)


def test_what_is_known_late_is_judged_late() -> None:
    one = deployment(finished=True)
    one.known_at = DUE
    assert one.judge(DUE, SETTINGS, newer=False) == DUE + SETTINGS.lateness


def test_every_phase_ends_in_a_verdict() -> None:
    assert all(rows[-1][0] == "otherwise" for rows in LIFE.values())
