from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from producers.cli import build_parser
from producers.errors import UsageError
from producers.events.assignments import assignments
from producers.events.event_builder import Assignment
from producers.events.flags import all_flags
from schemas.codec.codec import load_schema

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)


def _assign(*argv: str, environ: dict[str, str] | None = None) -> dict[str, Assignment]:
    arguments = ["emit", "commit_created", *argv]
    given = build_parser(arguments).parse_args(arguments)
    found = assignments(
        "commit_created",
        vars(given),
        sets=given.sets,
        attributes=given.attributes,
        environ=environ or {},
        now=NOW,
    )
    return {entry.path: entry for entry in found}


def test_a_flag_sets_its_field() -> None:
    assert _assign("--merge-sha", "abc")["commit.merge_sha"] == Assignment("commit.merge_sha", "abc", "--merge-sha")


def test_a_repeatable_flag_collects_its_entries() -> None:
    assert _assign("--included-sha", "a", "--included-sha", "b")["canary.included_shas"].value == ["a", "b"]


@pytest.mark.parametrize(
    ("argv", "path", "value"),
    [
        (["--weight", "20"], "canary.weight", 20),
        (["--mutation", "0.8"], "tests.mutation", 0.8),
        (["--migration", "yes"], "commit.migration", True),
        (["--migration", "no"], "commit.migration", False),
        (["--set", "canary.weight=20"], "canary.weight", 20),
        (["--set", "tests.suites=[{}]"], "tests.suites", [{}]),
        (["--set", 'policy={"engine": "opa"}'], "policy", {"engine": "opa"}),
        (["--set", "commit.parents=a"], "commit.parents", ["a"]),
        (["--set", 'commit.parents=["a","b"]'], "commit.parents", ["a", "b"]),
        (["--set", "policy.engine=word"], "policy.engine", "word"),
        (["--set", "tests.kind=a=b"], "tests.kind", "a=b"),
        (["--set", f"commit_sha={'1' * 40}"], "commit_sha", "1" * 40),
        (["--set", "attributes.version=1.10"], "attributes.version", "1.10"),
        (["--attribute", "helm.chart=shop=2"], "attributes.helm.chart", "shop=2"),
    ],
)
def test_values_are_of_the_kind_that_the_field_wants(argv: list[str], path: str, value: object) -> None:
    assert _assign(*argv)[path].value == value


@pytest.mark.parametrize(
    "argv",
    [
        ["--weight", "a fifth"],
        ["--mutation", "high"],
        ["--migration", "perhaps"],
        ["--set", "commit.author"],
        ["--set", "=x"],
        ["--set", "commit..author=x"],
        ["--attribute", "x"],
        ["--attribute", "=x"],
        ["--title", "\udc80"],
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_its_flag(argv: list[str]) -> None:
    with pytest.raises(UsageError, match=argv[0]):
        _assign(*argv)


def test_the_environment_fills_what_no_flag_sets() -> None:
    environ = {"CANDORA_SERVICE": "shop", "CANDORA_ENV": "prod", "CANDORA_SHA": " ", "CANDORA_ATTEMPT": "2"}

    found = _assign("--env", "dev", environ=environ)

    assert found["service"] == Assignment("service", "shop", "environment CANDORA_SERVICE")
    assert found["env"] == Assignment("env", "dev", "--env")
    assert found["source.attempt"].value == 2
    assert "commit_sha" not in found


def test_a_record_set_whole_is_not_mixed_with_the_environment() -> None:
    found = _assign("--set", 'source={"system": "jenkins"}', environ={"CANDORA_RUN_ID": "7"})

    assert found["source"].value == {"system": "jenkins"}
    assert not any(path.startswith("source.") for path in found)


def test_an_event_happens_now_unless_said_otherwise() -> None:
    assert _assign()["occurred_at"] == Assignment("occurred_at", NOW.isoformat(), "default: now")
    assert _assign("--occurred-at", "2026-01-01T00:00:00Z")["occurred_at"].origin == "--occurred-at"


def test_a_run_without_a_system_is_reported_by_this_command() -> None:
    assert _assign("--run-id", "7")["source.system"] == Assignment("source.system", "candora-ci", "default")
    assert "source.system" not in _assign()


def _fields(schema: Any, path: str = "") -> Iterator[str]:
    """The paths of all fields of an Avro record, down to those that are no records."""
    for field in schema["fields"]:
        branches = field["type"] if isinstance(field["type"], list) else [field["type"]]
        records = [branch for branch in branches if isinstance(branch, dict) and branch.get("type") == "record"]
        if records:
            yield from _fields(records[0], f"{path}{field['name']}.")
        else:
            yield f"{path}{field['name']}"


def test_every_field_of_the_contract_has_a_flag_or_is_told_to_be_set_by_its_path() -> None:
    by_path = {"event_type", "attributes", "tests.suites", "tests.coverage", "policy.rules", "canary.analysis"}

    assert {flag.path for flag in all_flags()} == set(_fields(load_schema("deploy_event").parsed)) - by_path
