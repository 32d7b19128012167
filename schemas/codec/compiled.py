"""The readers and writers of our own schemas, by the compact JSON of the schema.

A compiled build puts the code here that `schemas.codec.reader` and `schemas.codec.writer` write, and compiles it
with the rest (hatch_build.py). Without, there are none: each is made when it is needed.
"""

from typing import Final

from schemas.codec.reader import Reader
from schemas.codec.writer import Writer

READERS: Final[dict[str, Reader]] = {}
WRITERS: Final[dict[str, Writer]] = {}
