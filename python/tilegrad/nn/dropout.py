"""Dropout layers."""

from __future__ import annotations

from .. import _C, ops
from ..tensor import Tensor
from .module import Module
from .registry import register

__all__ = ["Dropout"]


@register
class Dropout(Module):
    """Sets each value to zero with probability ``p`` while training and divides the others by ``1 - p``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> layer = tg.nn.Dropout(0.5).eval()
    >>> layer(tg.ones(3))
    tensor([1., 1., 1.])
    """

    def __init__(self, p: float = 0.5) -> None:
        if not isinstance(p, (int, float)) or not 0 <= p < 1:
            raise _C.ArgumentError(f"Dropout: p must be at least 0 and below 1, found {p!r}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return ops.dropout(x, self.p, self.training)
