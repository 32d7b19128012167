"""Claims are found by what could move them: a name, a SHA, or a stretch of time."""

from streams.core.claim_index import ClaimIndex
from streams.core.claims import Claim, RollbackClaim
from streams.core.record_key import rollback_key

SHA = "a" * 40


def claimant(name: str, at: int, deployment_id: str | None = None, sha: str | None = None) -> RollbackClaim:
    one = RollbackClaim(rollback_key(name))
    one.claim = Claim("prod", at, deployment_id, sha, bounded=False)
    return one


def test_a_name_goes_before_a_sha_and_a_sha_before_time() -> None:
    index = ClaimIndex()
    named, by_sha, in_force = claimant("1", 10, "D1", SHA), claimant("2", 10, None, SHA), claimant("3", 10)
    assert all(index.replace(one) for one in (named, by_sha, in_force))
    assert index.naming("prod", "D1") == [named]
    assert index.naming_sha("prod", SHA) == [by_sha]
    assert index.between("prod", 10, 11) == [in_force]
    assert index.naming("staging", "D1") == index.naming_sha("staging", SHA) == []
    assert index.between("staging", 0, None) == []


def test_a_stretch_of_time_has_its_start_and_not_its_end() -> None:
    index = ClaimIndex()
    first, second = claimant("1", 10), claimant("2", 20)
    index.replace(second)
    index.replace(first)
    assert index.between("prod", 10, 20) == [first]
    assert index.between("prod", 11, 21) == [second]
    assert index.between("prod", 21, None) == []
    assert index.between("prod", 0, None) == [first, second]


def test_a_claim_that_changed_is_filed_anew_and_one_that_ended_is_gone() -> None:
    index, one = ClaimIndex(), claimant("1", 10)
    index.replace(one)
    assert not index.replace(one)
    one.claim = Claim("prod", 10, "D1", None, bounded=False)
    assert index.replace(one)
    assert index.between("prod", 0, None) == []
    assert index.naming("prod", "D1") == [one]
    one.claim = Claim("prod", 10, None, SHA, bounded=False)
    index.replace(one)
    assert index.naming("prod", "D1") == []
    assert index.naming_sha("prod", SHA) == [one]
    one.claim = None
    assert index.replace(one)
    assert index.naming_sha("prod", SHA) == []


def test_of_two_at_the_same_time_only_the_one_meant_is_taken_out() -> None:
    index = ClaimIndex()
    first, second = claimant("1", 10), claimant("2", 10)
    index.replace(first)
    index.replace(second)
    second.claim = None
    index.replace(second)
    assert index.between("prod", 10, 11) == [first]
