"""Arithmetic, comparisons, logic and conversions, element by element."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .... import ops
from ..correspondence import BINARY, UNARY
from ..reader import ANY, FLOATING, NUMBERS, SIXTEEN_BITS, NodeToRead, Run, reads
from ..tensor_proto import dtype_name
from ..values import Value, elementwise

# Until which version each operator means what it meant: those that are not here, up to the one of opset 22.
NEWEST = 22
INTEGERS_TOO = {"Abs", "Neg", "Sign"}


def _register(op_type: str, function: Callable[..., Any], dtypes: tuple[str, ...], until: int = NEWEST) -> None:
    @reads(op_type, 1, until, dtypes=dtypes)
    def read(node: NodeToRead) -> Run:
        return elementwise(function)


for _native, _op_type in UNARY.items():
    if _op_type not in ("Not",):
        _kinds = NUMBERS if _op_type in INTEGERS_TOO else (*FLOATING, "bool") if _op_type == "IsNaN" else FLOATING
        _register(_op_type, getattr(ops, _native), _kinds)
for _native, _op_type in BINARY.items():
    if _op_type not in ("Max", "Min", "Pow", "Div", "Equal"):
        _register(_op_type, getattr(ops, _native), ANY)
_register("Not", ops.logical_not, ("bool",))
_register("Equal", ops.equal, ANY)
_register("Tan", lambda x: ops.sin(x) / ops.cos(x), FLOATING)
_register("Sinh", lambda x: (ops.exp(x) - ops.exp(-x)) * 0.5, FLOATING)
_register("Cosh", lambda x: (ops.exp(x) + ops.exp(-x)) * 0.5, FLOATING)
_register("Where", ops.where, ANY)


def _divide(a: Any, b: Any) -> Any:
    """Of integers, towards zero."""
    if a.dtype.is_floating:
        return a / b
    remainder = a - b * (a // b)
    up = ops.logical_and(ops.not_equal(remainder, 0), ops.less(a, 0) ^ ops.less(b, 0))
    return a // b + up.astype(a.dtype)


_register("Div", _divide, NUMBERS)


@reads("Pow", 1, 15, dtypes=NUMBERS)
def _pow(node: NodeToRead) -> Run:
    def power(base: Any, exponent: Any) -> Any:
        if base.dtype == exponent.dtype:
            return ops.power(base, exponent)
        # The exponent has a dtype of its own, and the result the base's.
        if base.dtype.is_floating:
            return ops.power(base, exponent.astype(base.dtype))
        wide = "float64" if exponent.dtype.is_floating else "int64"
        return ops.power(base.astype(wide), exponent.astype(wide)).astype(base.dtype)

    return elementwise(power)


@reads("Mod", 10, 28, "fmod", dtypes=NUMBERS)
def _mod(node: NodeToRead) -> Run:
    fmod = bool(node.get("fmod", 0))

    def remainder(a: Any, b: Any) -> Any:
        if not fmod:
            return ops.remainder(a, b)
        if a.dtype.is_floating:  # the dividend's sign
            return ops.where(ops.less(a, 0), -ops.remainder(-a, ops.absolute(b)), ops.remainder(a, ops.absolute(b)))
        return a - b * _divide(a, b)

    return elementwise(remainder)


def _variadic(op_type: str, function: Callable[[Any, Any], Any], until: int, mean: bool = False) -> None:
    @reads(op_type, 6, until, dtypes=NUMBERS)
    def read(node: NodeToRead) -> Run:
        def run(*values: Value) -> Value:
            found = values[0]
            for value in values[1:]:
                found = elementwise(function)(found, value)
            return Value(found.stored / len(values), found.order) if mean else found

        return run


_variadic("Sum", ops.add, 13)
_variadic("Mean", ops.add, 13, mean=True)
_variadic("Max", ops.maximum, 13)
_variadic("Min", ops.minimum, 13)


@reads("Clip", 6, 13, "min max", dtypes=NUMBERS)
def _clip(node: NodeToRead) -> Run:
    def run(x: Value, low: Value | None = None, high: Value | None = None) -> Value:
        y = x.stored
        low_bound = node.get("min") if low is None else low.tensor
        high_bound = node.get("max") if high is None else high.tensor
        if low_bound is not None:
            y = ops.maximum(y, low_bound)
        if high_bound is not None:
            y = ops.minimum(y, high_bound)
        return x.same_order(y)

    return run


@reads("IsInf", 10, 20, "detect_negative detect_positive", dtypes=(*FLOATING, "bool"))
def _isinf(node: NodeToRead) -> Run:
    signs = [s for s, name in ((1, "detect_positive"), (-1, "detect_negative")) if node.get(name, 1)]

    def infinite(x: Any) -> Any:
        found = [ops.equal(x, sign * float("inf")) for sign in signs]
        return functools.reduce(ops.logical_or, found) if found else ops.zeros(x.shape, "bool", device=x.device)

    return elementwise(infinite)


CASTS = (*ANY, *SIXTEEN_BITS)


@reads("Cast", 6, 28, "to saturate", dtypes=CASTS)
def _cast(node: NodeToRead) -> Run:
    to = dtype_name(node.require("to"), f"node {node.name!r} (Cast)")
    return lambda x: x.same_order(ops.astype(x.stored, to))


@reads("CastLike", 15, 25, "saturate", dtypes=CASTS)
def _cast_like(node: NodeToRead) -> Run:
    return lambda x, like: x.same_order(ops.astype(x.stored, like.dtype))


@reads("Identity", 1, 25, dtypes=CASTS)
def _identity(node: NodeToRead) -> Run:
    return lambda x: x


@reads("Dropout", 7, 22, "ratio seed", dtypes=(*FLOATING, "bool"), steering=(1, 2), outputs=2)
def _dropout(node: NodeToRead) -> Run:
    """Does nothing: a model is read as it predicts."""
    mode = node.constant(2)
    if node.has(2) and (mode is None or bool(mode.reshape(-1)[0])):
        raise node.refuse("training_mode is not supported")

    def run(x: Value, *_: Value) -> Any:
        if len(node.outputs) == 1 or not node.outputs[1]:
            return x
        return x, x.same_order(ops.full(x.stored.shape, True, "bool", device=x.device))

    return run
