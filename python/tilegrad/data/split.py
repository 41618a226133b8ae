"""Parts of a data set."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._C import ArgumentError
from .dataset import ArrayDataset
from .shuffle import shuffled

__all__ = ["train_validation_split"]


def train_validation_split(
    *arrays: Any, fraction: float = 0.2, seed: int = 0, stratify: Any = None
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Split arrays at random into a part for training and one for validation.

    Parameters
    ----------
    arrays
        Arrays of equal length.
    fraction
        Of the samples that go into validation, between 0 and 1; rounded, per class with ``stratify``.
    seed
        Of the choice.
    stratify
        A label per sample: each class is split by itself, so that both parts have its share.

    Returns
    -------
    tuple
        ``(training arrays, validation arrays)``, NumPy arrays; samples keep their order.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> (x, y), (x_val, y_val) = tg.data.train_validation_split(np.zeros((10, 3)), np.arange(10), fraction=0.3)
    >>> len(x), len(x_val)
    (7, 3)
    """
    if not isinstance(fraction, (int, float)) or not 0 <= fraction <= 1:
        raise ArgumentError(f"train_validation_split: fraction must be between 0 and 1, found {fraction!r}")
    data = ArrayDataset(*arrays)
    count = len(data)
    labels = np.zeros(count) if stratify is None else np.asarray(stratify)
    if labels.shape != (count,):
        raise ArgumentError(f"train_validation_split: stratify must be [{count}], found {list(labels.shape)}")
    held_out = np.zeros(count, dtype=bool)
    for position, label in enumerate(np.unique(labels)):
        members = np.flatnonzero(labels == label)
        order = shuffled(len(members), seed, position)
        held_out[members[order[: round(fraction * len(members))]]] = True
    return tuple(a[~held_out] for a in data.arrays), tuple(a[held_out] for a in data.arrays)
