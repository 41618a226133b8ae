"""Arithmetic of shapes: what NumPy computes of the sizes of tensors and of constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .reader import NodeToRead
from .tensor_proto import NAMES

__all__ = ["HOST"]

Array = np.ndarray[Any, Any]


def _axes(node: NodeToRead, given: Sequence[Any]) -> tuple[int, ...] | None:
    axes = given[1].tolist() if len(given) > 1 and given[1] is not None else node.get("axes")
    return None if axes is None else tuple(axes)


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind == "f":
        return np.divide(a, b)
    return np.where(b == 0, 0, np.trunc(a / np.where(b == 0, 1, b))).astype(a.dtype)


def _slice(node: NodeToRead, given: Sequence[Any]) -> Array | None:
    if len(given) < 3:
        return None
    data, starts, ends = given[:3]
    axes = given[3] if len(given) > 3 and given[3] is not None else np.arange(len(starts))
    steps = given[4] if len(given) > 4 and given[4] is not None else np.ones(len(starts), np.int64)
    key = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        key[int(axis)] = slice(int(start), int(end) if step > 0 or end >= -data.shape[int(axis)] else None, int(step))
    found: Array = data[tuple(key)]
    return found


def _reduced(function: Callable[..., Array]) -> Callable[[NodeToRead, Sequence[Any]], Array]:
    return lambda node, given: function(given[0], axis=_axes(node, given), keepdims=bool(node.get("keepdims", 1)))


def _cast(node: NodeToRead, given: Sequence[Any]) -> Array | None:
    name = NAMES.get(node.get("to"), "bfloat16")
    return None if name == "bfloat16" else given[0].astype(name)


def _constant_of_shape(node: NodeToRead, given: Sequence[Any]) -> Array | None:
    value = node.get("value", np.zeros(1, np.float32))
    small = value.dtype.kind != "f" and int(np.prod(given[0])) <= 64
    return np.full(given[0].tolist(), value.reshape(-1)[0]) if small else None


HOST: dict[str, Callable[[NodeToRead, Sequence[Any]], Any]] = {
    "Add": lambda node, given: given[0] + given[1],
    "And": lambda node, given: given[0] & given[1],
    "Cast": _cast,
    "Ceil": lambda node, given: np.ceil(given[0]),
    "Concat": lambda node, given: np.concatenate(given, axis=node.get("axis")),
    "ConstantOfShape": _constant_of_shape,
    "Div": lambda node, given: _divide(*given),
    "Equal": lambda node, given: given[0] == given[1],
    "Floor": lambda node, given: np.floor(given[0]),
    "Gather": lambda node, given: np.take(given[0], given[1], axis=node.get("axis", 0)),
    "Greater": lambda node, given: given[0] > given[1],
    "Identity": lambda node, given: given[0],
    "Less": lambda node, given: given[0] < given[1],
    "Max": lambda node, given: np.maximum.reduce(given),
    "Min": lambda node, given: np.minimum.reduce(given),
    "Mul": lambda node, given: given[0] * given[1],
    "Neg": lambda node, given: -given[0],
    "Not": lambda node, given: ~given[0],
    "Range": lambda node, given: np.arange(*(number.item() for number in given), dtype=given[0].dtype),
    "ReduceMax": _reduced(np.max),
    "ReduceProd": _reduced(np.prod),
    "ReduceSum": _reduced(np.sum),
    "Reshape": lambda node, given: given[0].reshape(given[1].tolist()),
    "Slice": _slice,
    "Squeeze": lambda node, given: np.squeeze(given[0], axis=_axes(node, given)),
    "Sub": lambda node, given: given[0] - given[1],
    "Unsqueeze": lambda node, given: np.expand_dims(given[0], _axes(node, given) or ()),
    "Where": lambda node, given: np.where(*given),
}
