"""One optimizer step over all parameters."""

from __future__ import annotations

import numpy as np

from bench.case import Arrays, Case, Spec

RATE, MOMENTUM, BETAS, EPSILON = 1e-3, 0.9, (0.9, 0.999), 1e-8
STEPS = 2  # that are checked
# Parameters in all: those of an MLP 784-256-128-10, a million, ten million.
COUNTS = {"235 K": 235_146, "1 M": 1_000_000, "10 M": 10_000_000}


def parts(spec: Spec) -> list[int]:
    """The sizes of the tensors."""
    count, tensors = spec["count"], spec["tensors"]
    return [count // tensors] * (tensors - 1) + [count - count // tensors * (tensors - 1)]


def inputs(spec: Spec, rng: np.random.Generator) -> Arrays:
    return {
        f"{kind}{i}": rng.standard_normal(size, dtype=np.float32) for kind in "pg" for i, size in enumerate(parts(spec))
    }


def reference(spec: Spec, arrays: Arrays) -> Arrays:
    """The first tensor after two steps with the same gradient."""
    p, g = arrays["p0"].astype(np.float64), arrays["g0"].astype(np.float64)
    m, v = np.zeros_like(p), np.zeros_like(p)
    for step in range(1, STEPS + 1):
        if spec["function"] == "sgd":
            m = g if step == 1 else MOMENTUM * m + g
            p -= RATE * m
        else:
            m = BETAS[0] * m + (1 - BETAS[0]) * g
            v = BETAS[1] * v + (1 - BETAS[1]) * g * g
            p -= RATE * (m / (1 - BETAS[0] ** step)) / (np.sqrt(v / (1 - BETAS[1] ** step)) + EPSILON)
    return {"p": p}


def case(function: str, count: str, tensors: int) -> Case:
    n = COUNTS[count]
    kept = {"adam": "Adam 10 M" if count == "10 M" else "Adam", "sgd": "SGD"}
    return Case(
        family="optimizers",
        group=kept[function],
        name=f"{function} {count} in {tensors} tensor{'s' * (tensors > 1)}",
        kind="optimizer",
        spec={"function": function, "count": n, "tensors": tensors},
        inputs=inputs,
        reference=reference,
        tolerance=1e-6,
        bytes=4.0 * n * (7 if function == "adam" else 5),
        bound="stream" if n == 10_000_000 and function == "adam" else "",
        sides=("ours", "torch"),
        quick=count == "235 K" and tensors > 1,
    )


CASES = [case(function, count, tensors) for function in ("adam", "sgd") for count in COUNTS for tensors in (8, 1)]
