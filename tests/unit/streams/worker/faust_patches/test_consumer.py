"""How fetched records are cut into batches."""

from types import SimpleNamespace

import pytest
from faust.types import TP

from streams.worker.faust_patches import BatchBounds
from streams.worker.faust_patches.consumer import BatchConsumer


def chunks(sizes: list[int], bounds: BatchBounds, *, topic: str = "batched") -> list[int]:
    consumer = SimpleNamespace(bounds=bounds, batch_topics={"batched"})
    records = [SimpleNamespace(key=b"", value=b"x" * size) for size in sizes]
    return [len(each) for each in BatchConsumer._chunks(consumer, records, TP(topic, 0))]  # type: ignore[arg-type]  # a fake


@pytest.mark.parametrize(
    ("sizes", "bounds", "lengths"),
    [
        ([], BatchBounds(3, 100), []),
        ([1] * 7, BatchBounds(3, 100), [3, 3, 1]),
        ([40, 40, 40], BatchBounds(9, 100), [2, 1]),
        ([500, 1, 1], BatchBounds(9, 100), [1, 2]),
        ([1, 500, 1], BatchBounds(9, 100), [1, 1, 1]),
    ],
)
def test_a_batch_ends_before_a_bound_is_passed(sizes: list[int], bounds: BatchBounds, lengths: list[int]) -> None:
    assert chunks(sizes, bounds) == lengths


def test_topics_that_are_not_batched_go_one_by_one() -> None:
    assert chunks([1, 1, 1], BatchBounds(), topic="other") == [1, 1, 1]
