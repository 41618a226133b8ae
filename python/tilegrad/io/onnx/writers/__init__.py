"""What writes each native function as nodes, a file a family."""

from __future__ import annotations

from . import (
    activation,
    arranging,
    attention,
    convolution,
    elementwise,
    indexing,
    normalization,
    pooling,
    recurrent,
    reductions,
    shaping,
)  # fmt: skip

__all__ = [
    "activation", "arranging", "attention", "convolution", "elementwise", "indexing", "normalization", "pooling",
    "recurrent", "reductions", "shaping",
]  # fmt: skip
