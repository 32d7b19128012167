"""Where the contract's data lies, and which class stands for which record: what the contract tests have in common."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from typing_extensions import override

import schemas
from schemas import events, records, values
from schemas.models import Record

ROOT: Final = Path(schemas.__file__).parent

MODELS: Final[Mapping[str, type[Record[Any]]]] = {
    "deploy_event": events.DeployEvent,
    "deployment": records.DeploymentRecord,
    "incident": records.IncidentRecord,
    "change": records.ChangeRecord,
    "delivery_metrics": records.DeliveryMetrics,
    "dead_letter": records.DeadLetter,
}

VALUES: Final[Mapping[str, type]] = {
    "deploy_event": values.EventValue,
    "deployment": values.DeploymentValue,
    "incident": values.IncidentRecordValue,
    "change": values.ChangeValue,
    "delivery_metrics": values.MetricsValue,
    "dead_letter": values.DeadLetterValue,
}


class Golden(NamedTuple):
    """One golden message: its JSON and its exact bytes."""

    record: str
    version: int
    name: str

    @property
    def json_text(self) -> str:
        return (self._folder / f"{self.name}.json").read_text("utf-8")

    @property
    def message(self) -> bytes:
        return bytes.fromhex((self._folder / f"{self.name}.hex").read_text("ascii"))

    @property
    def _folder(self) -> Path:
        return ROOT / "examples" / self.record / str(self.version)

    @override
    def __str__(self) -> str:
        return f"{self.record}/{self.version}/{self.name}"


def goldens() -> list[Golden]:
    """Return all golden messages that have their JSON."""
    paths = sorted((ROOT / "examples").glob("*/*/*.json"))
    return [Golden(path.parts[-3], int(path.parts[-2]), path.stem) for path in paths]


def schema_files() -> list[Path]:
    return sorted((ROOT / "avro").glob("*.avsc"))


def source_of(record: str) -> Any:
    """Return the newest schema of a record as its file has it, logical types and all."""
    newest = max(
        (path for path in schema_files() if path.name.startswith(f"{record}.v")),
        key=lambda path: int(path.name.split(".")[1].removeprefix("v")),
    )
    return json.loads(newest.read_text("utf-8"))


def fields_of(schema: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every field of a schema with its dotted path, types that are defined on the way included once."""
    if isinstance(schema, list):
        for branch in schema:
            yield from fields_of(branch, path)
    elif isinstance(schema, dict):
        for field in schema.get("fields", ()):
            place = f"{path}.{field['name']}".removeprefix(".")
            yield place, field
            yield from fields_of(field["type"], place)
        yield from fields_of(schema.get("items", schema.get("values")), path)
