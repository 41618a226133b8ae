"""Normalisation, as it predicts."""

from __future__ import annotations

from typing import Any

from .... import ops
from ..orders import channels_last
from ..reader import FLOATING, NodeToRead, Run, reads
from ..values import Value


@reads("BatchNormalization", 7, 15, "epsilon momentum spatial training_mode", dtypes=FLOATING)
def _batch_normalization(node: NodeToRead) -> Run:
    node.only("training_mode", 0)
    node.only("spatial", 1)
    eps = float(node.get("epsilon", 1e-5))

    def run(x: Value, scale: Value, bias: Value, mean: Value, var: Value) -> Value:
        order = channels_last(x.rank)
        rest = (scale.tensor, bias.tensor, mean.tensor.detach(), var.tensor.detach())
        return Value(ops.batch_norm(x.lying(order), *rest, False, 0.0, eps), order)

    return run


@reads("InstanceNormalization", 6, 22, "epsilon", dtypes=FLOATING)
def _instance_normalization(node: NodeToRead) -> Run:
    eps = float(node.get("epsilon", 1e-5))

    def run(x: Value, scale: Value, bias: Value) -> Value:
        order = channels_last(x.rank)
        return Value(ops.group_norm(x.lying(order), x.shape[1], scale.tensor, bias.tensor, eps), order)

    return run


@reads("GroupNormalization", 21, 21, "epsilon num_groups stash_type", dtypes=FLOATING)
def _group_normalization(node: NodeToRead) -> Run:
    node.only("stash_type", 1)
    eps, groups = float(node.get("epsilon", 1e-5)), int(node.require("num_groups"))

    def run(x: Value, scale: Value, bias: Value) -> Value:
        order = channels_last(x.rank)
        return Value(ops.group_norm(x.lying(order), groups, scale.tensor, bias.tensor, eps), order)

    return run


@reads("LayerNormalization", 17, 17, "axis epsilon stash_type", dtypes=FLOATING, outputs=3)
def _layer_normalization(node: NodeToRead) -> Run:
    node.only("stash_type", 1)
    axis, eps = int(node.get("axis", -1)), float(node.get("epsilon", 1e-5))

    def run(x: Value, scale: Value, bias: Value | None = None) -> Any:
        shape = x.shape[axis % x.rank :]
        gamma = ops.broadcast_to(scale.tensor, shape)
        beta = None if bias is None else ops.broadcast_to(bias.tensor, shape)
        y = Value(ops.layer_norm(x.tensor, gamma, beta, eps, shape))
        if len(node.outputs) == 1:
            return y
        axes = tuple(range(axis % x.rank, x.rank))
        deviation = ops.rsqrt(ops.var(x.tensor, axes, keepdims=True) + eps)
        return y, Value(ops.mean(x.tensor, axes, keepdims=True)), Value(deviation)

    return run


@reads("RMSNormalization", 23, 23, "axis epsilon stash_type", dtypes=FLOATING)
def _rms_normalization(node: NodeToRead) -> Run:
    node.only("stash_type", 1)
    axis, eps = int(node.get("axis", -1)), float(node.get("epsilon", 1e-5))

    def run(x: Value, scale: Value) -> Value:
        shape = x.shape[axis % x.rank :]
        return Value(ops.rms_norm(x.tensor, ops.broadcast_to(scale.tensor, shape), eps, shape))

    return run


@reads("LRN", 1, 13, "alpha beta bias size", dtypes=FLOATING)
def _lrn(node: NodeToRead) -> Run:
    size = int(node.require("size"))
    alpha, beta, k = float(node.get("alpha", 1e-4)), float(node.get("beta", 0.75)), float(node.get("bias", 1.0))
    if size < 1 or size % 2 == 0:
        raise node.refuse(f"size must be odd, found {size}")

    def run(x: Value) -> Value:
        order = channels_last(x.rank)
        return Value(ops.local_response_norm(x.lying(order), size, alpha, beta, k), order)

    return run


@reads("LpNormalization", 1, 22, "axis p", dtypes=FLOATING)
def _lp_normalization(node: NodeToRead) -> Run:
    axis, p = int(node.get("axis", -1)), int(node.only("p", 2, 1, 2))

    def run(x: Value) -> Value:
        place = x.order.index(axis % x.rank)
        norm = ops.norm(x.stored, place, p, keepdims=True)
        return x.same_order(x.stored / ops.where(ops.equal(norm, 0), 1.0, norm))

    return run


@reads("MeanVarianceNormalization", 9, 13, "axes", dtypes=FLOATING)
def _mean_variance_normalization(node: NodeToRead) -> Run:
    axes = tuple(node.get("axes") or (0, 2, 3))

    def run(x: Value) -> Value:
        places = tuple(x.order.index(axis % x.rank) for axis in axes)
        centred = x.stored - ops.mean(x.stored, places, keepdims=True)
        deviation = ops.sqrt(ops.mean(ops.square(centred), places, keepdims=True))
        return x.same_order(centred / (deviation + 1e-9))

    return run
