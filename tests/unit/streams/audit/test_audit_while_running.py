"""The system goes on while it is audited: that alone is never a difference, and hides none."""

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from streams.audit.published_outputs import DeadLetters, PublishedOutputs
from tests.unit.streams.audit.cases import PARTITIONS, Ends, Log, change, differences, home, published, record, story

LOG: Log = story()

ends = st.tuples(*(st.integers(0, LOG.ends[partition]) for partition in range(PARTITIONS)))


@cache
def at(cut: tuple[int, ...]) -> PublishedOutputs:
    return published(LOG, dict(enumerate(cut)))


@st.composite
def live(draw: st.DrawFn) -> tuple[Ends, PublishedOutputs]:
    """Audited ends, and outputs in which each record is as of some later moment, its own: batches come piecemeal."""
    audited = draw(ends)
    latest = at(tuple(LOG.ends.values()))
    records = []
    for kind, held in enumerate(latest.records):
        found = {}
        for key in held:
            cut = tuple(draw(st.integers(audited[one], LOG.ends[one])) for one in range(PARTITIONS))
            if key in at(cut).records[kind]:
                found[key] = at(cut).records[kind][key]
        records.append(found)
    letters = [
        letter
        for letter in latest.dead.records
        for _ in range(draw(st.integers(int(letter["offset"] < audited[letter["partition"]]), 2)))
    ]
    outputs = PublishedOutputs(tuple(records), latest.partitions, DeadLetters(letters, [], gone=False))
    return dict(enumerate(audited)), outputs


@given(live())
def test_going_on_is_no_difference(moment: tuple[Ends, PublishedOutputs]) -> None:
    audited, outputs = moment
    assert differences(LOG, outputs, audited) == []


@given(live(), st.data())
def test_what_is_wrong_is_found_whatever_goes_on(moment: tuple[Ends, PublishedOutputs], data: st.DataObject) -> None:
    """A field of the newest version, beyond the audited ends or not."""
    audited, outputs = moment
    incidents = sorted(outputs.records[1])
    if incidents:
        key = data.draw(st.sampled_from(incidents)).decode()
        value = record(outputs, "incidents", key)
        changed = change(outputs, "incidents", key, {**value, "revisions": value["revisions"] + 1})
        [found] = differences(LOG, changed, audited)
        assert (found.key, [field.path for field in found.fields]) == (key, ["revisions"])


def test_a_newer_record_that_names_the_wrong_message() -> None:
    """The incident changed at the message before: the log beyond the ends shows that too."""
    shop = home("shop")
    outputs = at(tuple(LOG.ends.values()))
    value = record(outputs, "incidents", "shop/i1")
    wrong = {**value, "as_of": {**value["as_of"], "offset": value["as_of"]["offset"] + 1}}
    [found] = differences(LOG, change(outputs, "incidents", "shop/i1", wrong), {**LOG.ends, shop: 5})
    assert [(one.path, one.published) for one in found.fields] == [("as_of.offset", value["as_of"]["offset"] + 1)]


def test_a_record_that_the_log_beyond_the_ends_does_not_make() -> None:
    outputs = at(tuple(LOG.ends.values()))
    value = {**record(outputs, "deployments", "shop/prod/D2"), "deployment_id": "D7"}
    [found] = differences(LOG, change(outputs, "deployments", "shop/prod/D7", value), {**LOG.ends, home("shop"): 5})
    assert (found.key, found.problem) == ("shop/prod/D7", "extra")
