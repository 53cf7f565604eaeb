"""Random streams: one for each mechanism and block of customers, so that no mechanism disturbs another.

A stream depends on the seed, the mechanism's name and the block's number, and on nothing else: not on the order in
which mechanisms run, nor on how many customers the bank has.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np


def stream_key(name: str) -> int:
    """Return a number for a mechanism's name that is the same on every machine and in every process."""
    return zlib.crc32(name.encode())


@dataclass(frozen=True)
class Streams:
    """The random streams of one block of customers."""

    seed: int
    block: int

    def __call__(self, name: str) -> np.random.Generator:
        """Start the stream of the mechanism `name` in this block."""
        return np.random.default_rng(np.random.SeedSequence((self.seed, self.block, stream_key(name))))

    def common(self, name: str) -> np.random.Generator:
        """Start a stream for what concerns the whole bank; it is the same in every block."""
        return np.random.default_rng(np.random.SeedSequence((self.seed, stream_key(name))))
