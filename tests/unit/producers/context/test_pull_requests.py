import pytest

from producers.context.pull_requests import TrialMerge, request_of, trial_merge

A, B = "a" * 40, "b" * 40


@pytest.mark.parametrize(
    ("message", "request_id"),
    [
        ("Merge pull request #12 from acme/tea", "acme/shop#12"),
        ("Merge pull request #12 in SHOP/shop from tea to main\n\n* commit", "acme/shop#12"),
        ("Add tea (#12)\n\nbody", "acme/shop#12"),
        ("Revert (#9) (#12)", "acme/shop#12"),
        ("Merged PR 12: Add tea", "acme/shop#12"),
        ("Merged in tea (pull request #12)\n\nAdd tea", "acme/shop#12"),
        ("Merge pull request 12 from tea into main", "acme/shop#12"),
        ("Merge branch 'tea' into 'main'\n\nAdd\n\nSee merge request acme/web/shop!12", "acme/web/shop!12"),
        ("Merge branch 'tea'\n\nSee merge request !12", "acme/shop!12"),
        ("Fix #12", None),
        ("Add tea (#12) for two", None),
        ("Add tea\n\n(#12)", None),
        ("See merge request ;rm -rf!12", None),
        (f"Add tea (#{'9' * 13})", None),
        ("", None),
    ],
)
def test_a_message_names_the_request_that_it_brought_in(message: str, request_id: str | None) -> None:
    assert request_of(message, "acme/shop") == request_id


def test_without_a_repository_only_a_whole_name_is_one() -> None:
    assert request_of("Add tea (#12)", None) is None
    assert request_of("x\n\nSee merge request acme/shop!12", None) == "acme/shop!12"


@pytest.mark.parametrize(
    ("message", "parents", "sides"),
    [
        (f"Merge {A} into {B}", (B, A), TrialMerge(base=B, head=A)),
        (f"Merge commit '{B}' into HEAD", (A, B), TrialMerge(base=B, head=A)),
        (f"Merge {A} into {B}", (B,), None),
        (f"Merge {A} into {B}", (B, "c" * 40), None),
        (f"Merge commit '{'c' * 40}' into HEAD", (A, B), None),
        ("Merge branch 'main' into tea", (A, B), None),
    ],
)
def test_a_merge_for_a_trial_is_known_by_its_message_and_its_parents(
    message: str, parents: tuple[str, ...], sides: TrialMerge | None
) -> None:
    assert trial_merge(message, parents) == sides
