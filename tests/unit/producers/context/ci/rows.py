"""A conformance table: the variables of a job, the event file, and what is read from them."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, NamedTuple

from producers.context.ci.detect import read_job
from producers.context.ci.job import CiJob, JobValue

HEAD: Final = "1" * 40
MERGE: Final = "2" * 40
BASE: Final = "3" * 40
LONG: Final = "ab" * 32
ZEROS: Final = "0" * 40


class Row(NamedTuple):
    """One job. `said` holds the fields that must be read, `silent` those that must not."""

    name: str
    environ: Mapping[str, str]
    said: Mapping[str, Any]
    silent: tuple[str, ...] = ()
    event: Any = None
    ignored: tuple[str, ...] = ()
    """Variables that must be named as not used."""


def check(row: Row, always: Mapping[str, str]) -> None:
    """Raise AssertionError where the job is read otherwise."""
    job = read_job({**always, **row.environ}, row.event)
    values = {field.name: _plain(getattr(job, field.name)) for field in fields(CiJob)}
    assert {name: values[name] for name in row.said} == row.said
    assert [name for name in row.silent if values[name] is not None] == []
    assert [name for name in row.ignored if not any(text.startswith(name) for text in job.ignored)] == []
    assert bool(job.ignored) == bool(row.ignored), job.ignored


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, JobValue) else value


def hostile(variables: Mapping[str, str]) -> list[Row]:
    """Rows in which each of these variables (name to field) says something that must not be believed."""
    bad = {
        "a newline": "x\n::set-env name=PATH::y",
        "an escape": "\x1b[31mred",
        "ten thousand characters": "a" * 10_000,
        "half a character": "\udcff",
        "a placeholder": "$(Some.Variable)",
    }
    return [
        Row(f"{variable} with {what}", {variable: text}, {}, (field,), ignored=(variable,))
        for what, text in bad.items()
        for variable, field in variables.items()
    ]
