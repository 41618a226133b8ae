"""Philox 4x32-10 and tilegrad's mapping of its words to elements, written again in NumPy."""

from __future__ import annotations

import numpy as np

MASK = np.uint64(0xFFFFFFFF)
BLOCKS = 16  # in a tile


def blocks(seed: int, stream: int, index: np.ndarray) -> np.ndarray:
    """The four words of each block, [len(index), 4] uint32 in uint64."""
    index = index.astype(np.uint64)
    c = [
        index & MASK,
        index >> np.uint64(32),
        np.full_like(index, stream & 0xFFFFFFFF),
        np.full_like(index, stream >> 32),
    ]
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [
            (p1 >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), p1 & MASK,
            (p0 >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), p0 & MASK,
        ]  # fmt: skip
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, axis=1)


def words(seed: int, stream: int, count: int) -> np.ndarray:
    """The word of each of ``count`` elements: word w of block j of a tile is its element 16 w + j."""
    tiles = -(-count // (4 * BLOCKS))
    drawn = blocks(seed, stream, np.arange(tiles * BLOCKS)).reshape(tiles, BLOCKS, 4)
    return drawn.transpose(0, 2, 1).reshape(-1)[:count]


def uniform32(seed: int, stream: int, count: int) -> np.ndarray:
    return ((words(seed, stream, count) >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)).astype(np.float32)


def uniform64(seed: int, stream: int, count: int) -> np.ndarray:
    whole = -(-count // 32) * 64
    pairs = words(seed, stream, whole).reshape(-1, 2, BLOCKS)  # high words, low words
    high, low = pairs[:, 0].reshape(-1) >> np.uint64(5), pairs[:, 1].reshape(-1) >> np.uint64(6)
    return ((high.astype(np.float64) * 2.0**26 + low.astype(np.float64)) * 2.0**-53)[:count]


def uniform(seed: int, stream: int, count: int, dtype: str) -> np.ndarray:
    return uniform32(seed, stream, count) if dtype == "float32" else uniform64(seed, stream, count)


def keep_mask(seed: int, stream: int, count: int, p: float) -> np.ndarray:
    """Which elements dropout keeps."""
    return words(seed, stream, count) < np.uint64(round((1 - p) * 2**32))
