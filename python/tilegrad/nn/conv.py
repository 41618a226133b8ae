"""The convolution layer."""

from __future__ import annotations

import warnings
from typing import Any

from .. import _C, ops
from ..tensor import Tensor
from . import initial
from .arguments import check_activation, check_axes, check_size
from .module import Module
from .parameter import Parameter
from .registry import register

__all__ = ["Conv2d"]


@register
class Conv2d(Module):
    """Two-dimensional convolution of images [N, H, W, C].

    Parameters
    ----------
    in_channels
        The channels C of the input; None (or left out) to infer them from the first input.
    out_channels
        The channels K of the output.
    kernel_size
        Rows and columns of the filters: an integer, or a pair.
    stride, padding, dilation, groups
        As in :func:`tilegrad.conv2d`.
    bias
        Whether a bias is added.
    activation : {"relu", "sigmoid", "tanh", "gelu"}, optional
        Applied in the same pass.
    weight_init, bias_init
        What they start from: a name of :mod:`tilegrad.nn.init`, alone or with options as in
        ``("normal", {"std": 0.01})``, or a function of the shape. None: :func:`~tilegrad.nn.init.he_truncated_normal`
        and zeros. (A function has no place in a model file, which then holds the weights alone.)

    Attributes
    ----------
    weight : Parameter
        [R, S, C / groups, K]
    bias : Parameter or None
        [K]

    Examples
    --------
    >>> import tilegrad as tg
    >>> layer = tg.nn.Conv2d(3, 20, 8)
    >>> sum(p.size for p in layer.parameters())
    3860
    >>> layer(tg.zeros((5, 32, 32, 3))).shape
    (5, 25, 25, 20)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int | None = None,
        out_channels: int | None = None,
        kernel_size: int | tuple[int, int] | None = None,
        stride: int | tuple[int, int] = 1,
        padding: Any = "valid",
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        activation: str | None = None,
        weight_init: initial.Initialiser = None,
        bias_init: initial.Initialiser = None,
    ) -> None:
        self.in_channels = in_channels if in_channels is None else check_size("Conv2d", "in_channels", in_channels)
        self.out_channels = check_size("Conv2d", "out_channels", out_channels)
        rows, columns = kernel_size if isinstance(kernel_size, (tuple, list)) else (kernel_size, kernel_size)
        self.kernel_size = check_size("Conv2d", "kernel_size", rows), check_size("Conv2d", "kernel_size", columns)
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.groups = check_size("Conv2d", "groups", groups)
        check_activation("Conv2d", activation)
        initial.check_initialiser("Conv2d", "weight_init", weight_init)
        initial.check_initialiser("Conv2d", "bias_init", bias_init)
        self.activation, self._has_bias = activation, bias
        self._weight_init, self._bias_init = weight_init, bias_init
        self.weight = self.bias = None  # type: ignore[assignment]  # until the sizes are known
        self._unbuilt = in_channels is None
        if in_channels is not None:
            self._make_parameters()

    def _make_parameters(self) -> None:
        assert self.in_channels is not None
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise _C.ArgumentError(
                f"Conv2d: groups={self.groups} must divide in_channels={self.in_channels} and "
                f"out_channels={self.out_channels}"
            )
        depth = self.in_channels // self.groups
        rows, columns = self.kernel_size
        shape = (rows, columns, depth, self.out_channels)
        self.weight = initial.weight(shape, fan_in=rows * columns * depth, how=self._weight_init)
        if self._has_bias:
            self.bias = initial.bias(self.out_channels, how=self._bias_init)

    def _create(self, x: Tensor) -> None:
        check_axes("Conv2d", x, 4, "[N, H, W, C]")
        if x.shape[1] in (1, 3) and min(x.shape[2:]) > 4:
            warnings.warn(
                f"Conv2d: images are [N, H, W, C], but {list(x.shape)} looks like [N, C, H, W]; if it is, move the "
                "channels to the end: x.permute(0, 2, 3, 1)",
                stacklevel=2,
            )
        self._infer(in_channels=check_size("Conv2d", "the input's last axis", x.shape[-1]))

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, C] to [N, P, Q, K]."""
        return ops.conv2d(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups, self.activation
        )
