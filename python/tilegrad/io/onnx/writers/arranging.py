"""Putting tensors together, borders and triangles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..orders import with_axis
from ..writer import writes

if TYPE_CHECKING:
    from ..trace import Call
    from ..writer import Writer

FAR = 1 << 40  # farther than any diagonal


@writes("concat")
def _concat(writer: Writer, call: Call) -> None:
    tensors, axis = call.arguments
    names, order = writer.aligned(tensors, call.result)
    writer.result(call.result, writer.emit("Concat", names, axis=order.index(axis % call.result.ndim)), order)


@writes("stack")
def _stack(writer: Writer, call: Call) -> None:
    tensors, axis = call.arguments
    names, order = writer.aligned(tensors, tensors[0])
    order, place = with_axis(order, axis % call.result.ndim)
    parts = [writer.emit("Unsqueeze", [name, writer.number([place])]) for name in names]
    writer.result(call.result, writer.emit("Concat", parts, axis=place), order)


def note_padding(writer: Writer, call: Call) -> bool:
    """Whether a call is a step of pad() before the one that writes what is padded."""
    op, target, source = call.arguments
    if op == "pad" and call.function == "basic_view":
        writer.borders[id(call.result)] = (target, source)
    elif op == "pad" and call.function == "assign" and id(target) not in writer.borders:
        writer.fills[id(target)] = source
    else:
        return False
    return True


@writes("assign")
def _assign(writer: Writer, call: Call) -> None:
    """pad() writes what it is given into the middle of a larger tensor; all else that writes is refused."""
    op, target, source = call.arguments
    if op != "pad":
        raise writer.refuse("it writes into a tensor; compute a new one instead (where(), concat(), x = x + y)")
    whole, key = writer.borders[id(target)]
    value = writer.value(source)
    before, behind = [0] * source.ndim, [0] * source.ndim
    for axis, (part, size) in enumerate(zip(key, whole.shape, strict=True)):
        before[axis], behind[axis] = int(part.start), int(size) - int(part.stop)
    pads = [sides[axis] for sides in (before, behind) for axis in value.order]
    inputs = [writer.stored(value)[0], writer.number(pads)]
    fill = writer.fills.get(id(whole), 0)
    if fill:
        inputs.append(writer.number(fill, source.dtype.name))
    writer.result(whole, writer.emit("Pad", inputs), value.order)


@writes("band")
def _band(writer: Writer, call: Call) -> None:
    _, x, least, most = call.arguments
    if least < -FAR or most < FAR:
        k, upper = most, 0
    else:
        k, upper = least, 1
    name = writer.emit("Trilu", [writer.name(x), writer.number(k)], upper=upper)
    writer.result(call.result, name)
