"""Dropout layers."""

from __future__ import annotations

from .. import _C, ops
from ..tensor import Tensor
from .module import Module
from .registry import register

__all__ = ["AlphaDropout", "Dropout", "Dropout2d", "SpatialDropout"]


class _Dropout(Module):
    def __init__(self, p: float = 0.5) -> None:
        if isinstance(p, bool) or not isinstance(p, (int, float)) or not 0 <= p < 1:
            raise _C.ArgumentError(f"{type(self).__name__}: p must be at least 0 and below 1, found {p!r}")
        self.p = p


@register
class Dropout(_Dropout):
    """Sets each value to zero with probability ``p`` while training and divides the others by ``1 - p``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> layer = tg.nn.Dropout(0.5).eval()
    >>> layer(tg.ones(3))
    tensor([1., 1., 1.])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return ops.dropout(x, self.p, self.training)


@register
class SpatialDropout(_Dropout):
    """:class:`Dropout` of whole channels: each channel of each sample is set to zero with probability ``p``.

    Also as ``nn.Dropout2d``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> layer = tg.nn.SpatialDropout(0.5).eval()
    >>> layer(tg.ones((1, 1, 3)))
    tensor([[[1., 1., 1.]]])
    """

    def forward(self, x: Tensor) -> Tensor:
        """[N, ..., C], with at least one axis between samples and channels."""
        return ops.spatial_dropout(x, self.p, self.training)


Dropout2d = SpatialDropout


@register
class AlphaDropout(_Dropout):
    """Dropout that keeps mean and variance of networks of :class:`SELU`; see :func:`tilegrad.alpha_dropout`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> layer = tg.nn.AlphaDropout(0.1).eval()
    >>> layer(tg.ones(3))
    tensor([1., 1., 1.])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return ops.alpha_dropout(x, self.p, self.training)
