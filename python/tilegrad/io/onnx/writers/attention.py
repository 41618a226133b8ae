"""Attention, as the products and the softmax that it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..orders import natural
from ..writer import writes

if TYPE_CHECKING:
    from ..trace import Call
    from ..writer import Writer


@writes("attention")
def _attention(writer: Writer, call: Call) -> None:
    q, k, v, mask, _, scale, is_causal, _, _ = call.arguments
    dtype, rank = q.dtype.name, q.ndim
    keys = writer.name(k, (*natural(rank)[:-2], rank - 1, rank - 2))
    scores = writer.emit("MatMul", [writer.name(q), keys])
    scores = writer.emit("Mul", [scores, writer.number(scale, dtype)])
    lowest = writer.number(np.finfo(dtype).min, dtype)  # finite, so that a row without any key stays a number
    seen: list[str] = []
    if mask is not None and mask.dtype == "bool":
        seen.append(writer.name(mask))
    elif mask is not None:
        scores = writer.emit("Add", [scores, writer.name(mask)])
        seen.append(writer.emit("Greater", [scores, lowest]))
    if is_causal:
        seen.append(writer.number(np.tri(q.shape[-2], k.shape[-2], dtype=bool), "bool"))
    for visible in seen:
        scores = writer.emit("Where", [visible, scores, lowest])
    weights = writer.emit("Softmax", [scores], axis=-1)
    for visible in seen:  # a query that sees no key gives zeros
        weights = writer.emit("Where", [visible, weights, writer.number(0, dtype)])
    writer.result(call.result[0], writer.emit("MatMul", [weights, writer.name(v)]))
