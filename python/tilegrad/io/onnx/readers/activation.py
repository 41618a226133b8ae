"""Activation functions."""

from __future__ import annotations

from typing import Any

from .... import ops
from ..reader import FLOATING, NodeToRead, Run, reads
from ..values import Value, elementwise


@reads("LeakyRelu", 6, 16, "alpha", dtypes=FLOATING)
def _leaky_relu(node: NodeToRead) -> Run:
    alpha = float(node.get("alpha", 0.01))
    return elementwise(lambda x: ops.leaky_relu(x, alpha))


@reads("Elu", 6, 22, "alpha", dtypes=FLOATING)
def _elu(node: NodeToRead) -> Run:
    alpha = float(node.get("alpha", 1.0))
    return elementwise(lambda x: ops.elu(x, alpha))


@reads("Celu", 12, 28, "alpha", dtypes=FLOATING)
def _celu(node: NodeToRead) -> Run:
    alpha = float(node.get("alpha", 1.0))
    return elementwise(lambda x: ops.elu(x / alpha, 1.0) * alpha)


@reads("Selu", 6, 22, "alpha gamma", dtypes=FLOATING)
def _selu(node: NodeToRead) -> Run:
    alpha, gamma = float(node.get("alpha", 1.6732632423543772)), float(node.get("gamma", 1.0507009873554805))
    return elementwise(lambda x: ops.elu(x, alpha) * gamma)


@reads("HardSigmoid", 6, 22, "alpha beta", dtypes=FLOATING)
def _hard_sigmoid(node: NodeToRead) -> Run:
    alpha, beta = float(node.get("alpha", 0.2)), float(node.get("beta", 0.5))
    return elementwise(lambda x: ops.clip(x * alpha + beta, 0.0, 1.0))


@reads("ThresholdedRelu", 10, 22, "alpha", dtypes=FLOATING)
def _thresholded_relu(node: NodeToRead) -> Run:
    alpha = float(node.get("alpha", 1.0))
    return elementwise(lambda x: ops.where(ops.greater(x, alpha), x, 0.0))


@reads("Softsign", 1, 22, dtypes=FLOATING)
def _softsign(node: NodeToRead) -> Run:
    return elementwise(lambda x: x / (ops.absolute(x) + 1))


@reads("Shrink", 9, 9, "bias lambd", dtypes=FLOATING)
def _shrink(node: NodeToRead) -> Run:
    bias, bound = float(node.get("bias", 0.0)), float(node.get("lambd", 0.5))

    def shrink(x: Any) -> Any:
        return ops.where(ops.less(x, -bound), x + bias, ops.where(ops.greater(x, bound), x - bias, 0.0))

    return elementwise(shrink)


@reads("Swish", 24, 24, "alpha", dtypes=FLOATING)
def _swish(node: NodeToRead) -> Run:
    alpha = float(node.get("alpha", 1.0))
    return elementwise(lambda x: x * ops.sigmoid(x * alpha))


@reads("Mish", 18, 22, dtypes=FLOATING)
def _mish(node: NodeToRead) -> Run:
    return elementwise(ops.mish)


@reads("Gelu", 20, 20, "approximate", dtypes=FLOATING)
def _gelu(node: NodeToRead) -> Run:
    approximate = node.only("approximate", "none", "none", "tanh")
    return elementwise(lambda x: ops.gelu(x, approximate))


@reads("PRelu", 7, 16, dtypes=FLOATING)
def _prelu(node: NodeToRead) -> Run:
    return elementwise(lambda x, slope: ops.where(ops.less(x, 0), x * slope, x))


def _along(function: Any, node: NodeToRead) -> Run:
    """Since version 13 along one axis; before over all axes from one on, as if they were one."""
    axis = int(node.get("axis", -1 if node.version >= 13 else 1))

    def run(x: Value) -> Value:
        if node.version >= 13 or axis % max(x.rank, 1) == x.rank - 1:
            return x.same_order(function(x.stored, x.order.index(axis % x.rank)))
        start, shape = axis % x.rank, x.shape
        flat = ops.reshape(x.tensor, (*shape[:start], -1))
        return Value(ops.reshape(function(flat, -1), shape))

    return run


@reads("Softmax", 1, 13, "axis", dtypes=FLOATING)
def _softmax(node: NodeToRead) -> Run:
    return _along(ops.softmax, node)


@reads("LogSoftmax", 1, 13, "axis", dtypes=FLOATING)
def _log_softmax(node: NodeToRead) -> Run:
    return _along(ops.log_softmax, node)


def _hardest(x: Any, axis: int) -> Any:
    rank = x.ndim
    marked = ops.one_hot(ops.argmax(x, axis=axis), x.shape[axis], x.dtype)
    return ops.moveaxis(marked, rank - 1, axis)


@reads("Hardmax", 1, 13, "axis", dtypes=FLOATING)
def _hardmax(node: NodeToRead) -> Run:
    return _along(_hardest, node)
