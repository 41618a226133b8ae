"""Convolution, batch normalisation and ReLU, the brick of most networks for images."""

from __future__ import annotations

from typing import Any

from .. import nn
from ..tensor import Tensor

__all__ = ["ConvNorm"]


@nn.register("models.ConvNorm")
class ConvNorm(nn.Module):
    """A convolution without bias, batch normalisation and ReLU; parameters as :class:`tilegrad.nn.Conv2d`.

    ``eps`` is that of the normalisation; 0.001 in the Inception networks.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any = 1,
        stride: int = 1,
        padding: Any = 0,
        eps: float = 1e-3,
    ) -> None:
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=eps, activation="relu")

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, in_channels] to [N, P, Q, out_channels]."""
        y: Tensor = self.bn(self.conv(x))
        return y
