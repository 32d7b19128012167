"""The core and the second reading of the specification say the same of any history."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.values import DAY, EventValue, Micros
from streams.core.settings import MetricSettings
from tests.support.histories import LAST, clocks, histories, rules, windows
from tests.support.log_replay import Records, Topic, by_partition_state, played, said, summaries
from tests.support.oracle import Facts, facts, reference


class TestNumbers:
    """`candora compute` prints of every "SERVICE/ENV" what the second reading prints."""

    @given(histories, clocks, rules, windows)
    def test_same(self, history: list[EventValue], at: Micros, settings: MetricSettings, window: Micros) -> None:
        assert said(by_partition_state(history, at, settings, window)) == said(reference(history, at, settings, window))


class TestSliding:
    """Every number is a pure function of (facts, clock, settings)."""

    @given(histories, st.lists(st.integers(0, 40 * DAY), min_size=1, max_size=6), windows)
    def test_same_after_every_tick(self, history: list[EventValue], waits: list[Micros], window: Micros) -> None:
        settings = MetricSettings()
        topic = Topic(settings, (event["service"] for event in history))
        for event in history:
            topic.append(event, 0)
        topic.settle()
        for at in sorted(LAST + wait for wait in waits):
            topic.append(None, at)
            topic.settle()
            found = said(summaries(Records.of(topic), window))
            assert found == said(reference(history, at, settings, window))


class TestRecords:
    """Every published record says of its deployment, incident or change what the second reading says."""

    @given(histories, clocks, rules)
    def test_deployments(self, history: list[EventValue], at: Micros, settings: MetricSettings) -> None:
        records, known = answers(history, at, settings)
        published = {
            key: (
                one["verdict"],
                one["started_at"],
                one["promoted_at"],
                one["finished_at"],
                one["reason"],
                one["failed_at"],
                one["late_failure"],
                one["commit_sha"],
                one["lane"],
            )
            for key, one in records.deployments.items()
            if one["verdict"] not in {"unknown", "excluded"}
        }
        assert published == {
            key: (
                known.verdicts[key].name,
                one.started_at,
                one.promoted_at,
                known.verdicts[key].finished_at,
                failure.reason if (failure := known.verdicts[key].failure) else None,
                failure.at if failure else None,
                known.verdicts[key].late_failure,
                one.commit_sha,
                one.lane,
            )
            for key, one in known.deployments.items()
        }

    @given(histories, clocks, rules)
    def test_incidents(self, history: list[EventValue], at: Micros, settings: MetricSettings) -> None:
        records, known = answers(history, at, settings)
        published = {
            key: (
                one["env"],
                one["severity"],
                one["failing"],
                [(period["opened_at"], period["ended_at"]) for period in one["periods"]],
                one["open"],
                one["time_to_restore"],
                one["attribution"]["rule"],
                one["attribution"]["deployment_id"],
            )
            for key, one in records.incidents.items()
            if one["opened_at"] is not None and one["lane"] not in {"rehearsal", "synthetic"}
        }
        assert published == {
            (one.service, one.incident_id): (
                one.env,
                one.severity,
                one.severity in settings.failing_severities,
                [tuple(period) for period in one.periods],
                one.ended_at is None,
                one.time_to_restore,
                put.rule,
                put.shown,
            )
            for one, put in known.incidents
        }

    @given(histories, clocks, rules)
    def test_changes(self, history: list[EventValue], at: Micros, settings: MetricSettings) -> None:
        records, known = answers(history, at, settings)
        published = {
            (*key, one["env"]): (one["promoted_at"], one["lead_time"])
            for key, change in records.changes.items()
            for one in change["promotions"]
        }
        assert published == {
            (one.service, one.change_id, one.env): (one.promoted_at, one.lead_time)
            for one in known.promotions
            if one.lead_time is not None
        }


def answers(history: list[EventValue], at: Micros, settings: MetricSettings) -> tuple[Records, Facts]:
    """What was published, and what the second reading knows."""
    return Records.of(played(history, at, settings)), facts(history, at, settings)


class TestPartitions:
    """A cause in another service (`cause.service`) is followed there."""

    @given(histories, clocks, st.integers(1, 4))
    def test_wherever_that_service_is_kept(self, history: list[EventValue], at: Micros, batch: int) -> None:
        settings = MetricSettings()
        window = settings.windows[0]
        topic = played(history, at, settings, partitions=2, batch=batch)
        apart = Records.of(topic)
        together = by_partition_state(history, at, settings, window)
        assert said(summaries(apart, window)) == said(together)
