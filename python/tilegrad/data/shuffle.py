"""The order of an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..random import Generator, permutation

__all__ = ["shuffled"]


def shuffled(count: int, seed: int, epoch: int) -> np.ndarray[Any, Any]:
    """A permutation of ``range(count)`` that depends on the arguments alone."""
    order: np.ndarray[Any, Any] = permutation(count, Generator(seed, stream=epoch)).numpy()
    return order
