"""The store between reader and server: who has seen what, what went wrong, and when there is something to serve."""

import pytest

from schemas.values import DAY, MINUTE, SECOND, MetricsValue, Micros
from streams.exporter.collector import ScrapeAnswer
from streams.exporter.decoder import IncidentMessage, MetricsMessage
from streams.exporter.incident_samples import SampleQueue
from streams.exporter.store import SCRAPERS, ExporterStore
from tests.support.builders.scrapes import number, openmetrics
from tests.support.builders.snapshots import NOON, counters, incident, incident_key, metrics_value


class Clock:
    now: Micros = NOON + MINUTE

    def __call__(self) -> Micros:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> ExporterStore:
    return ExporterStore(SampleQueue(31 * DAY, 10 * SECOND), clock)


def take(store: ExporterStore, value: MetricsValue) -> None:
    store.apply(MetricsMessage((value["service"], value["env"]), value))


def answer(store: ExporterStore, scraper: str) -> ScrapeAnswer:
    scrape = store.scrape(scraper)
    store.acknowledge(scraper, scrape)
    return scrape


def deployments(scrape: ScrapeAnswer) -> float | None:
    return number(openmetrics(scrape), "deployments_total", service="api", env="prod")


def test_nothing_is_served_before_everything_is_read(store: ExporterStore) -> None:
    assert store.not_complete() == "still reading what was published before the start"
    store.set_problem("the broker is away")
    assert store.not_complete() == "the broker is away"
    store.mark_complete()
    assert store.not_complete() is None


def test_a_problem_after_that_makes_it_unready_and_not_silent(store: ExporterStore) -> None:
    """The numbers stay right as of then: a gap in /metrics would lose nothing, but tell nothing either."""
    store.mark_complete()
    assert store.why_not_ready() is None
    store.set_problem("the broker is away")
    assert (store.not_complete(), store.why_not_ready()) == (None, "the broker is away")
    assert number(openmetrics(store.scrape("a")), "delivery_serving_ready") == 0
    store.note_kafka_answer()
    assert store.why_not_ready() is None
    assert number(openmetrics(store.scrape("a")), "delivery_serving_ready") == 1


def test_a_new_pair_is_zero_for_each_scraper_once(store: ExporterStore) -> None:
    """Two Prometheus servers side by side: each needs to see the 0, or loses the first increment."""
    store.mark_complete()
    assert [deployments(answer(store, scraper)) for scraper in "ab"] == [None, None]
    take(store, metrics_value(counted=counters(3)))
    assert [deployments(answer(store, scraper)) for scraper in "aabb"] == [0, 3, 0, 3]


def test_an_answer_that_was_not_sent_holds_the_zero(store: ExporterStore) -> None:
    store.mark_complete()
    take(store, metrics_value(counted=counters(3)))
    assert [deployments(store.scrape("a")) for _ in range(3)] == [0, 0, 0]


def test_before_the_first_scrape_of_all_a_new_pair_is_zero(store: ExporterStore) -> None:
    """A fresh installation: the first deployments are counted before Prometheus comes."""
    store.mark_complete()
    take(store, metrics_value(counted=counters(3)))
    assert [deployments(answer(store, "first")) for _ in range(2)] == [0, 3]


def test_a_scraper_that_comes_later_sees_what_others_saw(store: ExporterStore) -> None:
    """As after a restart: a 0 shown now would make it count the whole past as one moment."""
    store.mark_complete()
    take(store, metrics_value(counted=counters(3)))
    answer(store, "first")
    assert deployments(answer(store, "second")) == 3


def test_two_pairs_born_apart_are_released_apart(store: ExporterStore) -> None:
    store.mark_complete()
    take(store, metrics_value(counted=counters(3)))
    answer(store, "a")
    take(store, metrics_value(env="staging", counted=counters(5)))
    rendered = openmetrics(answer(store, "a"))
    assert number(rendered, "deployments_total", service="api", env="prod") == 3
    assert number(rendered, "deployments_total", service="api", env="staging") == 0


def test_an_answer_that_arrives_after_a_later_one_takes_nothing_back(store: ExporterStore) -> None:
    """Two scrapes of one scraper overlap, the first one slow: without this its counter would dip to 0."""
    store.mark_complete()
    slow = store.scrape("a")
    take(store, metrics_value(counted=counters(3)))
    answer(store, "a")
    store.acknowledge("a", slow)
    assert deployments(store.scrape("a")) == 3


def test_scrapers_are_not_remembered_without_end(store: ExporterStore) -> None:
    store.mark_complete()
    take(store, metrics_value(counted=counters(3)))
    for each in range(3 * SCRAPERS):
        answer(store, f"scraper-{each}")
    assert len(store._acked) == SCRAPERS
    assert deployments(answer(store, "scraper-0")) == 3


def test_incidents_are_shown_and_move_on_with_the_answers(store: ExporterStore, clock: Clock) -> None:
    for value in (incident("one"), incident("two", ended_at=NOON + SECOND)):
        store.apply(IncidentMessage(incident_key(value), value))
    store.apply(IncidentMessage("api/gone", None))
    store.mark_complete()
    seen = []
    for _ in range(4):
        scrape = answer(store, "a")
        seen.append((*(sample.incident for sample in scrape.samples.values()), scrape.waiting))
        clock.now += 5 * SECOND
    assert seen == [("api/one", 1), ("api/one", 1), ("api/two", 0), ("api/two", 0)]


def test_revised_incidents_of_before_the_start_are_not_shown_again(store: ExporterStore) -> None:
    for name in ("one", "two"):
        value = incident(name, revisions=1)
        store.apply(IncidentMessage(incident_key(value), value))
        store.mark_complete()
    assert [sample.incident for sample in store.scrape("a").samples.values()] == ["api/two"]


def test_everything_read_is_counted(store: ExporterStore) -> None:
    for _ in range(4):
        store.count_record("delivery_metrics")
    store.count_bad("incidents", "wrong_key")
    take(store, metrics_value(offset=5, counted=counters(2)))
    take(store, metrics_value(offset=4))
    take(store, metrics_value(offset=6, partition=1))
    take(store, metrics_value(offset=7, counted=counters(1)))
    rendered = openmetrics(store.scrape("a"))
    metrics_topic = {"topic": "delivery_metrics"}
    assert number(rendered, "delivery_serving_records_total", **metrics_topic) == 4
    assert number(rendered, "delivery_serving_stale_records_total", **metrics_topic) == 1
    for reason in ("other_partition", "counter_fell"):
        assert number(rendered, "delivery_serving_bad_records_total", **metrics_topic, reason=reason) == 1
    assert number(rendered, "delivery_serving_bad_records_total", topic="incidents", reason="wrong_key") == 1
    assert number(rendered, "delivery_serving_bad_records_total", topic="incidents", reason="undecodable") == 0
    assert number(rendered, "delivery_serving_last_read_timestamp_seconds") == (NOON + MINUTE) / 1e6


def test_a_deleted_pair_goes(store: ExporterStore) -> None:
    store.mark_complete()
    take(store, metrics_value())
    store.apply(MetricsMessage(("api", "prod"), None))
    assert deployments(store.scrape("a")) is None
