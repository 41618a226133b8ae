"""The transposed convolution layers."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..tensor import Tensor
from . import initial
from .conv import Convolution
from .registry import register

__all__ = ["ConvTranspose1d", "ConvTranspose2d"]


@register
class ConvTranspose2d(Convolution):
    """Transposed convolution of images: the way back up from what a :class:`Conv2d` made of them.

    Parameters
    ----------
    in_channels
        The channels C of the input; None (or left out) to infer them from the first input.
    out_channels
        The channels K of the output.
    kernel_size
        Rows and columns of the filters: an integer, or a pair.
    stride, padding, output_padding, dilation, groups
        As in :func:`tilegrad.conv_transpose2d`.
    bias
        Whether a bias is added.
    activation : {"relu", "sigmoid", "tanh", "gelu"}, optional
        Applied in the same pass.
    weight_init, bias_init
        As in :class:`Conv2d`.

    Attributes
    ----------
    weight : Parameter
        [R, S, K / groups, C]
    bias : Parameter or None
        [K]

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.ConvTranspose2d(8, 3, 3, stride=2, padding="same")(tg.zeros((5, 7, 7, 8))).shape
    (5, 14, 14, 3)
    """

    _letters, _transposed = "[N, H, W, C]", True

    def __init__(
        self,
        in_channels: int | None = None,
        out_channels: int | None = None,
        kernel_size: int | tuple[int, int] | None = None,
        stride: int | tuple[int, int] = 1,
        padding: Any = "valid",
        output_padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        activation: str | None = None,
        weight_init: initial.Initialiser = None,
        bias_init: initial.Initialiser = None,
    ) -> None:
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.output_padding = output_padding
        sizes = tuple(kernel_size) if isinstance(kernel_size, (tuple, list)) else (kernel_size, kernel_size)
        self._set(in_channels, out_channels, sizes, groups, bias, activation, weight_init, bias_init)

    def forward(self, x: Tensor) -> Tensor:
        """[N, P, Q, C] to [N, H, W, K]."""
        return ops.conv_transpose2d(
            x, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.dilation, self.groups,
            self.activation,
        )  # fmt: skip


@register
class ConvTranspose1d(Convolution):
    """Transposed convolution of sequences [N, L, C]: as :class:`ConvTranspose2d`, with single numbers.

    Parameters
    ----------
    in_channels
        The channels C of the input; None (or left out) to infer them from the first input.
    out_channels
        The channels K of the output.
    kernel_size
        The number of taps S.
    stride, padding, output_padding, dilation, groups
        As in :func:`tilegrad.conv_transpose1d`.
    bias
        Whether a bias is added.
    activation : {"relu", "sigmoid", "tanh", "gelu"}, optional
        Applied in the same pass.
    weight_init, bias_init
        As in :class:`Conv2d`.

    Attributes
    ----------
    weight : Parameter
        [S, K / groups, C]
    bias : Parameter or None
        [K]

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.ConvTranspose1d(8, 3, 4, stride=2, padding=1)(tg.zeros((5, 7, 8))).shape
    (5, 14, 3)
    """

    _letters, _kernel_axes, _transposed = "[N, L, C]", 1, True

    def __init__(
        self,
        in_channels: int | None = None,
        out_channels: int | None = None,
        kernel_size: int | None = None,
        stride: int = 1,
        padding: Any = "valid",
        output_padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        activation: str | None = None,
        weight_init: initial.Initialiser = None,
        bias_init: initial.Initialiser = None,
    ) -> None:
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.output_padding = output_padding
        self._set(in_channels, out_channels, (kernel_size,), groups, bias, activation, weight_init, bias_init)

    def forward(self, x: Tensor) -> Tensor:
        """[N, Q, C] to [N, L, K]."""
        return ops.conv_transpose1d(
            x, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.dilation, self.groups,
            self.activation,
        )  # fmt: skip
