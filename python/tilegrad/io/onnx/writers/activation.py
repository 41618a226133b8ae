"""Activation functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..writer import writes
from .elementwise import elementwise, formula

if TYPE_CHECKING:
    from ..trace import Call
    from ..writer import Writer

FUSED = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh"}


def activated(writer: Writer, name: str, activation: str | None, dtype: str) -> str:
    """What the activation fused into an op makes of its output."""
    if activation in (None, "none"):
        return name
    return gelu(writer, name, dtype) if activation == "gelu" else writer.emit(FUSED[str(activation)], [name])


def gelu(writer: Writer, x: str, dtype: str, approximate: str = "none") -> str:
    """A node since opset 20, several before."""
    if writer.opset >= 20:
        return writer.emit("Gelu", [x], approximate=approximate)
    if approximate == "none":
        inner = writer.emit("Erf", [writer.emit("Mul", [x, writer.number(math.sqrt(0.5), dtype)])])
    else:
        cube = writer.emit("Mul", [writer.emit("Mul", [x, x]), x])
        sum_ = writer.emit("Add", [x, writer.emit("Mul", [cube, writer.number(0.044715, dtype)])])
        inner = writer.emit("Tanh", [writer.emit("Mul", [sum_, writer.number(math.sqrt(2 / math.pi), dtype)])])
    half = writer.emit("Mul", [x, writer.number(0.5, dtype)])
    return writer.emit("Mul", [half, writer.emit("Add", [inner, writer.number(1, dtype)])])


@formula("gelu", "gelu_tanh")
def _gelu(writer: Writer, call: Call, x: str) -> str:
    return gelu(writer, x, call.result.dtype.name, "tanh" if call.function == "gelu_tanh" else "none")


@formula("add_relu")
def _add_relu(writer: Writer, call: Call, a: str, b: str) -> str:
    return writer.emit("Relu", [writer.emit("Add", [a, b])])


@formula("silu")
def _silu(writer: Writer, call: Call, x: str) -> str:
    return writer.emit("Mul", [x, writer.emit("Sigmoid", [x])])


@formula("log_sigmoid")
def _log_sigmoid(writer: Writer, call: Call, x: str) -> str:
    return writer.emit("Neg", [writer.emit("Softplus", [writer.emit("Neg", [x])])])


@formula("mish")
def _mish(writer: Writer, call: Call, x: str) -> str:
    return writer.emit("Mul", [x, writer.emit("Tanh", [writer.emit("Softplus", [x])])])


@writes("relu6")
def _relu6(writer: Writer, call: Call) -> None:
    elementwise(writer, call, "Clip", (*call.arguments, 0, 6))


@formula("step", more=(0,))
def _step(writer: Writer, call: Call, x: str, zero: str) -> str:
    above = writer.emit("GreaterOrEqual", [x, zero])
    return writer.emit("Cast", [above], to=writer.dtype(call.result.dtype.name))


@writes("leaky_relu")
def _leaky_relu(writer: Writer, call: Call) -> None:
    elementwise(writer, call, "LeakyRelu", call.arguments[:1], alpha=float(call.arguments[1]))


@writes("elu")
def _elu(writer: Writer, call: Call) -> None:
    elementwise(writer, call, "Elu", call.arguments[:1], alpha=float(call.arguments[1]))


@writes("selu")
def _selu(writer: Writer, call: Call) -> None:
    elementwise(writer, call, "Selu", call.arguments, alpha=1.6732632423543772, gamma=1.0507009873554805)


@writes("hard_sigmoid")
def _hard_sigmoid(writer: Writer, call: Call) -> None:
    elementwise(writer, call, "HardSigmoid", call.arguments, alpha=1 / 6, beta=0.5)


@writes("prelu")
def _prelu(writer: Writer, call: Call) -> None:
    elementwise(writer, call, "PRelu", call.arguments)


@writes("softmax", "log_softmax")
def _softmax(writer: Writer, call: Call) -> None:
    x, axis = call.arguments
    value = writer.value(x)
    place = value.order.index(axis % x.ndim)
    op_type = "Softmax" if call.function == "softmax" else "LogSoftmax"
    writer.result(call.result, writer.emit(op_type, [writer.stored(value)[0]], axis=place), value.order)
