"""NPY: NumPy's file of one array.

The magic bytes, a version, the length of the header, the header (a Python dictionary of dtype, order and shape, which
is matched here and never evaluated) and the elements
(https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
"""

from __future__ import annotations

import math
import os
import re
from typing import Any, NamedTuple

import numpy as np

from ...errors import DataError
from .elements import NDArray, check_shape, read_elements
from .streams import PIECE, Readable

__all__ = ["read_array", "read_npy"]

MAGIC = b"\x93NUMPY"
MAX_HEADER = 10_000  # NumPy's own bound
DTYPE = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f[248]|f16|c8|c16|c32)")
PAIR = re.compile(
    r"""\s*(['"])(?P<key>\w+)\1\s*:\s*"""
    r"""(?:(['"])(?P<text>[^'"]*)\3|(?P<truth>True|False)|\((?P<sizes>\s*(?:\d{1,20}L?\s*,\s*)*(?:\d{1,20}L?\s*)?)\))\s*(?:,|$)"""
)


class Header(NamedTuple):
    """What an array is made of."""

    dtype: np.dtype[Any]
    fortran_order: bool
    shape: tuple[int, ...]
    length: int  # of all before the elements

    @property
    def size(self) -> int:
        """Bytes of all elements."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npy(path: str | os.PathLike[str], mmap: bool = False) -> NDArray:
    """Read an ``.npy`` file.

    Parameters
    ----------
    path
        The file.
    mmap
        Whether the array stays in the file and is read where it is looked at; it is read-only then, and in the file's
        byte order. The file must not be made shorter while it is in use.

    Returns
    -------
    numpy.ndarray
        Of integers, floating or complex numbers, or booleans; without ``mmap`` in the machine's byte order.

    Raises
    ------
    DataError
        If the file is no ``.npy`` file, is truncated, has more bytes than its header says, holds objects (which would
        be a pickle), texts or structures, or a boolean that is neither 0 nor 1.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> np.save("x.npy", np.arange(6).reshape(2, 3))
    >>> tg.data.readers.read_npy("x.npy")
    array([[0, 1, 2],
           [3, 4, 5]])
    """
    where = os.fspath(path)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if not mmap:
            return read_array(file, size, where)
        header = _read_header(file, where)
        _check_size(header, size, where)
        if header.size == 0:
            return np.empty(header.shape, header.dtype)
        order: Any = "F" if header.fortran_order else "C"
        mapped = np.memmap(file, header.dtype, "r", header.length, header.shape, order)
    _check_truths(mapped, where)
    return mapped


def read_array(stream: Readable, size: int, where: str) -> NDArray:
    """The array in a stream of exactly ``size`` bytes; ``where`` names it in messages."""
    header = _read_header(stream, where)
    _check_size(header, size, where)
    array = read_elements(stream, header.shape[::-1] if header.fortran_order else header.shape, header.dtype, where)
    _check_truths(array, where)
    return array.T if header.fortran_order else array


def _read_header(stream: Readable, where: str) -> Header:
    start = stream.read(8)
    if len(start) < 8 or start[:6] != MAGIC:
        raise DataError(f"{where}: no NPY file: it begins with {start[:6]!r}, expected {MAGIC!r}")
    version = (start[6], start[7])
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise DataError(f"{where}: version {version[0]}.{version[1]} of NPY, expected 1.0, 2.0 or 3.0")
    digits = 2 if version == (1, 0) else 4
    length = int.from_bytes(stream.read(digits), "little")
    if length > MAX_HEADER:
        raise DataError(f"{where}: the header claims {length} bytes, allowed are {MAX_HEADER}")
    text = stream.read(length)
    if len(text) != length:
        raise DataError(f"{where}: truncated: {len(text)} bytes of a header of {length}")
    dtype, fortran_order, shape = _parsed(text.decode("latin1" if version < (3, 0) else "utf-8", "replace"), where)
    return Header(dtype, fortran_order, shape, 8 + digits + length)


def _parsed(text: str, where: str) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    inside = re.fullmatch(r"\s*\{(.*)\}\s*", text, re.DOTALL)
    found: dict[str, re.Match[str]] = {}
    rest = inside[1].strip() if inside else "?"
    while match := PAIR.match(rest):
        if match["key"] in found:
            break
        found[match["key"]] = match
        rest = rest[match.end() :]
    names = set(found)
    if rest.strip() or names != {"descr", "fortran_order", "shape"}:
        left = rest.strip() or ", ".join(sorted(names))
        hint = "; arrays of structures and lists of fields are not read" if "[" in left else ""
        raise DataError(
            f"{where}: the header has {left[:80]!r}, expected a dtype, an order and a shape: "
            f"{{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}}{hint}"
        )
    descr, order, sizes = found["descr"]["text"], found["fortran_order"]["truth"], found["shape"]["sizes"]
    if descr is None or not DTYPE.fullmatch(descr):
        objects = "; objects would be a pickle, and pickles are never read" if str(descr).endswith(("O", "O8")) else ""
        raise DataError(f"{where}: descr is {descr!r}, expected numbers or booleans, such as '<f4'{objects}")
    if order is None or sizes is None:
        raise DataError(f"{where}: fortran_order is not True or False, or shape is no tuple of sizes")
    shape = tuple(int(size.rstrip("L")) for size in re.findall(r"\d+", sizes))
    if re.fullmatch(r"\s*\d+L?\s*", sizes):
        raise DataError(f"{where}: shape is ({sizes}), which is no tuple; expected ({sizes},)")
    try:
        dtype = np.dtype(descr)
    except TypeError:
        raise DataError(f"{where}: descr is {descr!r}, which this machine has not") from None
    check_shape(shape, dtype, where)
    return dtype, order == "True", shape


def _check_size(header: Header, size: int, where: str) -> None:
    """Before memory is taken for what the header claims."""
    there = size - header.length
    if header.size != there:
        what = "truncated" if header.size > there else "bytes follow the array"
        raise DataError(
            f"{where}: {what}: shape {list(header.shape)} of {header.dtype} needs {header.size} bytes of elements, "
            f"found {there}"
        )


def _check_truths(array: NDArray, where: str) -> None:
    """Booleans are bytes 0 and 1; NumPy would take any byte for one and then disagree with itself."""
    if array.dtype != np.bool_ or not array.size:
        return
    flat = array.reshape(-1, order="A").view(np.uint8)
    for start in range(0, flat.size, PIECE):
        largest = int(flat[start : start + PIECE].max())
        if largest > 1:
            raise DataError(f"{where}: a boolean is the byte {largest}, allowed are 0 and 1")
