"""Poolings whose windows depend on the size of the image."""

from __future__ import annotations

from typing import Any

from .. import nn, ops
from ..tensor import Tensor

__all__ = ["AdaptiveAvgPool2d", "CeilMaxPool2d"]


@nn.register("models.CeilMaxPool2d")
class CeilMaxPool2d(nn.Module):
    """Max pooling whose last window may reach over the bottom and right edges, so that no pixel is left out.

    The output has ``ceil((H + 2 padding - kernel_size) / stride) + 1`` rows, less one where the last window would begin
    below the padded image: PyTorch's ``ceil_mode``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> from tilegrad.models.pooling import CeilMaxPool2d
    >>> CeilMaxPool2d(3, 2)(tg.zeros((1, 112, 8, 3))).shape
    (1, 56, 4, 3)
    """

    def __init__(self, kernel_size: int, stride: int, padding: int = 0) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, C] to [N, P, Q, C]."""
        edges = tuple((self.padding, self._after(size)) for size in x.shape[1:3])
        return ops.max_pool2d(x, self.kernel_size, self.stride, edges)  # type: ignore[arg-type]

    def _after(self, size: int) -> int:
        span = size + 2 * self.padding - self.kernel_size
        windows = -(-span // self.stride) + 1
        if (windows - 1) * self.stride >= size + self.padding:
            windows -= 1
        return max(0, (windows - 1) * self.stride + self.kernel_size - size - self.padding)


@nn.register("models.AdaptiveAvgPool2d")
class AdaptiveAvgPool2d(nn.Module):
    """The means of ``size`` by ``size`` windows that cover the image evenly, whatever its size.

    Output row p is the mean of the rows from floor(p H / size) to ceil((p + 1) H / size).

    Examples
    --------
    >>> import tilegrad as tg
    >>> from tilegrad.models.pooling import AdaptiveAvgPool2d
    >>> AdaptiveAvgPool2d(4)(tg.zeros((1, 14, 14, 3))).shape
    (1, 4, 4, 3)
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, C] to [N, size, size, C]."""
        H, W = x.shape[1:3]
        if H == W == self.size:
            return x
        if H % self.size == 0 and W % self.size == 0 and H and W:
            return ops.avg_pool2d(x, (H // self.size, W // self.size))
        rows = [ops.mean(x[:, window], axis=1, keepdims=True) for window in self._windows(H)]
        y: Any = ops.concat(rows, axis=1)
        columns = [ops.mean(y[:, :, window], axis=2, keepdims=True) for window in self._windows(W)]
        return ops.concat(columns, axis=2)

    def _windows(self, length: int) -> list[slice]:
        return [slice(p * length // self.size, -(-(p + 1) * length // self.size)) for p in range(self.size)]
