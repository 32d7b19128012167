"""The order of an environment's deployments, at the exact microsecond where a neighbour changes."""

from streams.core.timeline import Timeline


def timeline() -> Timeline:
    """A at 10, promoted; B and C at 20; D at 30, promoted. B and D deploy the same SHA. Added out of order."""
    one = Timeline()
    one.add((30, "D"), "b" * 40, promoted=True)
    one.add((10, "A"), "a" * 40, promoted=True)
    one.add((20, "C"), None, promoted=False)
    one.add((20, "B"), "b" * 40, promoted=False)
    return one


def test_they_are_in_order_of_time_then_name() -> None:
    assert timeline().places() == [(10, "A"), (20, "B"), (20, "C"), (30, "D")]


def test_in_force_is_the_latest_that_had_begun() -> None:
    assert [timeline().in_force(at) for at in (9, 10, 19, 20, 29, 30)] == [None, "A", "A", "C", "C", "D"]


def test_a_sha_means_its_latest_deployment() -> None:
    assert [timeline().of_sha("b" * 40, at) for at in (19, 20, 29, 30)] == [None, "B", "B", "D"]
    assert timeline().of_sha("c" * 40, 30) is None


def test_neighbours() -> None:
    assert timeline().after((20, "B")) == (20, "C")
    assert timeline().after((30, "D")) is None
    assert timeline().before((20, "C")) == (20, "B")
    assert timeline().before((10, "A")) is None


def test_the_next_promoted_one_inherits() -> None:
    one = timeline()
    assert one.inheritor((10, "A")) == (30, "D")
    assert one.inheritor((30, "D")) is None
    assert one.since_promotion((30, "D")) == [(20, "B"), (20, "C")]
    assert one.since_promotion((10, "A")) == []


def test_a_promotion_moves_the_inheritance_and_back() -> None:
    one = timeline()
    one.promote((20, "B"), promoted=True)
    assert one.inheritor((10, "A")) == (20, "B")
    assert one.since_promotion((30, "D")) == [(20, "C")]
    one.promote((20, "B"), promoted=False)
    assert one.inheritor((10, "A")) == (30, "D")


def test_what_is_removed_is_found_no_more() -> None:
    one = timeline()
    one.remove((30, "D"), "b" * 40, promoted=True)
    assert one.in_force(30) == "C"
    assert one.of_sha("b" * 40, 30) == "B"
    assert one.inheritor((10, "A")) is None
