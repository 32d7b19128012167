"""The readers and writers of our own schemas, by the compact JSON of the schema.

A build that compiles puts their code here, as `schemas.avro_reader` and `schemas.avro_writer` write it, and compiles it
with the rest (hatch_build.py). Without, there are none: each is made when it is needed.
"""

from typing import Final

from schemas.avro_reader import Reader
from schemas.avro_writer import Writer

READERS: Final[dict[str, Reader]] = {}
WRITERS: Final[dict[str, Writer]] = {}
