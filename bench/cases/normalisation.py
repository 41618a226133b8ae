"""Batch normalisation with ReLU while training, forward and backward; layer normalisation; bias with ReLU."""

from __future__ import annotations

import numpy as np

from bench.case import Arrays, Case, Spec

SHAPES = [(128, 32, 32), (128, 16, 64), (128, 32, 16)]  # N, H, C
EPSILON = 1e-5
UNSURE = 1e-3  # rounding decides on which side of ReLU a smaller output falls: no gradient comes from there


def inputs(spec: Spec, rng: np.random.Generator) -> Arrays:
    shape = spec["shape"]
    arrays = {
        "x": np.asarray(rng.normal(1, 2, size=shape), np.float32),
        "gamma": rng.uniform(0.5, 1.5, size=shape[-1]).astype(np.float32),
        "beta": rng.normal(size=shape[-1]).astype(np.float32),
        "dy": np.asarray(rng.normal(size=shape), np.float32),
    }
    if spec["function"] == "batch_norm" and spec["pass"] == "backward":
        arrays["dy"][np.abs(normal_of(spec, arrays)[2]) < UNSURE] = 0
    return arrays


def normal_of(spec: Spec, arrays: Arrays) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """1 / sqrt(variance), the normalised input, and that scaled and shifted, in float64."""
    x = arrays["x"].astype(np.float64)
    axes = -1 if spec["function"] == "layer_norm" else tuple(range(x.ndim - 1))
    inverse = 1 / np.sqrt(x.var(axis=axes, keepdims=True) + EPSILON)
    normal = (x - x.mean(axis=axes, keepdims=True)) * inverse
    return inverse, normal, normal * arrays["gamma"] + arrays["beta"]


def reference(spec: Spec, arrays: Arrays) -> Arrays:
    x, gamma, beta, dy = (arrays[name].astype(np.float64) for name in ("x", "gamma", "beta", "dy"))
    if spec["function"] == "bias_relu":
        return {"y": np.maximum(x + beta, 0)}
    axes = -1 if spec["function"] == "layer_norm" else tuple(range(x.ndim - 1))
    inverse, normal, y = normal_of(spec, arrays)
    if spec["function"] == "batch_norm":
        y = np.maximum(y, 0)
        dy = dy * (y > 0)
    if spec["pass"] == "forward":
        return {"y": y}
    slope = dy * gamma
    dx = inverse * (
        slope - slope.mean(axis=axes, keepdims=True) - normal * (slope * normal).mean(axis=axes, keepdims=True)
    )
    rows = tuple(range(x.ndim - 1))
    return {"dx": dx, "dgamma": (dy * normal).sum(axis=rows), "dbeta": dy.sum(axis=rows)}


def case(group: str, function: str, what: str, shape: tuple[int, ...], traffic: float) -> Case:
    sizes = " x ".join(str(size) for size in shape)
    return Case(
        family="normalisation",
        group=group,
        name=f"{function} {what} {sizes}",
        kind="normalise",
        spec={"shape": shape, "function": function, "pass": what},
        inputs=inputs,
        reference=reference,
        tolerance=1e-4,
        bytes=4.0 * float(np.prod(shape)) * traffic,
        sides=("ours", "torch"),
        quick=shape in ((128, 16, 16, 64), (512, 256)),
    )


CASES = [
    *(
        case("batch norm + ReLU", "batch_norm", what, (N, H, H, C), 3 if what == "forward" else 5)
        for N, H, C in SHAPES
        for what in ("forward", "backward")
    ),
    *(case("bias + ReLU", "bias_relu", "forward", (N, H, H, C), 2) for N, H, C in SHAPES),
    *(
        case("layer norm", "layer_norm", what, shape, 2 if what == "forward" else 3)
        for shape in ((512, 256), (4096, 768))
        for what in ("forward", "backward")
    ),
]
