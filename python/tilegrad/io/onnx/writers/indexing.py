"""Elements by index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..writer import writes

if TYPE_CHECKING:
    from ..trace import Call
    from ..writer import Writer


def _index(writer: Writer, index: Any) -> str:
    name = writer.name(index)
    return name if index.dtype in ("int64", "int32") else writer.emit("Cast", [name], to=writer.dtype("int64"))


@writes("embedding")
def _embedding(writer: Writer, call: Call) -> None:
    weight, indices = call.arguments
    writer.result(call.result, writer.emit("Gather", [writer.name(weight), _index(writer, indices)], axis=0))


@writes("gather")
def _gather(writer: Writer, call: Call) -> None:
    _, x, indices, in_front = call.arguments
    axes = [axis for axis, index in enumerate(indices) if index is not None]
    if len(axes) == 1 and not (in_front and axes[0]):
        name = writer.emit("Gather", [writer.name(x), _index(writer, indices[axes[0]])], axis=axes[0])
    elif axes == list(range(len(axes))) and len({indices[axis].shape for axis in axes}) == 1:
        columns = [writer.emit("Unsqueeze", [_index(writer, indices[a]), writer.number([-1])]) for a in axes]
        name = writer.emit("GatherND", [writer.name(x), writer.emit("Concat", columns, axis=-1)])
    else:
        raise writer.refuse("ONNX indexes one axis, or the first ones by arrays of one shape; write it with take()")
    writer.result(call.result, name)


@writes("take_along_axis")
def _take_along_axis(writer: Writer, call: Call) -> None:
    _, x, index, axis = call.arguments
    name = writer.emit("GatherElements", [writer.name(x), _index(writer, index)], axis=int(axis) % x.ndim)
    writer.result(call.result, name)


@writes("one_hot")
def _one_hot(writer: Writer, call: Call) -> None:
    index, classes, _ = call.arguments
    values = writer.number([0, 1], call.result.dtype.name)
    name = writer.emit("OneHot", [_index(writer, index), writer.number(int(classes)), values], axis=-1)
    writer.result(call.result, name)
