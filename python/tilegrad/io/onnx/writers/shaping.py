"""Reshaping, views and slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..batch_sizes import BatchSize
from ..orders import after_permute, natural, with_axis, without
from ..writer import END, writes
from ..written_value import Value

if TYPE_CHECKING:
    from ..trace import Call
    from ..writer import Writer


@writes("reshape")
def _reshape(writer: Writer, call: Call) -> None:
    x, out = call.arguments[0], call.result
    value, shape = writer.value(x), writer.shape(call.result)
    if value.shape == shape:
        writer.bind(out, value)
        return
    # Where all that is larger than 1 lies in its order, transposing first would move nothing.
    large = [axis for axis in value.order if x.shape[axis] != 1 or isinstance(value.shape[axis], BatchSize)]
    name = writer.stored(value)[0] if large == sorted(large) else writer.name(value)
    growing = [size for size in shape if isinstance(size, BatchSize)]
    if len(growing) == 1 and 0 not in shape:
        target = writer.number([-1 if isinstance(size, BatchSize) else size for size in shape])
    else:
        target = writer.batch_shape(shape)
    writer.result(out, writer.emit("Reshape", [name, target]))


@writes("permute")
def _permute(writer: Writer, call: Call) -> None:
    """No node: the elements stay where they are until somebody needs another order."""
    x, axes = call.arguments
    value = writer.value(x)
    axes = [axis % x.ndim for axis in axes]
    stored = {after_permute(order, axes): name for order, name in value.stored.items()}
    writer.bind(call.result, Value(writer.shape(call.result), value.dtype, stored))


@writes("expand_dims")
def _expand_dims(writer: Writer, call: Call) -> None:
    x, axis = call.arguments
    value = writer.value(x)
    order, place = with_axis(value.order, axis % (x.ndim + 1))
    name = writer.emit("Unsqueeze", [writer.stored(value)[0], writer.number([place])])
    writer.result(call.result, name, order)


@writes("squeeze")
def _squeeze(writer: Writer, call: Call) -> None:
    x, *axis = call.arguments
    value = writer.value(x)
    shape = value.shape
    gone = [axis[0] % x.ndim] if axis else [
        a for a in range(x.ndim) if shape[a] == 1 and not isinstance(shape[a], BatchSize)
    ]  # fmt: skip
    places = sorted(value.order.index(a) for a in gone)
    name = writer.emit("Squeeze", [writer.stored(value)[0], writer.number(places)])
    writer.result(call.result, name, without(value.order, gone))


@writes("broadcast_to")
def _broadcast_to(writer: Writer, call: Call) -> None:
    target = writer.batch_shape(writer.shape(call.result))
    writer.result(call.result, writer.emit("Expand", [writer.name(call.arguments[0]), target]))


@writes("full")
def _full(writer: Writer, call: Call) -> None:
    """Only where its size depends on the batch; other constants are known."""
    shape = writer.batch_shape(writer.shape(call.result))
    value = writer.number(call.arguments[1], call.result.dtype.name)
    writer.result(call.result, writer.emit("Expand", [value, shape]), natural(call.result.ndim))


@writes("select")
def _select(writer: Writer, call: Call) -> None:
    x, axis, index = call.arguments
    key = (slice(None),) * (axis % x.ndim) + (index,)
    view(writer, x, key, call.result)


@writes("slice")
def _slice(writer: Writer, call: Call) -> None:
    x, axis, start, count, step = call.arguments
    stop: int | None = start + count * step
    if isinstance(count, BatchSize) or (stop is not None and stop < 0):
        stop = None
    view(writer, x, (slice(None),) * (axis % x.ndim) + (slice(start, stop, step),), call.result)


@writes("basic_view")
def _basic_view(writer: Writer, call: Call) -> None:
    op, x, key = call.arguments
    if op in ("setitem",):
        raise writer.refuse("it writes into a part of a tensor; put the result together with where() or concat()")
    view(writer, x, key, call.result)


def view(writer: Writer, x: Any, key: Any, out: Any) -> None:
    """``x[key]`` of integers, slices, None and Ellipsis."""
    items = list(key) if isinstance(key, tuple) else [key]
    used = sum(item is not None and item is not Ellipsis for item in items)
    if Ellipsis in [item for item in items if item is Ellipsis]:
        at = next(i for i, item in enumerate(items) if item is Ellipsis)
        items[at : at + 1] = [slice(None)] * (x.ndim - used)
    items += [slice(None)] * (x.ndim - sum(item is not None for item in items))
    value = writer.value(x)
    order, name = value.order, writer.stored(value)[0]
    cuts: list[tuple[int, int, int, int]] = []
    gone: list[int] = []
    new: list[int] = []
    axis = kept = 0
    for item in items:
        if item is None:
            new.append(kept)
            kept += 1
            continue
        size = value.shape[axis]
        if isinstance(item, slice):
            cuts += _cut(writer, item, order.index(axis), size)
            kept += 1
        else:
            index = int(item)
            cuts.append((order.index(axis), index, END if index == -1 else index + 1, 1))
            gone.append(axis)
        axis += 1
    if cuts:
        places, starts, stops, steps = zip(*cuts, strict=True)
        name = writer.emit("Slice", [name, *(writer.number(list(part)) for part in (starts, stops, places, steps))])
    if gone:
        name = writer.emit("Squeeze", [name, writer.number(sorted(order.index(a) for a in gone))])
        order = without(order, gone)
    for axis in new:
        order, place = with_axis(order, axis)
        name = writer.emit("Unsqueeze", [name, writer.number([place])])
    writer.result(out, name, order)


def _cut(writer: Writer, part: slice, place: int, size: int) -> list[tuple[int, int, int, int]]:
    """(place, start, stop, step), or nothing where the slice takes all."""
    step = 1 if part.step is None else int(part.step)
    grows = isinstance(size, BatchSize)
    for end in (part.start, part.stop):
        if isinstance(end, BatchSize) and not (grows and end == size):
            raise writer.refuse("it cuts at a place that depends on the number of samples; pass dynamic_batch=False")
    stop = None if isinstance(part.stop, BatchSize) or (not grows and step > 0 and part.stop == size) else part.stop
    if step == 1 and part.start in (None, 0) and stop is None:
        return []
    start = part.start if part.start is not None else 0 if step > 0 else END
    return [(place, start, stop if stop is not None else END if step > 0 else -END, step)]
