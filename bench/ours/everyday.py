"""Ours of bench/cases/everyday.py, through public functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import tilegrad as tg
from bench.case import Arrays, Run, Spec
from bench.cases.everyday import OPERATORS
from bench.ours.kernels import checked

Tensors = dict[str, tg.Tensor]

WAYS: dict[str, Callable[[Tensors], Any]] = {
    **OPERATORS,
    "outer product": lambda t: tg.outer(t["row"], t["row"]),
    "maximum": lambda t: tg.maximum(t["x"], t["y"]),
    "where": lambda t: tg.where(t["mask"], t["x"], t["y"]),
    "log": lambda t: tg.log(t["positive"]),
    "sin": lambda t: tg.sin(t["x"]),
    "int64 to float32": lambda t: t["whole"].astype("float32"),
    "float32 to int32": lambda t: (t["x"] * 100).astype("int32"),
    "copy of a transposed matrix": lambda t: tg.copy(t["x"].T),
    "channels to the front": lambda t: tg.copy(tg.permute(t["images"], (0, 2, 1))),
    "copy of every other column": lambda t: tg.copy(t["x"][:, ::2]),
    "concatenate rows": lambda t: tg.concat([t["x"], t["y"]], 1),
    "pad": lambda t: tg.pad(t["x"], 1),
    "roll": lambda t: tg.roll(t["x"], 3, 1),
    "lower triangle": lambda t: tg.tril(t["x"]),
    "take rows": lambda t: tg.take(t["table"], t["index"], 0),
    "scatter_add of rows": lambda t: tg.scatter_add(tg.zeros(t["table"].shape), t["index"], t["rows"], 0),
    "masked_select": lambda t: tg.masked_select(t["x"], t["mask"]),
    "one_hot": lambda t: tg.one_hot(t["labels"], 1000),
    "cumsum along rows": lambda t: tg.cumsum(t["x"], 1),
    "cumsum down columns": lambda t: tg.cumsum(t["x"], 0),
    "sort of rows": lambda t: tg.sort(t["x"], 1),
    "argsort of rows": lambda t: tg.argsort(t["x"], 1),
    "sort of a million": lambda t: tg.sort(t["long"]),
    "five largest of rows": lambda t: tg.topk(t["x"], 5),
    "batched product, transposed": lambda t: t["left"] @ tg.permute(t["right"], (0, 2, 1)),
}


def everyday(spec: Spec, arrays: Arrays) -> list[Run]:
    tensors = {name: tg.from_numpy(array) for name, array in arrays.items()}
    return [checked(partial(WAYS[spec["what"]], tensors), "y")]
