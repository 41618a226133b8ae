"""The safetensors format, straight between files and tensors' memory.

A file is the length of the header (8 bytes, little-endian), the header (a JSON object that gives each tensor's dtype,
shape and place, and texts under ``__metadata__``), and the tensors' bytes without gaps. The package safetensors reads
into NumPy, which has no bfloat16, and its raw interface changes from release to release; the tests check each against
the other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from .. import _C, ops
from ..errors import CheckpointError
from ..tensor import Tensor
from .safetensors_header import MAX_HEADER, NAMES, Place, parse

__all__ = ["layout", "read", "read_texts"]


def layout(
    tensors: Mapping[str, Tensor | np.ndarray[Any, Any]], metadata: Mapping[str, str]
) -> Iterator[bytes | memoryview]:
    """The file's content in pieces: the same tensors (or NumPy arrays) and texts give the same bytes."""
    # The widest elements first, so that every tensor is aligned to its own.
    order = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, tensors[name].dtype.name, name))
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for name in order:
        tensor = tensors[name]
        size = tensor.size * tensor.dtype.itemsize
        header[name] = {
            "dtype": NAMES[tensor.dtype.name],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER:
        raise _C.ArgumentError(f"save: names, shapes and texts take {len(text)} bytes, the format allows {MAX_HEADER}")
    yield len(text).to_bytes(8, "little") + text
    for name in order:
        yield as_bytes(tensors[name])


def as_bytes(tensor: Tensor | np.ndarray[Any, Any]) -> memoryview:
    """The tensor's elements, row-major."""
    if isinstance(tensor, np.ndarray):
        return np.asarray(tensor, order="C").reshape(-1).view(np.uint8).data
    return _C.as_bytes(_C.contiguous(tensor.detach().cpu())).numpy().data


def read(source: str | os.PathLike[str] | BinaryIO) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors and texts of a file, given by its path or open for reading; what is read is the rest of it.

    Raises
    ------
    CheckpointError
        If the file is not whole or not of this format; checked before memory is taken for what it claims to hold.
    """
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            return _read(file, name_of(source))
    return _read(source, name_of(source))


def name_of(source: str | os.PathLike[str] | BinaryIO) -> str:
    """What messages call a file."""
    return os.fspath(source) if isinstance(source, (str, os.PathLike)) else str(getattr(source, "name", "the file"))


def _read(file: BinaryIO, path: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    places, metadata = _read_head(file, path)
    tensors = {}
    for _, _, name, dtype, shape in places:
        tensor = ops.empty(shape, dtype)
        target = as_bytes(tensor)
        if file.readinto(target) != len(target):  # type: ignore[attr-defined]  # every file of bytes has it
            raise CheckpointError(f"{path}: the file ends within tensor {name!r}")
        largest = np.frombuffer(target, np.uint8).max(initial=0) if dtype == "bool" else 0
        if largest > 1:
            raise CheckpointError(f"{path}: tensor {name!r} has the byte {largest}, BOOL allows 0 and 1")
        tensors[name] = tensor
    return tensors, metadata


def read_texts(path: str | os.PathLike[str]) -> dict[str, str]:
    """The texts of a file, after its head was checked as :func:`read` does; the tensors are not read."""
    with open(path, "rb") as file:
        return _read_head(file, os.fspath(path))[1]


def _read_head(file: BinaryIO, path: str) -> tuple[list[Place], dict[str, str]]:
    """The tensors in the order of their bytes, and the texts."""
    begin = file.tell()
    size = file.seek(0, os.SEEK_END) - begin
    file.seek(begin)
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, MAX_HEADER):
        raise CheckpointError(
            f"{path}: not a safetensors file, or a truncated one: it has {size} bytes and claims a header of {length}"
        )
    return parse(file.read(length), size - 8 - length, path)
