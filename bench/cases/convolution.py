"""Convolution: forward with bias, and both gradients."""

from __future__ import annotations

import numpy as np

from bench.case import Arrays, Case, Spec
from bench.shapes import CONVOLUTIONS, Shape

IMAGES = 2  # of which the values are compared
QUICK = (Shape(64, 1, 28, 6, 5, 1, 2), Shape(64, 128, 8, 256, 3, 1, 1))


def inputs(spec: Spec, rng: np.random.Generator) -> Arrays:
    shape = Shape(*spec["shape"])
    return {
        "x": rng.normal(size=(shape.N, shape.H, shape.H, shape.C)).astype(np.float32),
        "w": rng.normal(size=(shape.R, shape.R, shape.C // shape.groups, shape.K)).astype(np.float32),
        "b": rng.normal(size=shape.K).astype(np.float32),
        "dy": rng.normal(size=(shape.N, shape.P, shape.P, shape.K)).astype(np.float32),
    }


def reference(spec: Spec, arrays: Arrays) -> Arrays:
    """The definition in float64: of two images, or of all for the weights' gradient."""
    shape, what = Shape(*spec["shape"]), spec["pass"]
    some = slice(None) if what == "weights" else slice(0, IMAGES)
    x, dy = arrays["x"][some], arrays["dy"][some].astype(np.float64)
    w = arrays["w"].astype(np.float64)
    around = ((0, 0), *((shape.padding, shape.padding),) * 2, (0, 0))
    padded = np.pad(x.astype(np.float64), around)
    C, K = shape.C // shape.groups, shape.K // shape.groups
    y = np.zeros(dy.shape)
    dx, dw = np.zeros_like(padded), np.zeros(w.shape)
    reach = (shape.P - 1) * shape.stride + 1
    for g in range(shape.groups):
        c, k = slice(g * C, (g + 1) * C), slice(g * K, (g + 1) * K)
        for r in range(shape.R):
            for s in range(shape.R):
                seen = (slice(None), slice(r, r + reach, shape.stride), slice(s, s + reach, shape.stride), c)
                if what == "forward":
                    y[..., k] += padded[seen] @ w[r, s, :, k]
                elif what == "data":
                    dx[seen] += dy[..., k] @ w[r, s, :, k].T
                else:
                    dw[r, s, :, k] = padded[seen].reshape(-1, C).T @ dy[..., k].reshape(-1, K)
    inside = slice(shape.padding, shape.padding + shape.H)
    return {
        "forward": {"y": np.maximum(y + arrays["b"], 0)},
        "data": {"dx": dx[:, inside, inside]},
        "weights": {"dw": dw},
    }[what]


def case(group: str, shape: Shape, what: str) -> Case:
    size = 4.0 * (shape.N * shape.H**2 * shape.C + shape.N * shape.P**2 * shape.K)
    return Case(
        family="convolution",
        group=group,
        name=f"{what} {' '.join(str(shape).split())}",
        kind="conv2d",
        spec={"shape": tuple(shape), "pass": what},
        inputs=inputs,
        reference=reference,
        tolerance=2e-5,
        flops=shape.flops,
        bytes=size,
        bound="flops",
        sides=("ours", "torch"),
        quick=shape in QUICK,
    )


def winograd_fits(shape: Shape) -> bool:
    return (shape.R, shape.stride, shape.groups) == (3, 1, 1) and shape.C >= 16


ORDINARY = [shape for shape in CONVOLUTIONS if shape.groups == 1]
GROUPED = [shape for shape in CONVOLUTIONS if shape.groups > 1]
CASES = [
    *(case("3x3", shape, "forward") for shape in ORDINARY if winograd_fits(shape)),
    *(case("other", shape, "forward") for shape in ORDINARY if not winograd_fits(shape)),
    *(case("weights", shape, "weights") for shape in ORDINARY),
    *(case("data", shape, "data") for shape in ORDINARY),
    *(case("grouped", shape, what) for shape in GROUPED for what in ("forward", "weights", "data")),
]
