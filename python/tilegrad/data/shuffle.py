"""The order of an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["shuffled"]


def shuffled(count: int, seed: int, epoch: int) -> np.ndarray[Any, Any]:
    """A permutation of ``range(count)`` that depends on the arguments alone."""
    key = np.array([seed, epoch], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key)).permutation(count)
