"""Batches of inputs alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import _C
from ..data.loader import DataLoader
from .batches import as_tensors

__all__ = ["batches_of_inputs"]


def batches_of_inputs(owner: str, x: Any, batch_size: int) -> Iterator[Any]:
    """Inputs in the form of a batch, of arrays, of a data set or of an iterable of batches."""
    if isinstance(x, (np.ndarray, _C.TensorBase, tuple, dict)):
        yield from DataLoader(x, batch_size)
        return
    if hasattr(x, "__getitem__") and hasattr(x, "__len__") and not isinstance(x, (list, str, bytes)):  # a data set
        x = DataLoader(x, batch_size)
    if not hasattr(x, "__iter__"):
        raise _C.ArgumentError(
            f"{owner}: expected arrays of inputs, a data set or an iterable of batches, found {type(x).__name__}"
        )
    for batch in x:
        # A pair is (inputs, targets), as everywhere.
        yield as_tensors(f"{owner}: inputs", batch[0] if isinstance(batch, (tuple, list)) else batch)
