"""Which partition a key belongs to, as Java's clients, aiokafka and librdkafka's `murmur2` compute it."""

import struct
from functools import lru_cache
from typing import Final

_MULTIPLIER: Final = 0x5BD1E995
_SEED: Final = 0x9747B28C
_WORD: Final = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """Return the 32-bit MurmurHash2 of `key` with Kafka's seed, as an unsigned number."""
    size = len(key)
    result = (_SEED ^ size) & _WORD
    whole = size & ~3
    for each in struct.unpack_from(f"<{whole >> 2}I", key):
        word = each * _MULTIPLIER & _WORD
        word = (word ^ word >> 24) * _MULTIPLIER & _WORD
        result = result * _MULTIPLIER & _WORD ^ word
    if size > whole:
        result = (result ^ int.from_bytes(key[whole:], "little")) * _MULTIPLIER & _WORD
    result = (result ^ result >> 13) * _MULTIPLIER & _WORD
    return result ^ result >> 15


def murmur2_partition(key: bytes, partitions: int) -> int:
    """Return the partition of `key` in a topic of so many partitions."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


partition_of: Final = lru_cache(maxsize=65_536)(murmur2_partition)
"""The same, remembered: keys that are services come back."""
