"""Elementwise functions, inside the caches and beyond."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from bench.case import Arrays, Case, Spec

SMALL, MIDDLE, LARGE = 100_000, 4_200_000, 26_000_000  # 0.4, 17 and 104 MB: in L2 and L3, about L3, beyond
FUNCTIONS: dict[
    str, tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], int]
] = {  # in float64; how many arrays of n elements are read and written
    "relu": (lambda x, y: np.maximum(x, 0), 2),
    "relu_backward": (lambda x, y: np.where(x > 0, y, 0), 3),
    "add": (lambda x, y: x + y, 3),
    "multiply": (lambda x, y: x * y, 3),
    "exp": (lambda x, y: np.exp(x), 2),
    "tanh": (lambda x, y: np.tanh(x), 2),
    "sigmoid": (lambda x, y: 1 / (1 + np.exp(-x)), 2),
    "gelu": (lambda x, y: np.array([0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in x]), 2),
    "sqrt": (lambda x, y: np.sqrt(np.abs(x)), 2),
}
COMPARED = 5000  # elements from the start


def inputs(spec: Spec, rng: np.random.Generator) -> Arrays:
    x, y = (np.asarray(rng.standard_normal(spec["n"], dtype=np.float32)) for _ in range(2))
    return {"x": np.abs(x) if spec["function"] == "sqrt" else x, "y": y}


def reference(spec: Spec, arrays: Arrays) -> Arrays:
    function = FUNCTIONS[spec["function"]][0]
    x, y = (arrays[name][:COMPARED].astype(np.float64) for name in "xy")
    return {"y": function(x, y)}


def case(function: str, n: int) -> Case:
    return Case(
        family="elementwise",
        group="beyond L3" if n == LARGE else "other",
        name=f"{function} {n:,}".replace(",", " "),
        kind="elementwise",
        spec={"function": function, "n": n},
        inputs=inputs,
        reference=reference,
        tolerance=1e-6,
        bytes=4.0 * n * FUNCTIONS[function][1],
        bound="stream" if n == LARGE else "",
        sides=("ours", "numpy", "torch"),
        quick=n == SMALL,
    )


CASES = [
    *(case(function, n) for function in ("relu", "relu_backward", "add") for n in (SMALL, MIDDLE, LARGE)),
    *(case(function, LARGE) for function in ("multiply", "sqrt")),
    *(case(function, n) for function in ("exp", "tanh", "sigmoid", "gelu") for n in (SMALL, MIDDLE)),
]
