"""What programs do between the large kernels: moving, choosing, sorting, running sums, arithmetic of mixed shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.case import Arrays, Case, Spec

N, TABLE, TAKEN = 1024, (1024, 64), 65536


def inputs(spec: Spec, rng: np.random.Generator) -> Arrays:
    x, y = (np.asarray(rng.standard_normal((N, N), dtype=np.float32)) for _ in range(2))
    return {
        "x": x,
        "y": y,
        "positive": np.abs(x) + np.float32(0.01),
        "row": x[0].copy(),
        "column": x[:, :1].copy(),
        "mask": y > 0,
        "images": np.asarray(rng.standard_normal((64, 1024, 64), dtype=np.float32)),
        "long": np.asarray(rng.standard_normal(1_000_000, dtype=np.float32)),
        "whole": rng.integers(0, 1_000_000, 1_000_000),
        "table": np.asarray(rng.standard_normal(TABLE, dtype=np.float32)),
        "rows": np.asarray(rng.standard_normal((TAKEN, TABLE[1]), dtype=np.float32)),
        "index": rng.integers(0, TABLE[0], TAKEN),
        "labels": rng.integers(0, 1000, 4096),
        "left": np.asarray(rng.standard_normal((256, 64, 64), dtype=np.float32)),
        "right": np.asarray(rng.standard_normal((256, 64, 64), dtype=np.float32)),
    }


def added_up(a: Arrays) -> np.ndarray:
    total = np.zeros(TABLE, a["rows"].dtype)
    np.add.at(total, a["index"], a["rows"])
    return total


def largest(a: Arrays) -> np.ndarray:
    return -np.sort(-a["x"], 1)[:, :5]


# By name: what every library's arrays do by operators,
OPERATORS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "add a row": lambda a: a["x"] + a["row"],
    "add a column": lambda a: a["x"] + a["column"],
    "add a transposed matrix": lambda a: a["x"] + a["y"].T,
    "less": lambda a: a["x"] < a["y"],
    "x ** 3": lambda a: a["x"] ** 3,
    "x ** 2.5": lambda a: a["positive"] ** 2.5,
    "remainder": lambda a: a["long"] % 0.7,
    "floor_divide": lambda a: a["long"] // 0.7,
    "int64 times a number": lambda a: a["whole"] * 3,
    "batched product": lambda a: a["left"] @ a["right"],
}
# and NumPy's way, which is the reference in float64.
WAYS: dict[str, Callable[[Arrays], Any]] = {
    **OPERATORS,
    "outer product": lambda a: np.multiply.outer(a["row"], a["row"]),
    "maximum": lambda a: np.maximum(a["x"], a["y"]),
    "where": lambda a: np.where(a["mask"], a["x"], a["y"]),
    "log": lambda a: np.log(a["positive"]),
    "sin": lambda a: np.sin(a["x"]),
    "int64 to float32": lambda a: a["whole"].astype(a["x"].dtype),
    "float32 to int32": lambda a: (a["x"] * 100).astype(np.int32),
    "copy of a transposed matrix": lambda a: a["x"].T.copy(),
    "channels to the front": lambda a: np.ascontiguousarray(a["images"].transpose(0, 2, 1)),
    "copy of every other column": lambda a: a["x"][:, ::2].copy(),
    "concatenate rows": lambda a: np.concatenate([a["x"], a["y"]], 1),
    "pad": lambda a: np.pad(a["x"], 1),
    "roll": lambda a: np.roll(a["x"], 3, 1),
    "lower triangle": lambda a: np.tril(a["x"]),
    "take rows": lambda a: a["table"][a["index"]],
    "scatter_add of rows": added_up,
    "masked_select": lambda a: a["x"][a["mask"]],
    "one_hot": lambda a: np.eye(1000, dtype=np.int64)[a["labels"]],
    "cumsum along rows": lambda a: np.cumsum(a["x"], 1),
    "cumsum down columns": lambda a: np.cumsum(a["x"], 0),
    "sort of rows": lambda a: np.sort(a["x"], 1),
    "argsort of rows": lambda a: np.argsort(a["x"], 1, kind="stable"),
    "sort of a million": lambda a: np.sort(a["long"]),
    "five largest of rows": largest,
    "batched product, transposed": lambda a: a["left"] @ a["right"].transpose(0, 2, 1),
}


def reference(spec: Spec, arrays: Arrays) -> Arrays:
    # Where rounding decides (a quotient next to a whole number), in float32, which is exact there.
    exact = spec["what"] in ("remainder", "floor_divide", "float32 to int32")
    wide = {name: a if exact or a.dtype != np.float32 else a.astype(np.float64) for name, a in arrays.items()}
    return {"y": np.asarray(WAYS[spec["what"]](wide), np.float64)}


CASES = [
    Case(
        family="everyday",
        group="everyday",
        name=what,
        kind="everyday",
        spec={"what": what},
        inputs=inputs,
        reference=reference,
        sides=("ours", "numpy", "torch"),
        quick=what == "sort of rows",
    )
    for what in WAYS
]
