"""Pooling layers: the largest or the mean value of each window, or of the whole image."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..tensor import Tensor
from .module import Module
from .registry import register

__all__ = ["AvgPool2d", "GlobalAvgPool2d", "GlobalMaxPool2d", "MaxPool2d"]


@register
class MaxPool2d(Module):
    """The largest value of each window of images [N, H, W, C].

    Parameters
    ----------
    kernel_size
        Rows and columns of the window: an integer, or a pair.
    stride
        Distance between windows; by default ``kernel_size``, so that they do not overlap.
    padding
        As in :func:`tilegrad.max_pool2d`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.MaxPool2d(2)(tg.zeros((5, 8, 8, 3))).shape
    (5, 4, 4, 3)
    """

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = "valid") -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, C] to [N, P, Q, C]."""
        return ops.max_pool2d(x, self.kernel_size, self.stride, self.padding)


@register
class AvgPool2d(Module):
    """The mean of each window of images [N, H, W, C]; padding does not count. Parameters as :class:`MaxPool2d`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.AvgPool2d(2)(tg.ones((1, 2, 2, 1))).tolist()
    [[[[1.0]]]]
    """

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = "valid") -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, C] to [N, P, Q, C]."""
        return ops.avg_pool2d(x, self.kernel_size, self.stride, self.padding)


@register
class GlobalAvgPool2d(Module):
    """The mean of each channel over the whole image, [N, H, W, C] to [N, C].

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.GlobalAvgPool2d()(tg.zeros((5, 8, 8, 3))).shape
    (5, 3)
    """

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, C] to [N, C]."""
        return ops.global_avg_pool2d(x)


@register
class GlobalMaxPool2d(Module):
    """The largest value of each channel over the whole image, [N, H, W, C] to [N, C].

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.GlobalMaxPool2d()(tg.zeros((5, 8, 8, 3))).shape
    (5, 3)
    """

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, C] to [N, C]."""
        return ops.global_max_pool2d(x)
