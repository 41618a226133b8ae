"""Sums, extrema, variances and softmax over all elements, rows or columns."""

from __future__ import annotations

import numpy as np

from bench.case import Arrays, Case, Spec


def inputs(spec: Spec, rng: np.random.Generator) -> Arrays:
    return {"x": np.asarray(rng.normal(1, 1, size=spec["shape"]), np.float32)}


def reference(spec: Spec, arrays: Arrays) -> Arrays:
    x, axis, function = arrays["x"].astype(np.float64), spec["axis"], spec["function"]
    if function in ("softmax", "log_softmax", "logsumexp"):
        top = x.max(axis=axis, keepdims=True)
        total = np.exp(x - top).sum(axis=axis, keepdims=True)
        return {
            "softmax": {"y": np.exp(x - top) / total},
            "log_softmax": {"y": x - top - np.log(total)},
            "logsumexp": {"y": (top + np.log(total)).squeeze(axis)},
        }[function]
    return {"y": np.asarray(getattr(np, function)(x, axis=axis), np.float64)}


def case(function: str, shape: tuple[int, ...], axis: int | None, rivals: tuple[str, ...]) -> Case:
    along = {None: "all", 0: "columns", -1: "rows"}[axis]
    traffic = 2.0 if function in ("softmax", "log_softmax") else 1.0
    return Case(
        family="reductions",
        group="reductions",
        name=f"{function} of {' x '.join(map(str, shape))}, {along}",
        kind="reduce",
        spec={"function": function, "shape": shape, "axis": axis},
        inputs=inputs,
        reference=reference,
        bytes=4.0 * float(np.prod(shape)) * traffic,
        sides=("ours", *rivals),
        quick=shape == (1000, 1000),
    )


BOTH = ("numpy", "torch")
CASES = [
    *(case("sum", shape, axis, BOTH) for shape in ((1000, 1000), (65536, 64)) for axis in (None, 0, -1)),
    *(case(function, (1000, 1000), axis, BOTH) for function in ("mean", "max", "argmax", "var") for axis in (0, -1)),
    *(case(function, (4096, 1000), -1, ("torch",)) for function in ("softmax", "log_softmax", "logsumexp")),
    case("sum", (26_000_000,), None, BOTH),
    # Many short rows: what each of them costs beside its elements.
    *(case(function, (65536, 10), -1, BOTH) for function in ("sum", "max", "argmax")),
    *(case(function, (65536, 64), -1, BOTH) for function in ("max", "argmax")),
    *(case(function, (65536, C), -1, ("torch",)) for function in ("softmax", "log_softmax") for C in (10, 64)),
]
