"""Losses: value and gradient."""

from __future__ import annotations

import numpy as np

from bench.case import Arrays, Case, Spec


def inputs(spec: Spec, rng: np.random.Generator) -> Arrays:
    rows, classes = spec["shape"]
    return {
        "logits": rng.normal(size=(rows, classes)).astype(np.float32),
        "labels": rng.integers(0, classes, size=rows),
        "target": rng.normal(size=(rows, classes)).astype(np.float32),
    }


def reference(spec: Spec, arrays: Arrays) -> Arrays:
    x, labels = arrays["logits"].astype(np.float64), arrays["labels"]
    if spec["function"] == "mse":
        difference = x - arrays["target"]
        return {"loss": np.asarray((difference**2).mean()), "gradient": 2 * difference / x.size}
    rows = np.arange(len(x))
    shifted = x - x.max(axis=1, keepdims=True)
    total = np.exp(shifted).sum(axis=1)
    gradient = np.exp(shifted) / total[:, None]
    gradient[rows, labels] -= 1
    return {"loss": np.asarray((np.log(total) - shifted[rows, labels]).mean()), "gradient": gradient / len(x)}


def case(function: str, rows: int, classes: int) -> Case:
    return Case(
        family="losses",
        group="softmax cross-entropy" if function == "cross_entropy" else "other",
        name=f"{function} {rows} x {classes}, with gradient",
        kind="loss",
        spec={"function": function, "shape": (rows, classes)},
        inputs=inputs,
        reference=reference,
        bytes=8.0 * rows * classes,
        sides=("ours", "torch"),
        quick=rows == 128,
    )


CASES = [
    *(case("cross_entropy", *shape) for shape in ((128, 10), (65536, 10), (128, 1000), (4096, 1000))),
    *(case("mse", *shape) for shape in ((128, 10), (4096, 1000))),
]
