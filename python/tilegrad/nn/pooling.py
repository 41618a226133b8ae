"""Pooling layers: the largest or the mean value of each window, or of the whole image."""

from __future__ import annotations

from typing import Any

from .. import _C, ops
from ..tensor import Tensor
from .module import Module
from .registry import register

__all__ = [
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "GlobalAvgPool1d",
    "GlobalAvgPool2d",
    "GlobalMaxPool1d",
    "GlobalMaxPool2d",
    "MaxPool1d",
    "MaxPool2d",
]


@register
class MaxPool2d(Module):
    """The largest value of each window of images [N, H, W, C].

    Parameters
    ----------
    kernel_size
        Rows and columns of the window: an integer, or a pair.
    stride
        Distance between windows; by default ``kernel_size``, so that they do not overlap.
    padding, ceil_mode
        As in :func:`tilegrad.max_pool2d`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.MaxPool2d(2)(tg.zeros((5, 8, 8, 3))).shape
    (5, 4, 4, 3)
    """

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = "valid", ceil_mode: bool = False) -> None:
        self.kernel_size, self.stride, self.padding, self.ceil_mode = kernel_size, stride, padding, ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, C] to [N, P, Q, C]."""
        return ops.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode)


@register
class AvgPool2d(Module):
    """The mean of each window of images [N, H, W, C].

    Parameters
    ----------
    kernel_size
        Rows and columns of the window: an integer, or a pair.
    stride
        Distance between windows; by default ``kernel_size``, so that they do not overlap.
    padding, ceil_mode
        As in :func:`tilegrad.max_pool2d`.
    count_include_pad
        Whether the zeros of the padding count as pixels; otherwise the mean is that of the pixels inside the image.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.AvgPool2d(2)(tg.ones((1, 2, 2, 1))).tolist()
    [[[[1.0]]]]
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = "valid",
        ceil_mode: bool = False,
        count_include_pad: bool = False,
    ) -> None:
        self.kernel_size, self.stride, self.padding, self.ceil_mode = kernel_size, stride, padding, ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, C] to [N, P, Q, C]."""
        return ops.avg_pool2d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


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


@register
class AdaptiveAvgPool2d(Module):
    """The mean of each of ``output_size`` windows that cover images of any size.

    Parameters
    ----------
    output_size
        P and Q: an integer, or (rows, columns); both may be larger than the image.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.AdaptiveAvgPool2d((2, 3))(tg.zeros((5, 7, 8, 3))).shape
    (5, 2, 3, 3)
    """

    def __init__(self, output_size: Any) -> None:
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, C] to [N, P, Q, C]."""
        return ops.adaptive_avg_pool2d(x, self.output_size)


@register
class AdaptiveMaxPool2d(Module):
    """The maximum of each of ``output_size`` windows that cover images of any size.

    Parameters
    ----------
    output_size
        P and Q: an integer, or (rows, columns); both may be larger than the image.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.AdaptiveMaxPool2d(2)(tg.zeros((5, 7, 8, 3))).shape
    (5, 2, 2, 3)
    """

    def __init__(self, output_size: Any) -> None:
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, C] to [N, P, Q, C]."""
        return ops.adaptive_max_pool2d(x, self.output_size)


@register
class MaxPool1d(Module):
    """The largest value of each window of sequences [N, L, C].

    Parameters
    ----------
    kernel_size
        The length of the window.
    stride
        Distance between windows; by default ``kernel_size``, so that they do not overlap.
    padding, ceil_mode
        As in :func:`tilegrad.max_pool1d`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.MaxPool1d(2)(tg.zeros((5, 8, 3))).shape
    (5, 4, 3)
    """

    def __init__(
        self, kernel_size: int, stride: int | None = None, padding: Any = "valid", ceil_mode: bool = False
    ) -> None:
        self.kernel_size, self.stride, self.padding, self.ceil_mode = kernel_size, stride, padding, ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, C] to [N, Q, C]."""
        return ops.max_pool1d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode)


@register
class AvgPool1d(Module):
    """The mean of each window of sequences [N, L, C].

    Parameters
    ----------
    kernel_size, stride, padding, ceil_mode
        As in :class:`MaxPool1d`.
    count_include_pad
        Whether the zeros of the padding count; otherwise the mean is that of what is inside the sequence.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.AvgPool1d(2)(tg.ones((1, 2, 1))).tolist()
    [[[1.0]]]
    """

    def __init__(
        self,
        kernel_size: int,
        stride: int | None = None,
        padding: Any = "valid",
        ceil_mode: bool = False,
        count_include_pad: bool = False,
    ) -> None:
        self.kernel_size, self.stride, self.padding, self.ceil_mode = kernel_size, stride, padding, ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, C] to [N, Q, C]."""
        return ops.avg_pool1d(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


def _require_sequences(op: str, x: Tensor) -> None:
    if x.ndim != 3 or x.shape[1] == 0:
        raise _C.ShapeError(
            f"{op}: x must have 3 dimensions [N, L, C] and at least one position, found {list(x.shape)}"
        )


@register
class GlobalAvgPool1d(Module):
    """The mean of each channel over the whole sequence, [N, L, C] to [N, C].

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.GlobalAvgPool1d()(tg.zeros((5, 8, 3))).shape
    (5, 3)
    """

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, C] to [N, C]."""
        _require_sequences("global_avg_pool1d", x)
        return ops.mean(x, 1)


@register
class GlobalMaxPool1d(Module):
    """The largest value of each channel over the whole sequence, [N, L, C] to [N, C].

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.GlobalMaxPool1d()(tg.zeros((5, 8, 3))).shape
    (5, 3)
    """

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, C] to [N, C]."""
        _require_sequences("global_max_pool1d", x)
        return ops.max(x, 1)
