import random

import pytest
from aiokafka.partitioner import DefaultPartitioner  # type: ignore[import-untyped]
from aiokafka.partitioner import murmur2 as reference
from hypothesis import given
from hypothesis import strategies as st

from schemas.partitioner import murmur2, partition_of


@given(st.binary(max_size=70))
def test_the_hash_is_that_of_aiokafka(key: bytes) -> None:
    assert murmur2(key) == reference(key) & 0xFFFFFFFF


@given(st.text(min_size=1, max_size=40), st.integers(1, 64))
def test_the_partition_is_the_one_that_aiokafka_chooses(service: str, partitions: int) -> None:
    key = service.encode()
    everywhere = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key, everywhere, everywhere)


@pytest.mark.parametrize(
    ("key", "value"),
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)],
)
def test_the_hash_is_that_of_java(key: bytes, value: int) -> None:
    """Three of the values in the tests of Kafka's own client."""
    assert murmur2(key) == value & 0xFFFFFFFF


def test_keys_spread_over_all_partitions() -> None:
    random.seed(1)
    found = {partition_of(random.randbytes(12), 12) for _ in range(400)}
    assert found == set(range(12))
