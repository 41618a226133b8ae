"""Arrays out of an ONNX file: every size is compared with what is there before it is believed."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import OnnxError
from .correspondence import DTYPES

__all__ = ["array_of", "dtype_name"]

NAMES = {number: name for name, number in DTYPES.items()}
ELEMENT_BYTES = {"bool": 1, "uint8": 1, "float16": 2, "bfloat16": 2, "float32": 4, "int32": 4, "float64": 8, "int64": 8}
# The field that holds an array that is not raw.
TYPED = {
    "float32": "float_data", "float64": "double_data", "int64": "int64_data", "int32": "int32_data",
    "uint8": "int32_data", "bool": "int32_data", "float16": "int32_data", "bfloat16": "int32_data",
}  # fmt: skip


def dtype_name(number: int, where: str) -> str:
    """Our name of an element type; one that we lack is refused."""
    if number not in NAMES:
        from onnx import TensorProto

        known = TensorProto.DataType.Name(number) if number in TensorProto.DataType.values() else str(number)
        raise OnnxError(f"load_onnx: {where}: the element type {known} is not supported, only {', '.join(DTYPES)}")
    return NAMES[number]


def array_of(proto: Any, folder: Path, where: str) -> np.ndarray[Any, Any]:
    """The array that a TensorProto holds, or the file in ``folder`` that it names.

    Raises
    ------
    OnnxError
        If sizes disagree, the element type is not supported, or the file lies outside the folder.
    """
    dtype = dtype_name(proto.data_type, where)
    shape = tuple(proto.dims)
    if any(size < 0 for size in shape):
        raise OnnxError(f"load_onnx: {where}: sizes must not be negative, found {list(shape)}")
    count = math.prod(shape)
    if proto.HasField("segment"):
        raise OnnxError(f"load_onnx: {where}: tensors in segments are not supported")
    if proto.data_location == proto.EXTERNAL:
        raw: bytes | None = _external(proto, folder, count * ELEMENT_BYTES[dtype], where)
    else:
        raw = proto.raw_data if proto.HasField("raw_data") else None
    found = len(raw) // ELEMENT_BYTES[dtype] if raw is not None else len(getattr(proto, TYPED[dtype]))
    if found != count or (raw is not None and len(raw) != count * ELEMENT_BYTES[dtype]):
        raise OnnxError(
            f"load_onnx: {where}: {dtype} {list(shape)} needs {count} numbers, and the file has "
            f"{len(raw) if raw is not None else found} {'bytes' if raw is not None else 'numbers'}"
        )
    if dtype == "bfloat16":  # which NumPy lacks: the upper half of a float32
        halves = np.frombuffer(raw, "<u2") if raw is not None else np.asarray(proto.int32_data, np.uint16)
        return (halves.astype(np.uint32) << 16).view(np.float32).reshape(shape)
    if raw is not None:
        return np.frombuffer(raw, np.dtype(dtype).newbyteorder("<")).astype(dtype).reshape(shape)
    values = np.asarray(getattr(proto, TYPED[dtype]))
    if dtype == "float16":
        return values.astype(np.uint16).view(np.float16).reshape(shape)
    return values.astype(dtype).reshape(shape)


def _external(proto: Any, folder: Path, size: int, where: str) -> bytes:
    """The bytes of a tensor that lies in a file of its own, beside the model."""
    entries = {entry.key: entry.value for entry in proto.external_data}
    location = entries.get("location", "")
    parts = location.replace("\\", "/").split("/")
    if not location or os.path.isabs(location) or ".." in parts or ":" in parts[0]:
        raise OnnxError(f"load_onnx: {where}: external data must lie in the model's folder, found {location!r}")
    path = folder / location
    if not path.is_file():
        raise OnnxError(f"load_onnx: {where}: the file of external data {location!r} is not there")
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise OnnxError(f"load_onnx: {where}: the external data {location!r} is a link out of the model's folder")
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", size))
    except ValueError:
        raise OnnxError(f"load_onnx: {where}: offset and length of external data must be integers") from None
    there = path.stat().st_size
    if length != size or offset < 0 or offset + length > there:
        raise OnnxError(
            f"load_onnx: {where}: needs {size} bytes, and names {length} from {offset} of the {there} of {location!r}"
        )
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(size)
