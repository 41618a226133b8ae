"""Pooling in windows of 2 x 2, forward (with what the gradient needs) and backward."""

from __future__ import annotations

import numpy as np

from bench.case import Arrays, Case, Spec
from bench.shapes import POOLS


def inputs(spec: Spec, rng: np.random.Generator) -> Arrays:
    N, H, C = spec["shape"]
    return {
        "x": rng.normal(size=(N, H, H, C)).astype(np.float32),
        "dy": rng.normal(size=(N, H // 2, H // 2, C)).astype(np.float32),
    }


def reference(spec: Spec, arrays: Arrays) -> Arrays:
    N, H, C = spec["shape"]
    windows = arrays["x"].astype(np.float64).reshape(N, H // 2, 2, H // 2, 2, C)
    dy = arrays["dy"].astype(np.float64).reshape(N, H // 2, 1, H // 2, 1, C)
    largest = windows.max(axis=(2, 4), keepdims=True)  # random numbers: no two are equal
    results = {
        "max forward": {"y": windows.max(axis=(2, 4))},
        "max backward": {"dx": ((windows == largest) * dy).reshape(N, H, H, C)},
        "avg forward": {"y": windows.mean(axis=(2, 4))},
        "avg backward": {"dx": np.broadcast_to(dy / 4, windows.shape).reshape(N, H, H, C)},
    }
    found: Arrays = results[f"{spec['function']} {spec['pass']}"]
    return found


CASES = [
    Case(
        family="pooling",
        group="pooling",
        name=f"{function} {what} {N} x {H}² x {C}",
        kind="pool",
        spec={"shape": (N, H, C), "function": function, "pass": what},
        inputs=inputs,
        reference=reference,
        tolerance=1e-6,
        bytes=4.0 * N * H * H * C * 1.25,
        sides=("ours", "torch"),
        quick=C == 6,
    )
    for N, H, C in POOLS
    for function in ("max", "avg")
    for what in ("forward", "backward")
]
