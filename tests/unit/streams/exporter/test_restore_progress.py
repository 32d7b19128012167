"""Completeness: every partition is read up to where it ended at the start, whatever its offsets look like."""

from streams.exporter.restore_progress import PartitionId, RestoreProgress

A, B, EMPTY, EMPTIED = PartitionId("t", 0), PartitionId("t", 1), PartitionId("t", 2), PartitionId("t", 3)


def progress() -> RestoreProgress:
    return RestoreProgress({A: (0, 10), B: (5, 8), EMPTY: (0, 0), EMPTIED: (7, 7)})


def test_empty_partitions_need_nothing() -> None:
    assert RestoreProgress({EMPTY: (0, 0), EMPTIED: (7, 7)}).complete
    assert RestoreProgress({}).complete


def test_every_other_partition_must_reach_its_end() -> None:
    reading = progress()
    reading.reached(A, 10)
    assert not reading.complete
    reading.reached(B, 7)
    assert not reading.complete
    reading.reached(B, 8)
    assert reading.complete


def test_compacted_offsets_may_jump_over_the_end() -> None:
    reading = progress()
    reading.reached(A, 14)
    reading.reached(B, 9)
    assert reading.complete


def test_the_end_behind_records_that_no_consumer_sees_counts() -> None:
    """Transaction markers stand at offsets 8 and 9: the last message is 7, and then the consumer says end at 10."""
    reading = RestoreProgress({A: (0, 10)})
    reading.reached(A, 8)
    assert not reading.complete
    reading.reached(A, 10)
    assert reading.complete


def test_what_is_left_and_where_it_is() -> None:
    reading = progress()
    assert (reading.left(), reading.position(A), reading.position(PartitionId("t", 9))) == (13, 0, None)
    reading.reached(A, 4)
    reading.reached(A, 2)
    assert (reading.left(), reading.position(A)) == (9, 4)


def test_it_stays_complete() -> None:
    reading = progress()
    reading.reached(A, 10)
    reading.reached(B, 8)
    reading.reached(A, 11)
    reading.reached(EMPTY, 3)
    assert reading.complete
    assert reading.position(EMPTY) == 3
