"""IDX: the format of the MNIST files, plain or compressed by gzip.

Two zero bytes, the code of the element type, the number of axes, each axis's size as 4 bytes, the elements row-major;
everything big-endian (http://yann.lecun.com/exdb/mnist/).
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from ..errors import DataError
from .readers.elements import read_elements
from .readers.gzip import MAX_RATIO, open_gzip
from .readers.streams import Readable

__all__ = ["read_idx"]

DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str | os.PathLike[str], shape: tuple[int | None, ...] | None = None) -> np.ndarray[Any, Any]:
    """Read an IDX file.

    Parameters
    ----------
    path
        A plain or gzip-compressed file.
    shape
        The sizes that the array must have, None for any.

    Returns
    -------
    numpy.ndarray
        In the machine's byte order.

    Raises
    ------
    DataError
        If the file is no IDX file, is damaged, has fewer or more bytes than its header says, or another shape. What
        the header claims is compared with the file's size before any memory is taken for it.

    Examples
    --------
    >>> import os, tempfile, tilegrad as tg
    >>> path = os.path.join(tempfile.mkdtemp(), "labels")
    >>> with open(path, "wb") as file:
    ...     _ = file.write(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    >>> tg.data.read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    where = os.fspath(path)
    with open(path, "rb") as raw:
        size = os.fstat(raw.fileno()).st_size
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        array = None if compressed else _read(raw, where, size)
    if array is None:
        with open_gzip(path) as file:
            array = _read(file, where, size * MAX_RATIO)
    if shape is not None and not _fits(array.shape, shape):
        raise DataError(
            f"{path}: found shape {list(array.shape)}, expected {['any' if n is None else n for n in shape]}"
        )
    return array


def _read(file: Readable, path: str, most: int) -> np.ndarray[Any, Any]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise DataError(f"{path}: not an IDX file: it begins with {magic!r}, expected two zero bytes and two codes")
    code, ndim = magic[2], magic[3]
    if code not in DTYPES:
        known = ", ".join(f"0x{known:02x}" for known in DTYPES)
        raise DataError(f"{path}: element type 0x{code:02x} is none of IDX's: {known}")
    dtype = np.dtype(DTYPES[code])
    header = file.read(4 * ndim)
    if len(header) != 4 * ndim:
        raise DataError(f"{path}: truncated: the header has {4 + len(header)} bytes, {ndim} axes need {4 + 4 * ndim}")
    shape = tuple(int.from_bytes(header[4 * axis : 4 * axis + 4], "big") for axis in range(ndim))
    wanted = math.prod(shape) * dtype.itemsize
    if ndim > 8 or wanted > most:
        raise DataError(
            f"{path}: truncated, or not what it says: the header claims {list(shape)} elements in {wanted} bytes, "
            f"the file holds at most {most}"
        )
    return read_elements(file, shape, dtype, path)


def _fits(found: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(found) == len(expected) and all(e is None or f == e for f, e in zip(found, expected, strict=True))
