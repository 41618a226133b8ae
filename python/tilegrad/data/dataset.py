"""What a DataLoader reads from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .._C import DTypeError, ShapeError
from ..tensor import Tensor
from .readers.npy import read_npy
from .readers.npz import read_npz

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

    @classmethod
    def from_npz(cls, path: str | os.PathLike[str], names: Sequence[str] | None = None) -> ArrayDataset:
        """The arrays of an ``.npz`` file, read into memory.

        Parameters
        ----------
        path
            The file, compressed or not.
        names
            Of the arrays, in the order that samples have them; by default all, in the order of the file.

        Returns
        -------
        ArrayDataset
            Of these arrays.

        Raises
        ------
        DataError
            If the file is damaged or lacks an array: see :func:`readers.read_npz`.
        ArgumentError
            If ``names`` is one text.
        ShapeError
            If the arrays differ in length, one has no axes, or there are none.
        DTypeError
            If an array is of complex numbers.

        Examples
        --------
        >>> import numpy as np, tilegrad as tg
        >>> np.savez("xy.npz", x=np.zeros((5, 2)), y=np.arange(5))
        >>> len(tg.data.ArrayDataset.from_npz("xy.npz", ["x", "y"]))
        5
        """
        return ArrayDataset(*read_npz(path, names).values())

    @classmethod
    def from_npy(cls, *paths: str | os.PathLike[str], mmap: bool = True) -> ArrayDataset:
        """The arrays of ``.npy`` files, which may be larger than memory.

        A loader reads a batch's rows when it makes the batch, in the background if it has a transform. To read a large
        file nearly in order, shuffle through a buffer (``DataLoader(buffer_size=...)``).

        Parameters
        ----------
        paths
            A file for each array, in the order that samples have them.
        mmap
            Whether the arrays stay in the files, read-only; False reads them into memory.

        Returns
        -------
        ArrayDataset
            Of these arrays.

        Raises
        ------
        DataError
            If a file is damaged: see :func:`readers.read_npy`.
        ShapeError
            If the arrays differ in length, one has no axes, or there are none.
        DTypeError
            If an array is of complex numbers.

        Examples
        --------
        >>> import numpy as np, tilegrad as tg
        >>> np.save("x.npy", np.zeros((5, 2), np.float32))
        >>> loader = tg.data.DataLoader(tg.data.ArrayDataset.from_npy("x.npy"), batch_size=2)
        >>> [len(x) for x, in loader]
        [2, 2, 1]
        """
        return ArrayDataset(*[read_npy(path, mmap) for path in paths])

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
