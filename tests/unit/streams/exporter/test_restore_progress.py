"""Completeness: every partition is read up to where it ended at the start, whatever its offsets look like."""

from streams.exporter.restore_progress import PartitionId, RestoreProgress

A, B, EMPTY, EMPTIED = PartitionId("t", 0), PartitionId("t", 1), PartitionId("t", 2), PartitionId("t", 3)


def progress() -> RestoreProgress:
    return RestoreProgress({A: (0, 10), B: (5, 8), EMPTY: (0, 0), EMPTIED: (7, 7)})


def test_empty_partitions_need_nothing() -> None:
    assert RestoreProgress({EMPTY: (0, 0), EMPTIED: (7, 7)}).complete
    assert RestoreProgress({}).complete


def test_every_other_partition_must_reach_its_end() -> None:
    restore = progress()
    restore.advance(A, 10)
    assert not restore.complete
    restore.advance(B, 7)
    assert not restore.complete
    restore.advance(B, 8)
    assert restore.complete


def test_compacted_offsets_may_jump_over_the_end() -> None:
    restore = progress()
    restore.advance(A, 14)
    restore.advance(B, 9)
    assert restore.complete


def test_the_end_behind_records_that_no_consumer_sees_counts() -> None:
    """Transaction markers stand at offsets 8 and 9: the last message is 7, and then the consumer says end at 10."""
    restore = RestoreProgress({A: (0, 10)})
    restore.advance(A, 8)
    assert not restore.complete
    restore.advance(A, 10)
    assert restore.complete


def test_what_is_left_and_where_it_is() -> None:
    restore = progress()
    assert (restore.remaining(), restore.position(A), restore.position(PartitionId("t", 9))) == (13, 0, None)
    restore.advance(A, 4)
    restore.advance(A, 2)
    assert (restore.remaining(), restore.position(A)) == (9, 4)


def test_it_stays_complete() -> None:
    restore = progress()
    restore.advance(A, 10)
    restore.advance(B, 8)
    restore.advance(A, 11)
    restore.advance(EMPTY, 3)
    assert restore.complete
    assert restore.position(EMPTY) == 3
