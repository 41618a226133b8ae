"""What reads each node type of ONNX, a file a family."""

from __future__ import annotations

from . import (
    activation,
    arranging,
    convolution,
    elementwise,
    indexing,
    normalization,
    pooling,
    recurrent,
    reductions,
    resizing,
    shaping,
)  # fmt: skip

__all__ = [
    "activation", "arranging", "convolution", "elementwise", "indexing", "normalization", "pooling", "recurrent",
    "reductions", "resizing", "shaping",
]  # fmt: skip
