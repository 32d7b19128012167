"""Fix faults of faust-streaming 0.15.3: every class here overrides methods of exactly that version.

| | Fault of Faust | fixed in |
|---|---|---|
| H1 | a revocation forgets acknowledged messages before committing them | `consumer.on_partitions_revoked` |
| H2 | after a recovery, messages flow before the position is reset to the committed one | `recovery` |
| H3 | a flush gives up after 100 ms, so offsets are committed before the changelog is written | `producer` |
| H4 | commits skip an unacknowledged message at the head of a partition | `offset_ledger` |

and what reading whole batches requires: offsets are committed contiguously, never past an unprocessed batch. Besides,
`headers` reads messages that aiokafka cannot, and messages of aborted transactions are not read.
"""

from streams.settings.types import BatchBounds
from streams.worker.faust_patches.app import FaustReplacements, HardenedApp
from streams.worker.faust_patches.consumer import MessageBatch, abandon, settle
from streams.worker.faust_patches.version import FAUST_VERSION, WrongFaustError, check_faust_version

__all__ = [
    "FAUST_VERSION",
    "BatchBounds",
    "FaustReplacements",
    "HardenedApp",
    "MessageBatch",
    "WrongFaustError",
    "abandon",
    "check_faust_version",
    "settle",
]
