"""Arithmetic, comparisons, logic and conversions, element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ....structure import tensors_in
from ..correspondence import BINARY, UNARY
from ..writer import writes
from ..written_value import Value

if TYPE_CHECKING:
    from ..trace import Call
    from ..writer import Writer

Formula = Callable[..., str]


def elementwise(writer: Writer, call: Call, op_type: str, operands: Any, **attributes: Any) -> None:
    """One node whose operands broadcast."""
    names, order = writer.aligned(operands, call.result)
    writer.result(call.result, writer.emit(op_type, names, **attributes), order)


def formula(*functions: str, more: tuple[float, ...] = ()) -> Callable[[Formula], Formula]:
    """Registers what writes elementwise functions of several nodes: of the operands' names, and of ``more`` numbers, it
    makes the result's.
    """

    def register(write: Formula) -> Formula:
        @writes(*functions)
        def _write(writer: Writer, call: Call) -> None:
            names, order = writer.aligned((*call.arguments, *more), call.result)
            writer.result(call.result, write(writer, call, *names), order)

        return write

    return register


@writes(*UNARY)
def _unary(writer: Writer, call: Call) -> None:
    elementwise(writer, call, UNARY[call.function], call.arguments)


@writes(*BINARY)
def _binary(writer: Writer, call: Call) -> None:
    elementwise(writer, call, BINARY[call.function], call.arguments)


@formula("not_equal")
def _not_equal(writer: Writer, call: Call, a: str, b: str) -> str:
    return writer.emit("Not", [writer.emit("Equal", [a, b])])


@formula("isfinite")
def _isfinite(writer: Writer, call: Call, x: str) -> str:
    return writer.emit("Not", [writer.emit("Or", [writer.emit("IsNaN", [x]), writer.emit("IsInf", [x])])])


@writes("square")
def _square(writer: Writer, call: Call) -> None:
    elementwise(writer, call, "Mul", call.arguments * 2)


@formula("cube")
def _cube(writer: Writer, call: Call, x: str) -> str:
    return writer.emit("Mul", [writer.emit("Mul", [x, x]), x])


@formula("rsqrt")
def _rsqrt(writer: Writer, call: Call, x: str) -> str:
    return writer.emit("Reciprocal", [writer.emit("Sqrt", [x])])


@formula("expm1", more=(1,))
def _expm1(writer: Writer, call: Call, x: str, one: str) -> str:
    return writer.emit("Sub", [writer.emit("Exp", [x]), one])


@formula("log1p", more=(1,))
def _log1p(writer: Writer, call: Call, x: str, one: str) -> str:
    return writer.emit("Log", [writer.emit("Add", [x, one])])


@formula("remainder", "floor_divide")
def _remainder(writer: Writer, call: Call, a: str, b: str) -> str:
    """ONNX's Div of integers truncates, and its Mod of floating numbers takes the dividend's sign; ours round down."""
    is_quotient = call.function == "floor_divide"
    if call.result.dtype.is_floating:
        quotient = writer.emit("Floor", [writer.emit("Div", [a, b])])
        return quotient if is_quotient else writer.emit("Sub", [a, writer.emit("Mul", [quotient, b])])
    rest = writer.emit("Mod", [a, b])
    return writer.emit("Div", [writer.emit("Sub", [a, rest]), b]) if is_quotient else rest


@formula("clip")
def _clip(writer: Writer, call: Call, x: str, low: str, high: str) -> str:
    return writer.emit("Min", [writer.emit("Max", [x, low]), high])


@writes("where")
def _where(writer: Writer, call: Call) -> None:
    condition, a, b = call.arguments
    elementwise(writer, call, "Where", (condition, a, b))


@writes("astype")
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
