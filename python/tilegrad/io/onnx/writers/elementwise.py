"""Arithmetic, comparisons, logic and conversions, element by element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....structure import tensors_in
from ..correspondence import BINARY, UNARY
from ..writer import writes
from ..written_value import Value

if TYPE_CHECKING:
    from ..trace import Call
    from ..writer import Writer


def elementwise(writer: Writer, call: Call, op_type: str, operands: Any, **attributes: Any) -> None:
    """One node whose operands broadcast."""
    names, order = writer.aligned(operands, call.result)
    writer.result(call.result, writer.emit(op_type, names, **attributes), order)


@writes(*UNARY)
def _unary(writer: Writer, call: Call) -> None:
    elementwise(writer, call, UNARY[call.function], call.arguments)


@writes(*BINARY)
def _binary(writer: Writer, call: Call) -> None:
    elementwise(writer, call, BINARY[call.function], call.arguments)


@writes("not_equal")
def _not_equal(writer: Writer, call: Call) -> None:
    names, order = writer.aligned(call.arguments, call.result)
    writer.result(call.result, writer.emit("Not", [writer.emit("Equal", names)]), order)


@writes("isfinite")
def _isfinite(writer: Writer, call: Call) -> None:
    names, order = writer.aligned(call.arguments, call.result)
    either = writer.emit("Or", [writer.emit("IsNaN", names), writer.emit("IsInf", names)])
    writer.result(call.result, writer.emit("Not", [either]), order)


@writes("square")
def _square(writer: Writer, call: Call) -> None:
    elementwise(writer, call, "Mul", call.arguments * 2)


@writes("rsqrt")
def _rsqrt(writer: Writer, call: Call) -> None:
    names, order = writer.aligned(call.arguments, call.result)
    writer.result(call.result, writer.emit("Reciprocal", [writer.emit("Sqrt", names)]), order)


@writes("expm1")
def _expm1(writer: Writer, call: Call) -> None:
    names, order = writer.aligned((*call.arguments, 1), call.result)
    writer.result(call.result, writer.emit("Sub", [writer.emit("Exp", names[:1]), names[1]]), order)


@writes("log1p")
def _log1p(writer: Writer, call: Call) -> None:
    names, order = writer.aligned((*call.arguments, 1), call.result)
    writer.result(call.result, writer.emit("Log", [writer.emit("Add", names)]), order)


@writes("remainder", "floor_divide")
def _remainder(writer: Writer, call: Call) -> None:
    """ONNX's Div of integers truncates, and its Mod of floating numbers takes the dividend's sign; ours round down."""
    (a, b), order = writer.aligned(call.arguments, call.result)
    if call.result.dtype.is_floating:
        out = writer.emit("Floor", [writer.emit("Div", [a, b])])
        if call.function == "remainder":
            out = writer.emit("Sub", [a, writer.emit("Mul", [out, b])])
    else:
        out = writer.emit("Mod", [a, b])
        if call.function == "floor_divide":
            out = writer.emit("Div", [writer.emit("Sub", [a, out]), b])
    writer.result(call.result, out, order)


@writes("clip")
def _clip(writer: Writer, call: Call) -> None:
    (x, low, high), order = writer.aligned(call.arguments, call.result)
    writer.result(call.result, writer.emit("Min", [writer.emit("Max", [x, low]), high]), order)


@writes("where")
def _where(writer: Writer, call: Call) -> None:
    condition, a, b = call.arguments
    elementwise(writer, call, "Where", (condition, a, b))


@writes("cast")
def _cast(writer: Writer, call: Call) -> None:
    x = call.arguments[0]
    if x.dtype == call.result.dtype:
        writer.bind(call.result, writer.value(x))
    else:
        elementwise(writer, call, "Cast", (x,), to=writer.dtype(call.result.dtype.name))


@writes("as_tensor_like")
def _number(writer: Writer, call: Call) -> None:
    """A number with a tensor's dtype."""
    if tensors_in(call.arguments[2]):
        writer.bind(call.result, writer.value(call.arguments[2]))
    else:
        value = Value(call.result.shape, call.result.dtype.name, constant=call.result, label=writer.label("constant"))
        writer.bind(call.result, value)


@writes("copy", "contiguous", "to_device")
def _same(writer: Writer, call: Call) -> None:
    writer.bind(call.result, writer.value(call.arguments[0]))
