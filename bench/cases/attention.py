"""Scaled dot-product attention, forward (with what the gradient needs) and backward."""

from __future__ import annotations

import math

import numpy as np

from bench.case import Arrays, Case, Spec

# Samples, heads, lengths, features of a head: short sequences of small models, those of a text model, a long one.
SHAPES = ((64, 4, 8, 8), (32, 4, 64, 16), (8, 8, 256, 64), (1, 8, 1024, 64))


def inputs(spec: Spec, rng: np.random.Generator) -> Arrays:
    N, H, T, D = spec["shape"]
    return {name: rng.normal(size=(N, H, T, D)).astype(np.float32) for name in ("q", "k", "v", "dy")}


def reference(spec: Spec, arrays: Arrays) -> Arrays:
    q, k, v, dy = (arrays[name].astype(np.float64) for name in ("q", "k", "v", "dy"))
    scale = 1 / math.sqrt(q.shape[-1])
    scores = scale * q @ np.swapaxes(k, -1, -2)
    if spec["causal"]:
        scores = np.where(np.tril(np.ones(scores.shape[-2:], bool)), scores, -np.inf)
    p = np.exp(scores - scores.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    y = p @ v
    if spec["pass"] == "forward":
        return {"y": y}
    ds = scale * p * (dy @ np.swapaxes(v, -1, -2) - (dy * y).sum(-1, keepdims=True))
    return {"dq": ds @ k, "dk": np.swapaxes(ds, -1, -2) @ q, "dv": np.swapaxes(p, -1, -2) @ dy}


CASES = [
    Case(
        family="attention",
        group="attention",
        name=f"{what} {N} x {H} x {T} x {D}{' causal' if causal else ''}",
        kind="attention",
        spec={"shape": (N, H, T, D), "pass": what, "causal": causal},
        inputs=inputs,
        reference=reference,
        tolerance=1e-5,
        flops=(4.0 if what == "forward" else 10.0) * N * H * T * T * D / (2 if causal else 1),
        bound="flops",
        sides=("ours", "torch"),
        quick=T == 8,
    )
    for N, H, T, D in SHAPES
    for causal in (False, True)
    for what in ("forward", "backward")
]
