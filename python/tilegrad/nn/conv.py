"""The convolution layers."""

from __future__ import annotations

import math
import warnings
from typing import Any

from .. import _C, ops
from ..tensor import Tensor
from . import initial
from .arguments import check_activation, check_axes, check_optional_size, check_size
from .module import Module
from .parameter import Parameter
from .registry import register

__all__ = ["Conv1d", "Conv2d"]


class Convolution(Module):
    """What convolutions of sequences and images share; ``kernel_size`` has a number for each axis."""

    weight: Parameter
    bias: Parameter | None
    in_channels: int | None
    kernel_size: tuple[int, ...]
    _letters: str  # the shape of the input
    _kernel_axes = 2
    _transposed = False

    def _set(
        self, in_channels: Any, out_channels: Any, kernel_size: tuple[Any, ...], groups: Any, bias: bool,
        activation: str | None, weight_init: initial.Initialiser = None, bias_init: initial.Initialiser = None,
    ) -> None:  # fmt: skip
        name = type(self).__name__
        self.in_channels = check_optional_size(name, "in_channels", in_channels)
        self.out_channels = check_size(name, "out_channels", out_channels)
        self.kernel_size = tuple(check_size(name, "kernel_size", size) for size in kernel_size)
        if len(kernel_size) != self._kernel_axes:
            raise _C.ArgumentError(f"{name}: kernel_size must be an integer or (rows, columns), found {kernel_size}")
        self.groups = check_size(name, "groups", groups)
        check_activation(name, activation)
        initial.check_initialiser(name, "weight_init", weight_init)
        initial.check_initialiser(name, "bias_init", bias_init)
        self.activation, self._has_bias = activation, bias
        self._weight_init, self._bias_init = weight_init, bias_init
        self.weight = self.bias = None  # type: ignore[assignment]  # until the sizes are known
        self._make_if_known(in_channels)

    def _make_parameters(self) -> None:
        assert self.in_channels is not None
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise _C.ArgumentError(
                f"{type(self).__name__}: groups={self.groups} must divide in_channels={self.in_channels} and "
                f"out_channels={self.out_channels}"
            )
        depth = self.in_channels // self.groups
        channels = (
            (self.out_channels // self.groups, self.in_channels) if self._transposed else (depth, self.out_channels)
        )
        fan_in = math.prod(self.kernel_size) * depth
        self.weight = initial.weight((*self.kernel_size, *channels), fan_in, how=self._weight_init)
        if self._has_bias:
            self.bias = initial.bias(self.out_channels, how=self._bias_init)

    def _create(self, x: Tensor) -> None:
        name = type(self).__name__
        check_axes(name, x, len(self.kernel_size) + 2, self._letters)
        if x.ndim == 4 and x.shape[1] in (1, 3) and min(x.shape[2:]) > 4:
            warnings.warn(
                f"{name}: images are [N, H, W, C], but {list(x.shape)} looks like [N, C, H, W]; if it is, move the "
                "channels to the end: x.permute(0, 2, 3, 1)",
                stacklevel=2,
            )
        self._infer(in_channels=check_size(name, "the input's last axis", x.shape[-1]))


@register
class Conv2d(Convolution):
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

    _letters = "[N, H, W, C]"

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
        self.stride, self.padding, self.dilation = stride, padding, dilation
        sizes = tuple(kernel_size) if isinstance(kernel_size, (tuple, list)) else (kernel_size, kernel_size)
        self._set(in_channels, out_channels, sizes, groups, bias, activation, weight_init, bias_init)

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, C] to [N, P, Q, K]."""
        return ops.conv2d(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups, self.activation
        )


@register
class Conv1d(Convolution):
    """Convolution of sequences [N, L, C].

    Parameters
    ----------
    in_channels
        The channels C of the input; None (or left out) to infer them from the first input.
    out_channels
        The channels K of the output.
    kernel_size
        The number of taps S.
    stride, padding, dilation, groups
        As in :func:`tilegrad.conv1d`; ``padding="causal"`` keeps outputs from seeing later inputs.
    bias
        Whether a bias is added.
    activation : {"relu", "sigmoid", "tanh", "gelu"}, optional
        Applied in the same pass.
    weight_init, bias_init
        As in :class:`Conv2d`.

    Attributes
    ----------
    weight : Parameter
        [S, C / groups, K]
    bias : Parameter or None
        [K]

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.Conv1d(3, 8, 5, padding="causal", dilation=2)(tg.zeros((5, 32, 3))).shape
    (5, 32, 8)
    """

    _letters, _kernel_axes = "[N, L, C]", 1

    def __init__(
        self,
        in_channels: int | None = None,
        out_channels: int | None = None,
        kernel_size: int | None = None,
        stride: int = 1,
        padding: Any = "valid",
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        activation: str | None = None,
        weight_init: initial.Initialiser = None,
        bias_init: initial.Initialiser = None,
    ) -> None:
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self._set(in_channels, out_channels, (kernel_size,), groups, bias, activation, weight_init, bias_init)

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, C] to [N, Q, K]."""
        return ops.conv1d(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups, self.activation
        )
