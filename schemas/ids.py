"""Schema ids without a registry: pinned in `schemas/avro/ids.json`, by subject and version.

They begin far above the numbers that a registry hands out from 1, so a message of an installation with a registry is
never read with the wrong schema here: it is an unknown one.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from schemas.codec.codec import Decoder, Encoder, load_schema, schema_versions
from schemas.topics import topic_of


@cache
def pinned_ids() -> Mapping[str, Mapping[int, int]]:
    """Return the pinned ids: subject to version to id."""
    source = json.loads((files("schemas") / "avro" / "ids.json").read_text("utf-8"))
    return MappingProxyType(
        {
            subject: MappingProxyType({int(version): schema_id for version, schema_id in versions.items()})
            for subject, versions in source.items()
        }
    )


def subject_for(topic: str) -> str:
    """Return the name under which a registry keeps the schemas of a topic's values."""
    return f"{topic}-value"


def pinned_id(record: str, version: int | None = None) -> int:
    """Return the pinned id of a record's schema, its newest version unless one is named."""
    chosen = version or schema_versions(record)[-1]
    return pinned_ids()[subject_for(topic_of(record).name)][chosen]


def pinned_encoder(record: str) -> Encoder[Any]:
    """Return an encoder of the newest version of a record, framed with its pinned id."""
    return Encoder(load_schema(record), pinned_id(record))


def pinned_decoder(record: str) -> Decoder[Any]:
    """Return a decoder into the newest version of a record, from every version with its pinned id."""
    writers = {pinned_id(record, version): load_schema(record, version) for version in schema_versions(record)}
    return Decoder(load_schema(record), writers)
