"""Correct what faust-streaming 0.15.3 gets wrong: every class here overrides methods of exactly that version.

| | Faust, as it is | mended in |
|---|---|---|
| H1 | a revoke forgets what was acknowledged before it commits it | `consumer.on_partitions_revoked` |
| H2 | after a recovery, messages flow before the position is set back to the committed one | `recovery` |
| H3 | a flush gives up after 100 ms, so offsets are committed before the changelog is written | `producer` |
| H4 | one unacknowledged message at the head of a partition is committed over | `offset_ledger` |

and what follows from reading whole batches: an offset is committed along a chain of batches, never past a hole in it.
Besides, `headers` reads messages that aiokafka cannot, and what a transaction took back is not read.
"""

from streams.settings.types import BatchBounds
from streams.worker.faust_patches.app import FaustReplacements, HardenedApp
from streams.worker.faust_patches.consumer import MessageBatch, leave, settle
from streams.worker.faust_patches.version import FAUST_VERSION, WrongFaustError, check_faust_version

__all__ = [
    "FAUST_VERSION",
    "BatchBounds",
    "FaustReplacements",
    "HardenedApp",
    "MessageBatch",
    "WrongFaustError",
    "check_faust_version",
    "leave",
    "settle",
]
