"""Reductions, running sums and the largest elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .... import ops
from ..correspondence import REDUCTIONS
from ..orders import without
from ..reader import ANY, NUMBERS, NodeToRead, Run, reads
from ..values import Value

_OURS = {op_type: native for native, op_type in REDUCTIONS.items()}
Reduce = Callable[..., Any]


def _in_its_dtype(function: Reduce) -> Reduce:
    """ONNX's sums and products keep the dtype; ours are int64 for integers."""

    def reduce(x: Any, axes: Any, keepdims: bool) -> Any:
        found = function(x, axes, keepdims=keepdims)
        return found if found.dtype == x.dtype else found.astype(x.dtype)

    return reduce


def _on_floating(function: Reduce) -> Reduce:
    """Of integers by way of float64."""

    def reduce(x: Any, axes: Any, keepdims: bool) -> Any:
        if x.dtype.is_floating:
            return function(x, axes, keepdims=keepdims)
        return function(x.astype("float64"), axes, keepdims=keepdims).astype(x.dtype)

    return reduce


def _extreme(function: Reduce, largest: bool) -> Reduce:
    def reduce(x: Any, axes: Any, keepdims: bool) -> Any:
        if x.dtype == "bool":
            return (ops.any if largest else ops.all)(x, axes, keepdims)
        if x.size or not axes:
            return function(x, axes, keepdims=keepdims)
        shape = [1 if a in axes else n for a, n in enumerate(x.shape) if keepdims or a not in axes]
        return ops.full(shape, -float("inf") if largest else float("inf"), x.dtype, device=x.device)

    return reduce


_FUNCTIONS: dict[str, Reduce] = {
    "ReduceSum": _in_its_dtype(ops.sum),
    "ReduceProd": _in_its_dtype(ops.prod),
    "ReduceMean": _on_floating(ops.mean),
    "ReduceMax": _extreme(ops.max, True),
    "ReduceMin": _extreme(ops.min, False),
    "ReduceL1": _in_its_dtype(lambda x, axes, keepdims: ops.sum(ops.absolute(x), axes, keepdims)),
    "ReduceL2": _on_floating(ops.norm),
    "ReduceLogSum": _on_floating(lambda x, axes, keepdims: ops.log(ops.sum(x, axes, keepdims))),
    "ReduceLogSumExp": _on_floating(ops.logsumexp),
    "ReduceSumSquare": _in_its_dtype(lambda x, axes, keepdims: ops.sum(ops.square(x), axes, keepdims)),
}
assert set(_OURS) <= set(_FUNCTIONS)


def _register(op_type: str, function: Reduce) -> None:
    kinds = ANY if op_type in ("ReduceMax", "ReduceMin") else NUMBERS

    @reads(op_type, 1, 28, "axes keepdims noop_with_empty_axes", dtypes=kinds, steering=(1,))
    def read(node: NodeToRead) -> Run:
        keepdims, no_op = bool(node.get("keepdims", 1)), bool(node.get("noop_with_empty_axes", 0))

        def run(x: Value, axes: Value | None = None) -> Value:
            wanted = list(node.get("axes") or []) if axes is None else axes.integers()
            if not wanted and no_op:
                return x.same_order(function(x.stored, (), True)) if op_type in _CHANGING else x
            found = sorted({axis % max(x.rank, 1) for axis in wanted} or range(x.rank))
            if not x.rank:
                return Value(function(ops.reshape(x.tensor, (1,)), (0,), False))
            places = tuple(x.order.index(axis) for axis in found)
            return Value(function(x.stored, places, keepdims), x.order if keepdims else without(x.order, found))

        return run


_CHANGING = {"ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceSumSquare"}  # also without axes to go over
for _op_type, _function in _FUNCTIONS.items():
    _register(_op_type, _function)


def _places(node: NodeToRead, function: Any) -> Run:
    axis, keepdims = int(node.get("axis", 0)), bool(node.get("keepdims", 1))
    is_last = bool(node.get("select_last_index", 0))

    def run(x: Value) -> Value:
        axis_ = axis % x.rank
        place = x.order.index(axis_)
        given = ops.flip(x.stored, place) if is_last else x.stored
        found = function(given, place, keepdims)
        found = x.stored.shape[place] - 1 - found if is_last else found
        return Value(found, x.order if keepdims else without(x.order, [axis_]))

    return run


@reads("ArgMax", 1, 13, "axis keepdims select_last_index", dtypes=NUMBERS)
def _argmax(node: NodeToRead) -> Run:
    return _places(node, ops.argmax)


@reads("ArgMin", 1, 13, "axis keepdims select_last_index", dtypes=NUMBERS)
def _argmin(node: NodeToRead) -> Run:
    return _places(node, ops.argmin)


@reads("CumSum", 11, 14, "exclusive reverse", dtypes=NUMBERS, steering=(1,))
def _cumsum(node: NodeToRead) -> Run:
    exclusive, reverse = bool(node.get("exclusive", 0)), bool(node.get("reverse", 0))

    def run(x: Value, axis: Value) -> Value:
        place = x.order.index(axis.integers()[0] % x.rank)
        given = ops.flip(x.stored, place) if reverse else x.stored
        found = ops.cumsum(given, place).astype(given.dtype)
        found = found - given if exclusive else found
        return x.same_order(ops.flip(found, place) if reverse else found)

    return run


@reads("TopK", 1, 24, "axis k largest sorted", dtypes=NUMBERS, steering=(1,), outputs=2)
def _topk(node: NodeToRead) -> Run:
    axis, largest = int(node.get("axis", -1)), bool(node.get("largest", 1))

    def run(x: Value, k: Value | None = None) -> tuple[Value, Value]:
        count = int(node.require("k")) if k is None else k.integers()[0]
        values, indices = ops.topk(x.stored, count, x.order.index(axis % x.rank), largest)
        return x.same_order(values), x.same_order(indices)

    return run
