"""Reductions, running sums and sorting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..batch_sizes import BatchSize
from ..correspondence import REDUCTIONS
from ..orders import Order, without
from ..writer import writes

if TYPE_CHECKING:
    from ..trace import Call
    from ..writer import Writer


def reduced(writer: Writer, op_type: str, name: str, axes: Sequence[int], keepdims: bool) -> str:
    """A reduction; its axes are an attribute in older opsets, which ReduceSum gave up first."""
    if writer.opset >= (13 if op_type == "ReduceSum" else 18):
        return writer.emit(op_type, [name, writer.number(list(axes))], keepdims=int(keepdims))
    return writer.emit(op_type, [name], axes=list(axes), keepdims=int(keepdims))


def _axes(axis: Any, rank: int) -> list[int]:
    if axis is None:
        return list(range(rank))
    return sorted(a % rank for a in ((axis,) if isinstance(axis, int) else axis))


def _places(writer: Writer, x: Any, axis: Any, keepdims: bool) -> tuple[str, list[int], Order]:
    """Where x lies, the stored places of the axes, and the order of the result."""
    value = writer.value(x)
    axes = _axes(axis, x.ndim)
    left = value.order if keepdims else without(value.order, axes)
    return writer.stored(value)[0], [value.order.index(a) for a in axes], left


@writes(*REDUCTIONS)
def _reduce(writer: Writer, call: Call) -> None:
    x, axis, keepdims = call.arguments[:3]
    out = call.result[0] if isinstance(call.result, tuple) else call.result
    name, places, order = _places(writer, x, axis, keepdims)
    if not places:
        writer.bind(out, writer.value(x))
        return
    if x.dtype != out.dtype:
        name = writer.emit("Cast", [name], to=writer.dtype(out.dtype.name))
    writer.result(out, reduced(writer, REDUCTIONS[call.function], name, places, keepdims), order)


@writes("any", "all")
def _any(writer: Writer, call: Call) -> None:
    x, axis, keepdims = call.arguments
    name, places, order = _places(writer, x, axis, keepdims)
    truth = name if x.dtype == "bool" else writer.emit("Cast", [name], to=writer.dtype("bool"))
    number = writer.emit("Cast", [truth], to=writer.dtype("int32"))
    number = reduced(writer, "ReduceMax" if call.function == "any" else "ReduceMin", number, places, keepdims)
    writer.result(call.result, writer.emit("Cast", [number], to=writer.dtype("bool")), order)


@writes("var", "std")
def _var(writer: Writer, call: Call) -> None:
    x, axis, correction, keepdims = call.arguments
    name, places, order = _places(writer, x, axis, keepdims)
    sizes = [writer.shape(x)[a] for a in _axes(axis, x.ndim)]
    if correction and any(isinstance(size, BatchSize) for size in sizes):
        raise writer.refuse("its correction depends on the number of samples; pass dynamic_batch=False")
    mean = reduced(writer, "ReduceMean", name, places, True)
    centred = writer.emit("Sub", [name, mean])
    out = reduced(writer, "ReduceMean", writer.emit("Mul", [centred, centred]), places, keepdims)
    if correction:
        count = math.prod(sizes)
        out = writer.emit("Mul", [out, writer.number(count / (count - correction), x.dtype.name)])
    writer.result(call.result, writer.emit("Sqrt", [out]) if call.function == "std" else out, order)


@writes("argmax", "argmin")
def _argmax(writer: Writer, call: Call) -> None:
    x, axis, keepdims = call.arguments
    op_type = "ArgMax" if call.function == "argmax" else "ArgMin"
    axes = _axes(axis, x.ndim)
    if len(axes) == 1:
        name, places, order = _places(writer, x, axis, keepdims)
        writer.result(call.result, writer.emit(op_type, [name], axis=places[0], keepdims=int(keepdims)), order)
    elif len(axes) == x.ndim and not keepdims:
        flat = writer.emit("Reshape", [writer.name(x), writer.number([-1])])
        writer.result(call.result, writer.emit(op_type, [flat], axis=0, keepdims=0))
    else:
        raise writer.refuse("ONNX finds places along one axis; reshape these axes into one first")


@writes("cumsum")
def _cumsum(writer: Writer, call: Call) -> None:
    x, axis, *reverse = call.arguments
    name, places, order = _places(writer, x, int(axis), True)
    if x.dtype != call.result.dtype:
        name = writer.emit("Cast", [name], to=writer.dtype(call.result.dtype.name))
    out = writer.emit("CumSum", [name, writer.number(places[0])], reverse=int(bool(reverse and reverse[0])))
    writer.result(call.result, out, order)


@writes("sort", "argsort", "top")
def _sort(writer: Writer, call: Call) -> None:
    x, axis, *options = call.arguments if call.function == "argsort" else call.arguments[1:]
    name, places, order = _places(writer, x, int(axis), True)
    size = writer.shape(x)[int(axis)]
    if call.function != "top" and isinstance(size, BatchSize):
        raise writer.refuse("it sorts along the batch; pass dynamic_batch=False")
    kept, descending = options if call.function == "top" else (int(size), options[0])
    outs = writer.emit_several("TopK", [name, writer.number([int(kept)])], 2, axis=places[0], largest=int(descending))
    results = (None, call.result) if call.function == "argsort" else call.result
    for tensor, out in zip(results, outs, strict=True):
        if tensor is not None:
            writer.result(tensor, out, order)
