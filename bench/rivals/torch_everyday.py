"""PyTorch's of bench/cases/everyday.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from bench.cases.everyday import OPERATORS

Tensors = dict[str, torch.Tensor]

WAYS: dict[str, Callable[[Tensors], Any]] = {
    **OPERATORS,
    "outer product": lambda t: torch.outer(t["row"], t["row"]),
    "maximum": lambda t: torch.maximum(t["x"], t["y"]),
    "where": lambda t: torch.where(t["mask"], t["x"], t["y"]),
    "log": lambda t: torch.log(t["positive"]),
    "sin": lambda t: torch.sin(t["x"]),
    "int64 to float32": lambda t: t["whole"].to(torch.float32),
    "float32 to int32": lambda t: (t["x"] * 100).to(torch.int32),
    "copy of a transposed matrix": lambda t: t["x"].T.contiguous(),
    "channels to the front": lambda t: t["images"].permute(0, 2, 1).contiguous(),
    "copy of every other column": lambda t: t["x"][:, ::2].contiguous(),
    "concatenate rows": lambda t: torch.cat([t["x"], t["y"]], 1),
    "pad": lambda t: F.pad(t["x"], (1, 1, 1, 1)),
    "roll": lambda t: torch.roll(t["x"], 3, 1),
    "lower triangle": lambda t: torch.tril(t["x"]),
    "take rows": lambda t: torch.index_select(t["table"], 0, t["index"]),
    "scatter_add of rows": lambda t: torch.zeros_like(t["table"]).index_add_(0, t["index"], t["rows"]),
    "masked_select": lambda t: torch.masked_select(t["x"], t["mask"]),
    "one_hot": lambda t: F.one_hot(t["labels"], 1000),
    "cumsum along rows": lambda t: torch.cumsum(t["x"], 1),
    "cumsum down columns": lambda t: torch.cumsum(t["x"], 0),
    "sort of rows": lambda t: torch.sort(t["x"], dim=1, stable=True),
    "argsort of rows": lambda t: torch.argsort(t["x"], dim=1, stable=True),
    "sort of a million": lambda t: torch.sort(t["long"], stable=True),
    "five largest of rows": lambda t: torch.topk(t["x"], 5),
    "batched product, transposed": lambda t: t["left"] @ t["right"].transpose(1, 2),
}
