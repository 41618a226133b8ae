"""The elements of an array, from a stream into memory that is taken once it is known that they can be there."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from ...errors import DataError
from .streams import Readable, fill

__all__ = ["NDArray", "check_shape", "read_elements"]

NDArray = np.ndarray[Any, Any]

MAX_RANK = 32


def check_shape(shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> None:
    """Raises DataError for a shape that no array can have."""
    # NumPy multiplies the sizes that are not 0, so those alone must fit.
    if len(shape) > MAX_RANK or math.prod(size for size in shape if size) * dtype.itemsize > sys.maxsize:
        raise DataError(f"{where}: shape {list(shape)} has more axes or elements than an array can have")


def read_elements(stream: Readable, shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> NDArray:
    """An array of all that is left in a stream, in the machine's byte order.

    Raises
    ------
    DataError
        If the stream has fewer bytes, or more.
    """
    check_shape(shape, dtype, where)
    array: NDArray = np.empty(shape, dtype)
    found = fill(stream, array.reshape(-1).view(np.uint8).data) if array.size else 0
    if found != array.nbytes:
        raise DataError(
            f"{where}: truncated: {found} bytes of elements, the header's {list(shape)} needs {array.nbytes}"
        )
    if stream.read(1):
        raise DataError(f"{where}: more bytes follow the {array.nbytes} that the header's {list(shape)} needs")
    return array if dtype.isnative else array.byteswap(inplace=True).view(dtype.newbyteorder("="))
