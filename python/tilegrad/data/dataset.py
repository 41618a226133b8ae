"""What a DataLoader reads from."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

from .._C import DTypeError, ShapeError
from ..tensor import Tensor

__all__ = ["ArrayDataset", "Dataset", "as_array"]

NDArray = np.ndarray[Any, Any]


@runtime_checkable
class Dataset(Protocol):
    """Anything with a length whose elements are samples: a tuple (or dict) of arrays or numbers each."""

    def __len__(self) -> int:
        """The number of samples."""

    def __getitem__(self, index: int) -> Any:
        """One sample."""


class ArrayDataset:
    """Arrays of equal length; sample ``i`` is element ``i`` of each.

    Parameters
    ----------
    arrays
        NumPy arrays, tensors, or anything ``numpy.asarray`` understands.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> data = tg.data.ArrayDataset(np.zeros((5, 8, 8, 1), np.float32), np.arange(5))
    >>> len(data), data[3][1]
    (5, np.int64(3))
    """

    arrays: tuple[NDArray, ...]

    def __init__(self, *arrays: Any) -> None:
        self.arrays = tuple(as_array(array, f"array {position}") for position, array in enumerate(arrays))
        check_lengths({f"array {position}": len(array) for position, array in enumerate(self.arrays)})

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        return tuple(array[index] for array in self.arrays)


def as_array(value: Any, name: str) -> NDArray:
    """A NumPy array of numbers or booleans with at least one axis; of a tensor, over the same memory."""
    array = value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise DTypeError(f"{name}: dtype {array.dtype} is not of numbers or booleans")
    if array.ndim == 0:
        raise ShapeError(f"{name}: a single number has no samples")
    return array


def check_lengths(lengths: dict[str, int]) -> None:
    """Raise ShapeError where arrays of one data set differ in length, or there are none."""
    if not lengths:
        raise ShapeError("a data set needs at least one array")
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ShapeError(f"the arrays of a data set must have one length: {found}")
