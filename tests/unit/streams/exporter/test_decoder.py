"""Messages become records, or say what is wrong with them."""

from typing import Any

import pytest

from schemas.clients.registry import RegistryError
from schemas.codec.codec import Encoder, Schema, load_schema
from schemas.errors import ContractError, Undecodable, UnknownSchema, WrongKey
from schemas.ids import pinned_encoder
from schemas.keys import record_key
from streams.exporter.decoder import BAD_REASONS, IncidentMessage, MetricsMessage, RecordReader
from tests.support.builders.snapshots import full_value, incident, metrics_value

METRICS = pinned_encoder("delivery_metrics")
INCIDENTS = pinned_encoder("incident")


def read_metrics(key: bytes | None, data: bytes | None, reader: RecordReader | None = None) -> object:
    return (reader or RecordReader()).read("delivery_metrics", key, data)


def test_a_snapshot_comes_back_as_it_was_written() -> None:
    value = full_value(service="team/api")
    assert read_metrics(b"team/api/prod", METRICS.encode(value)) == MetricsMessage(("team/api", "prod"), value)


def test_the_service_alone_has_an_empty_environment() -> None:
    value = metrics_value(env="")
    assert read_metrics(b"api/", METRICS.encode(value)) == MetricsMessage(("api", ""), value)


def test_an_incident_comes_back_as_it_was_written() -> None:
    value = incident("inc/7 50%")
    record = RecordReader().read("incidents", record_key("api", "inc/7 50%"), INCIDENTS.encode(value))
    assert record == IncidentMessage("api/inc%2F7 50%25", value)


def test_an_empty_message_deletes() -> None:
    assert read_metrics(b"team/api/prod", None) == MetricsMessage(("team/api", "prod"), None)
    assert RecordReader().read("incidents", b"api/inc-1", None) == IncidentMessage("api/inc-1", None)


def short() -> bytes:
    value = metrics_value()
    value["counters"]["restore"]["counts"] = [0] * 11
    return METRICS.encode(value)


@pytest.mark.parametrize(
    ("key", "data", "error", "words"),
    [
        (None, METRICS.encode(metrics_value()), WrongKey, "no key"),
        (b"", METRICS.encode(metrics_value()), WrongKey, "no key"),
        (b"\xff", METRICS.encode(metrics_value()), Undecodable, "not UTF-8"),
        (b"api", None, WrongKey, "'api', not service/env"),
        (b"web/prod", METRICS.encode(metrics_value()), WrongKey, "'web/prod', the record is of 'api/prod'"),
        (b"api/prod", b"", Undecodable, "empty"),
        (b"api/prod", b'{"service": "api"}', Undecodable, "JSON"),
        (b"api/prod", METRICS.encode(metrics_value()) + b"!", Undecodable, "1 bytes follow"),
        (b"api/prod", METRICS.encode(metrics_value())[:-9], Undecodable, "schema"),
        (b"api/prod", b"\0\0\0\0\7" + METRICS.encode(metrics_value())[5:], UnknownSchema, "id 7"),
        (b"api/prod", short(), ContractError, "counters.restore.counts: 11 buckets, not 23"),
    ],
)
def test_what_is_wrong_is_said(key: bytes | None, data: bytes | None, error: type[ContractError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        read_metrics(key, data)
    assert caught.value.reason in BAD_REASONS


def test_an_incident_under_the_key_of_another_is_refused() -> None:
    with pytest.raises(WrongKey, match="'api/inc-2', the record is of 'api/inc-1'"):
        RecordReader().read("incidents", b"api/inc-2", INCIDENTS.encode(incident()))


class Registry:
    """Knows the schema of the snapshots as id 7, or fails with a status."""

    def __init__(self, status: int | None = 0) -> None:
        self.status = status
        self.asked: list[int] = []

    def schema_by_id(self, schema_id: int) -> Schema:
        self.asked.append(schema_id)
        if self.status != 0:
            raise RegistryError("no", self.status)
        return load_schema("delivery_metrics")


def seven(value: Any) -> bytes:
    return Encoder[Any](load_schema("delivery_metrics"), 7).encode(value)


def test_a_registry_is_asked_for_an_unknown_schema_once() -> None:
    registry = Registry()
    reader = RecordReader(registry)
    for _ in range(3):
        assert read_metrics(b"api/prod", seven(metrics_value()), reader) == MetricsMessage(
            ("api", "prod"), metrics_value()
        )
    assert registry.asked == [7]


def test_a_schema_that_the_registry_does_not_know_is_the_fault_of_the_message() -> None:
    with pytest.raises(UnknownSchema):
        read_metrics(b"api/prod", seven(metrics_value()), RecordReader(Registry(404)))


@pytest.mark.parametrize("status", [None, 401, 503])
def test_a_registry_that_cannot_be_asked_is_not(status: int | None) -> None:
    with pytest.raises(RegistryError):
        read_metrics(b"api/prod", seven(metrics_value()), RecordReader(Registry(status)))
