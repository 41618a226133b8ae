"""Layers that only change the shape of each sample."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import _C, ops
from ..tensor import Tensor
from .module import Module
from .registry import register

__all__ = ["Flatten", "Reshape"]


@register
class Flatten(Module):
    """All axes of a sample as one: [N, ...] to [N, D].

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.Flatten()(tg.zeros((5, 4, 4, 3))).shape
    (5, 48)
    """

    def forward(self, x: Tensor) -> Tensor:
        """[N, ...] to [N, D]."""
        if x.ndim == 0:
            raise _C.ShapeError("flatten: the input must have a batch axis, found a single number")
        return ops.reshape(x, (x.shape[0], math.prod(x.shape[1:])))


@register
class Reshape(Module):
    """Each sample in another shape; one size may be -1 and is inferred.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.Reshape((8, 8, 1))(tg.zeros((5, 64))).shape
    (5, 8, 8, 1)
    """

    def __init__(self, shape: int | Sequence[int]) -> None:
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)

    def forward(self, x: Tensor) -> Tensor:
        """[N, ...] to [N, *shape]."""
        return ops.reshape(x, (x.shape[0], *self.shape))
