"""A plain tree (dicts, lists, numbers, texts, arrays) as JSON with named arrays beside it, and back, exactly.

JSON's own values stand for themselves, but for objects: what JSON lacks is an object with one key, ``dict``, ``tuple``,
``int`` (beyond 64 bits), ``float`` (NaN and infinities, as their bits), ``array``, ``scalar`` or ``tensor`` (the name
of the array; with ``dtype`` and ``shape`` where the file's format has no such dtype, so that its bytes are stored).
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import _C
from ..errors import CheckpointError
from ..tensor import Tensor
from .safetensors_header import NAMES

__all__ = ["decode", "encode"]

MAX_DEPTH = 64
STORED_AS_BYTES = re.compile(r"[<>|][biufc](?:1|2|4|8|16|32)")

Array = np.ndarray[Any, Any]


def encode(tree: Any) -> tuple[Any, dict[str, Tensor | Array]]:
    """The JSON value, and the arrays by the name that it gives them: their path in the tree.

    Raises
    ------
    ArgumentError
        If something in the tree is not plain; with its path.
    """
    arrays: dict[str, Tensor | Array] = {}
    return _encode(tree, "", arrays, 0), arrays


def decode(value: Any, arrays: Mapping[str, Tensor], where: str) -> Any:
    """The tree; NumPy arrays share the memory of ``arrays``.

    Raises
    ------
    CheckpointError
        If the value was not made by :func:`encode` together with these arrays.
    """
    left = dict(arrays)
    tree = _decode(value, left, where, 0)
    if left:
        raise CheckpointError(f"{where}: the arrays {', '.join(map(repr, left))} are not part of the state")
    return tree


def _encode(value: Any, path: str, arrays: dict[str, Tensor | Array], depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Tensor):
        return {"tensor": _named(value.detach(), path, arrays)}
    if isinstance(value, (np.ndarray, np.generic)):
        return _encode_array(value, path, arrays)
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**63 else {"int": hex(value)}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": struct.pack(">d", value).hex()}
    if depth > MAX_DEPTH:
        raise _C.ArgumentError(f"save: the state is nested deeper than {MAX_DEPTH} at {path[:80]!r}")
    if isinstance(value, (list, tuple)):
        items = [_encode(item, _join(path, str(i)), arrays, depth + 1) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, (str, int)):
                raise _C.ArgumentError(f"save: {path or 'the state'!r} has the key {key!r}; keys must be str or int")
        pairs = []
        for key, inside in value.items():
            name = key if isinstance(key, str) else hex(key)  # str() refuses integers of many digits
            pairs.append([_encode(key, path, arrays, 0), _encode(inside, _join(path, name), arrays, depth + 1)])
        return {"dict": pairs}
    raise _not_plain(path, type(value).__name__)


def _encode_array(value: Array | np.generic, path: str, arrays: dict[str, Tensor | Array]) -> Any:
    if isinstance(value, np.ndarray) and type(value) not in (np.ndarray, np.memmap):
        raise _not_plain(path, type(value).__name__)
    kind, array = ("array" if isinstance(value, np.ndarray) else "scalar"), np.asarray(value)
    if array.dtype.name in NAMES and array.dtype.isnative:
        return {kind: _named(array, path, arrays)}
    if not STORED_AS_BYTES.fullmatch(array.dtype.str):
        raise _not_plain(path, f"array of dtype {array.dtype}")
    content = np.asarray(array, order="C").reshape(-1).view(np.uint8)
    return {kind: _named(content, path, arrays), "dtype": array.dtype.str, "shape": list(array.shape)}


def _not_plain(path: str, found: str) -> _C.ArgumentError:
    return _C.ArgumentError(
        f"save: {path or 'the state'!r} is a {found}; a state is made of dict, list, tuple, str, int, float, bool, "
        "None and arrays of numbers"
    )


def _named(array: Tensor | Array, path: str, arrays: dict[str, Tensor | Array]) -> str:
    name = (path or "state").encode(errors="backslashreplace").decode()  # a str may hold what UTF-8 cannot
    while name in arrays or name == "__metadata__":
        name += "'"
    arrays[name] = array
    return name


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _decode(value: Any, left: dict[str, Tensor], where: str, depth: int) -> Any:
    if depth > 2 * MAX_DEPTH:
        raise CheckpointError(f"{where}: the state is nested deeper than {MAX_DEPTH}")
    if isinstance(value, list):
        return [_decode(item, left, where, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    found = _decode_object(value, left, where, depth)
    if found is not _UNKNOWN:
        return found
    raise CheckpointError(f"{where}: the state has {_short(value)} where a value was expected")


_UNKNOWN = object()


def _decode_object(value: dict[str, Any], left: dict[str, Tensor], where: str, depth: int) -> Any:
    for tag in ("array", "scalar", "tensor"):
        if tag in value:
            return _decode_array(tag, value[tag], value, left)
    if len(value) != 1:
        return _UNKNOWN
    ((tag, inside),) = value.items()
    if tag == "tuple" and isinstance(inside, list):
        return tuple(_decode(item, left, where, depth + 1) for item in inside)
    if tag == "dict" and isinstance(inside, list) and all(isinstance(i, list) and len(i) == 2 for i in inside):
        pairs = [(_decode(k, left, where, depth + 1), _decode(v, left, where, depth + 1)) for k, v in inside]
        tree = dict(pairs) if all(isinstance(k, (str, int)) for k, _ in pairs) else {}
        return tree if len(tree) == len(pairs) else _UNKNOWN
    if tag == "int" and isinstance(inside, str) and re.fullmatch(r"-?0x[0-9a-f]+", inside):
        return int(inside, 16)
    if tag == "float" and isinstance(inside, str) and re.fullmatch(r"[0-9a-f]{16}", inside):
        return struct.unpack(">d", bytes.fromhex(inside))[0]
    return _UNKNOWN


def _decode_array(tag: str, name: Any, value: dict[str, Any], left: dict[str, Tensor]) -> Any:
    if not isinstance(name, str) or name not in left:
        return _UNKNOWN
    tensor = left[name]
    if tag == "tensor":
        return left.pop(name) if len(value) == 1 else _UNKNOWN
    if tensor.dtype.name == "bfloat16":  # NumPy has none
        return _UNKNOWN
    array: Array = tensor.numpy().view(tensor.dtype.name)  # else its int64 is NumPy's longlong
    if len(value) > 1:
        dtype, shape = value.get("dtype"), value.get("shape")
        if set(value) != {tag, "dtype", "shape"} or array.dtype != np.uint8 or array.ndim != 1:
            return _UNKNOWN
        if not isinstance(dtype, str) or not STORED_AS_BYTES.fullmatch(dtype):
            return _UNKNOWN
        if not isinstance(shape, list) or not all(type(n) is int and 0 <= n < 2**62 for n in shape) or len(shape) > 32:
            return _UNKNOWN
        try:
            array = array.view(np.dtype(dtype)).reshape(shape)
        except (TypeError, ValueError):  # no such dtype on this machine, or other sizes
            return _UNKNOWN
    if tag == "scalar" and array.ndim:
        return _UNKNOWN
    del left[name]
    return array[()] if tag == "scalar" else array


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
