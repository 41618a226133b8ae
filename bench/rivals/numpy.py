"""NumPy with whatever BLAS it came with, free to choose its kernels for this machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from bench.case import Arrays, Builder, Run, Spec
from bench.cases.everyday import WAYS


def versions() -> dict[str, str]:
    found = {"numpy": np.__version__}
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        found["BLAS"] = "core unknown: threadpoolctl is not installed"
        return found
    for info in threadpool_info():
        if info["user_api"] == "blas":
            found["BLAS"] = f"{info['internal_api']} {info.get('version')}, core {info.get('architecture')}"
    return found


def set_threads(count: int) -> None:
    """OPENBLAS_NUM_THREADS and its like, set before the process started, have said it."""


def run(call: Callable[[], Any], name: str) -> list[Run]:
    return [Run("numpy", call, lambda: {name: np.array(call())})]


def matmul(spec: Spec, arrays: Arrays) -> list[Run]:
    a, b = (
        arrays[name].T if letter == "T" else arrays[name] for name, letter in zip("ab", spec["layout"], strict=True)
    )
    return run(partial(np.matmul, a, b, out=np.empty((spec["M"], spec["N"]), spec["dtype"])), "product")


def elementwise(spec: Spec, arrays: Arrays) -> list[Run]:
    """Into an output that is kept: NumPy's own would be fresh pages every time."""
    x, y = arrays["x"], arrays["y"]
    out = np.empty_like(x)
    calls: dict[str, Callable[[], Any]] = {
        "relu": partial(np.maximum, x, np.float32(0), out=out),
        "add": partial(np.add, x, y, out=out),
        "multiply": partial(np.multiply, x, y, out=out),
        "exp": partial(np.exp, x, out=out),
        "tanh": partial(np.tanh, x, out=out),
        "sqrt": partial(np.sqrt, x, out=out),
    }
    return run(calls[spec["function"]], "y") if spec["function"] in calls else []


def reduce(spec: Spec, arrays: Arrays) -> list[Run]:
    return run(partial(getattr(np, spec["function"]), arrays["x"], axis=spec["axis"]), "y")


def everyday(spec: Spec, arrays: Arrays) -> list[Run]:
    return run(partial(WAYS[spec["what"]], arrays), "y")


def add4(spec: Spec, arrays: Arrays) -> list[Run]:
    return run(partial(np.add, arrays["a"], arrays["b"]), "sum")


def allocate(spec: Spec, arrays: Arrays) -> list[Run]:
    n = spec["bytes"] // 4
    return [Run("numpy", partial(np.ones if spec["fill"] else np.empty, n, np.float32), dict)]


BUILDERS: dict[str, Builder] = {
    "matmul": matmul,
    "elementwise": elementwise,
    "reduce": reduce,
    "everyday": everyday,
    "add4": add4,
    "allocate": allocate,
}
