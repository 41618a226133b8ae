"""Parts of a data set: for training, validation and testing, and for cross-validation."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .._C import ArgumentError
from .dataset import ArrayDataset, NDArray
from .shuffle import shuffled

__all__ = ["Subset", "k_fold", "split_indices", "train_validation_split", "train_validation_test_split"]


class Subset:
    """Some samples of a data set.

    Parameters
    ----------
    dataset
        Anything with a length whose elements are samples.
    indices
        Whole numbers [n]: sample ``i`` is sample ``indices[i]`` of the data set.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> digits = tg.data.ArrayDataset(np.arange(10), np.arange(10) % 2)
    >>> train, test = (tg.data.Subset(digits, part) for part in tg.data.split_indices(10, (0.8, 0.2)))
    >>> len(train), len(test)
    (8, 2)
    """

    def __init__(self, dataset: Any, indices: Any) -> None:
        self.dataset, self.indices = dataset, np.asarray(indices)
        if self.indices.ndim != 1 or (len(self.indices) and self.indices.dtype.kind not in "iu"):
            raise ArgumentError(
                f"Subset: indices must be whole numbers [n], found {self.indices.dtype} {list(self.indices.shape)}"
            )
        wrong = (self.indices < 0) | (self.indices >= len(dataset))
        if wrong.any():
            row = int(wrong.argmax())
            raise IndexError(f"Subset: indices[{row}] is {self.indices[row]}, expected 0 to {len(dataset) - 1}")

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[index])]


def split_indices(count: int, fractions: Sequence[float], seed: int = 0, stratify: Any = None) -> list[NDArray]:
    """Divide the numbers from 0 to ``count`` - 1 at random.

    Parameters
    ----------
    count
        How many samples there are.
    fractions
        The share of each part; together 1.
    seed
        Of the choice.
    stratify
        A label [count] per sample: each class is divided by itself, so that all parts have its share.

    Returns
    -------
    list of numpy.ndarray
        int64, ascending; every sample is in one part. Sizes are rounded, per class with ``stratify``.

    Raises
    ------
    ArgumentError
        If fractions are negative or do not add up to 1, or there is not a label for each sample.

    Examples
    --------
    >>> import tilegrad as tg
    >>> [len(part) for part in tg.data.split_indices(1000, (0.8, 0.1, 0.1), seed=3)]
    [800, 100, 100]
    """
    shares = np.asarray(fractions, dtype=np.float64)
    if shares.ndim != 1 or not (shares >= 0).all() or abs(shares.sum() - 1) > 1e-9:
        raise ArgumentError(f"split_indices: fractions must not be negative and add up to 1, found {fractions!r}")
    return _divided("split_indices", count, shares, seed, stratify)


def _divided(owner: str, count: int, shares: NDArray, seed: int, stratify: Any) -> list[NDArray]:
    labels = _labels(owner, count, stratify)
    part_of = np.empty(count, np.int64)
    for position, label in enumerate(np.unique(labels)):
        members = np.flatnonzero(labels == label)
        order = members[shuffled(len(members), seed, position)]
        # The last part takes the first samples of the order, and so on, so that the training part takes what is left.
        ends = [round(float(end) * len(members)) for end in np.cumsum(shares[::-1])]
        ends[-1] = len(members)
        for part, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
            part_of[order[start:end]] = len(shares) - 1 - part
    return [np.flatnonzero(part_of == part) for part in range(len(shares))]


def _labels(owner: str, count: int, stratify: Any) -> NDArray:
    labels = np.zeros(count) if stratify is None else np.asarray(stratify)
    if labels.shape != (count,):
        raise ArgumentError(f"{owner}: stratify must be [{count}], found {list(labels.shape)}")
    return labels


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
    owner = "train_validation_split"
    if not isinstance(fraction, (int, float)) or not 0 <= fraction <= 1:
        raise ArgumentError(f"{owner}: fraction must be between 0 and 1, found {fraction!r}")
    data = ArrayDataset(*arrays)
    parts = _divided(owner, len(data), np.array([1 - fraction, fraction]), seed, stratify)
    return tuple(a[parts[0]] for a in data.arrays), tuple(a[parts[1]] for a in data.arrays)


def train_validation_test_split(
    *arrays: Any, validation: float = 0.1, test: float = 0.1, seed: int = 0, stratify: Any = None
) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]:
    """Split arrays at random into parts for training, validation and testing.

    Parameters
    ----------
    arrays
        Arrays of equal length.
    validation, test
        The shares of the two parts; rounded, per class with ``stratify``.
    seed, stratify
        As for :func:`train_validation_split`.

    Returns
    -------
    tuple
        ``(training arrays, validation arrays, test arrays)``; samples keep their order.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> (x,), (x_val,), (x_test,) = tg.data.train_validation_test_split(np.arange(50))
    >>> len(x), len(x_val), len(x_test)
    (40, 5, 5)
    """
    owner = "train_validation_test_split"
    for name, share in (("validation", validation), ("test", test)):
        if not isinstance(share, (int, float)) or not 0 <= share <= 1:
            raise ArgumentError(f"{owner}: {name} must be between 0 and 1, found {share!r}")
    if validation + test > 1:
        raise ArgumentError(f"{owner}: validation and test are {validation} and {test}, together more than 1")
    data = ArrayDataset(*arrays)
    shares = np.array([1 - validation - test, validation, test])
    training, validating, testing = _divided(owner, len(data), shares, seed, stratify)
    return (
        tuple(a[training] for a in data.arrays),
        tuple(a[validating] for a in data.arrays),
        tuple(a[testing] for a in data.arrays),
    )


def k_fold(
    count: int, k: int = 5, seed: int = 0, shuffle: bool = True, stratify: Any = None
) -> Iterator[tuple[NDArray, NDArray]]:
    """The parts of k-fold cross-validation: each sample is in the validation part once.

    Parameters
    ----------
    count
        How many samples there are.
    k
        How many parts, at least 2.
    seed
        Of the order, with ``shuffle``.
    shuffle
        Whether samples are put into parts at random; otherwise those that follow one another are in one part, or, with
        ``stratify``, those of their class.
    stratify
        A label [count] per sample: each class is spread evenly over the parts.

    Yields
    ------
    tuple of numpy.ndarray
        The numbers of the samples for training and for validation, int64, ascending. Parts differ by at most one
        sample.

    Raises
    ------
    ArgumentError
        If there are fewer samples, or samples of a class, than parts.

    Examples
    --------
    >>> import tilegrad as tg
    >>> for train, validation in tg.data.k_fold(6, 3, shuffle=False):
    ...     print(train, validation)
    [2 3 4 5] [0 1]
    [0 1 4 5] [2 3]
    [0 1 2 3] [4 5]
    """
    try:
        parts = operator.index(k)
    except TypeError:
        parts = 0
    if not 2 <= parts <= count:
        raise ArgumentError(f"k_fold: k must be an integer from 2 to the {count} samples, found {k!r}")
    labels = _labels("k_fold", count, stratify)
    part_of = np.empty(count, np.int64)
    dealt = 0
    for position, label in enumerate(np.unique(labels)):
        members = np.flatnonzero(labels == label)
        if len(members) < parts:
            raise ArgumentError(
                f"k_fold: class {label} has {len(members)} samples, fewer than the {parts} parts; take fewer parts, or "
                "leave out stratify"
            )
        if shuffle:
            members = members[shuffled(len(members), seed, position)]
        # As cards are dealt: the class goes on where the one before ended, so that parts differ by one sample at most.
        shares = np.bincount((dealt + np.arange(len(members))) % parts, minlength=parts)
        part_of[members] = np.repeat(np.arange(parts), shares)
        dealt += len(members)
    return ((np.flatnonzero(part_of != part), np.flatnonzero(part_of == part)) for part in range(parts))
