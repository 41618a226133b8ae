"""The safetensors format, straight between files and tensors' memory.

A file is the length of the header (8 bytes, little-endian), the header (a JSON object that gives each tensor's dtype,
shape and place, and texts under ``__metadata__``), and the tensors' bytes without gaps. The package safetensors reads
into NumPy, which has no bfloat16, and its raw interface changes from release to release; the tests check each against
the other.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from .. import _C, ops
from ..errors import CheckpointError
from ..tensor import Tensor

__all__ = ["layout", "read", "read_texts"]

NAMES = {
    "float64": "F64", "int64": "I64", "float32": "F32", "int32": "I32", "bfloat16": "BF16", "float16": "F16",
    "uint8": "U8", "bool": "BOOL",
}  # fmt: skip
DTYPES = {code: name for name, code in NAMES.items()}
MAX_HEADER = 100_000_000  # the format's own bound
MAX_RANK = 32


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
    return _C.as_bytes(_C.contiguous(tensor.detach())).numpy().data


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
    for name, (dtype, shape) in places.items():
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


def _read_head(file: BinaryIO, path: str) -> tuple[dict[str, tuple[str, tuple[int, ...]]], dict[str, str]]:
    """Dtype and shape of each tensor in the order of their bytes, and the texts."""
    begin = file.tell()
    size = file.seek(0, os.SEEK_END) - begin
    file.seek(begin)
    header, start = _read_header(file, size, path)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise CheckpointError(f"{path}: __metadata__ is not an object of texts")
    return _checked_places(header, size - start, path), metadata


def _read_header(file: BinaryIO, size: int, path: str) -> tuple[dict[str, Any], int]:
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, MAX_HEADER):
        raise CheckpointError(
            f"{path}: not a safetensors file, or a truncated one: it has {size} bytes and claims a header of {length}"
        )
    try:
        header = json.loads(file.read(length).decode(), object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: the header is not the JSON that it must be ({error})") from None
    if not isinstance(header, dict):
        raise CheckpointError(f"{path}: the header is not a JSON object")
    return header, 8 + length


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _checked_places(header: dict[str, Any], available: int, path: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Dtype and shape of each tensor in the order of their bytes, which must fill the rest of the file without gaps."""
    places = []
    for name, entry in header.items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise CheckpointError(f"{path}: tensor {name!r} is not described by dtype, shape and data_offsets")
        code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(code, str) or code not in DTYPES:
            raise CheckpointError(f"{path}: tensor {name!r} has dtype {code!r}, expected one of {', '.join(DTYPES)}")
        if not _sizes(shape) or len(shape) > MAX_RANK or not _sizes(offsets) or len(offsets) != 2:
            raise CheckpointError(
                f"{path}: tensor {name!r} has shape {shape} at {offsets}, which are not lists of sizes"
            )
        size = math.prod(shape) * _C.dtype(DTYPES[code]).itemsize
        if offsets[1] - offsets[0] != size:
            raise CheckpointError(
                f"{path}: tensor {name!r} has {offsets[1] - offsets[0]} bytes, but {code} {shape} has {size}"
            )
        places.append((offsets[0], offsets[1], name, DTYPES[code], tuple(shape)))
    places.sort(key=lambda place: place[:2])
    end = 0
    for start, stop, name, _, _ in places:
        if start != end:
            raise CheckpointError(f"{path}: tensor {name!r} begins at byte {start}, expected {end}")
        end = stop
    if end != available:
        raise CheckpointError(f"{path}: the tensors have {end} bytes, but {available} follow the header")
    return {name: (dtype, shape) for _, _, name, dtype, shape in places}


def _sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**62 for value in values)
