"""Normalisation of groups of channels of each sample, and of channels by their neighbours."""

from __future__ import annotations

from .. import _C, ops
from ..tensor import Tensor
from . import initial
from .arguments import check_eps, check_number, check_optional_size, check_size
from .module import Module
from .normalization import OverChannels
from .parameter import Parameter
from .registry import register

__all__ = ["GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "LocalResponseNorm"]


@register
class GroupNorm(Module):
    """Groups of each sample's channels brought to mean 0 and variance 1, then scaled and shifted channel by channel.

    Parameters
    ----------
    num_groups
        How many groups the channels make; divides ``num_channels``.
    num_channels
        C, the size of the last axis; None (or left out) to infer it from the first input.
    eps
        Added to the variance.
    affine
        Whether to scale and shift.

    Attributes
    ----------
    weight, bias : Parameter or None
        [C]

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.GroupNorm(2, 8)(tg.zeros((4, 5, 5, 8))).shape
    (4, 5, 5, 8)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self, num_groups: int, num_channels: int | None = None, eps: float = 1e-5, affine: bool = True
    ) -> None:
        self.num_groups = check_size("GroupNorm", "num_groups", num_groups)
        self.num_channels = num_channels
        self.eps, self.affine = check_eps("GroupNorm", eps), affine
        self.weight = self.bias = None  # until the size is known
        self._make_if_known(num_channels)

    def _make_parameters(self) -> None:
        channels = check_size("GroupNorm", "num_channels", self.num_channels)
        if channels % self.num_groups:
            raise _C.ArgumentError(f"GroupNorm: num_groups={self.num_groups} must divide num_channels={channels}")
        if self.affine:
            self.weight, self.bias = initial.bias(channels, 1.0), initial.bias(channels)

    def _create(self, x: Tensor) -> None:
        self._infer(num_channels=check_size("GroupNorm", "the input's last axis", x.shape[-1] if x.ndim else 0))

    def forward(self, x: Tensor) -> Tensor:
        """[N, ..., C], of the same shape."""
        return ops.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class _InstanceNorm(OverChannels):
    def __init__(self, num_features: int | None = None, eps: float = 1e-5, affine: bool = False) -> None:
        kind = type(self).__name__
        self.num_features = check_optional_size(kind, "num_features", num_features)
        self.eps, self.affine = check_eps(kind, eps), affine
        self.weight = self.bias = None  # until the size is known
        self._make_if_known(num_features)

    def forward(self, x: Tensor) -> Tensor:
        """Of the same shape."""
        self._check_axes(x)
        if x.shape[-1] != self.num_features:
            raise _C.ShapeError(
                f"instance_norm: the input must have {self.num_features} channels, found {list(x.shape)}"
            )
        return ops.instance_norm(x, self.weight, self.bias, self.eps)


@register
class InstanceNorm1d(_InstanceNorm):
    """Each channel of each sequence [N, L, C] brought to mean 0 and variance 1; otherwise as :class:`InstanceNorm2d`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.InstanceNorm1d(3)(tg.zeros((2, 4, 3))).shape
    (2, 4, 3)
    """

    _axes, _letters = 3, "[N, L, C]"


@register
class InstanceNorm2d(_InstanceNorm):
    """Each channel of each image [N, H, W, C] brought to mean 0 and variance 1, in training and evaluation alike.

    Parameters
    ----------
    num_features
        C; None (or left out) to infer it from the first input.
    eps
        Added to the variance.
    affine
        Whether to scale and shift channel by channel.

    Attributes
    ----------
    weight, bias : Parameter or None
        [C]

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.InstanceNorm2d(3)(tg.zeros((2, 4, 4, 3))).shape
    (2, 4, 4, 3)
    """

    _axes, _letters = 4, "[N, H, W, C]"


@register
class LocalResponseNorm(Module):
    """Damps channels beside large ones; see :func:`tilegrad.local_response_norm` for the formula.

    Parameters
    ----------
    size
        How many neighbouring channels are summed over.
    alpha, beta, k
        Constants of the formula; ``alpha`` is divided by ``size``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.LocalResponseNorm(5)(tg.zeros((2, 4, 4, 96))).shape
    (2, 4, 4, 96)
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        self.size = check_size("LocalResponseNorm", "size", size)
        self.alpha = check_number("LocalResponseNorm", "alpha", alpha)
        self.beta = check_number("LocalResponseNorm", "beta", beta)
        self.k = check_number("LocalResponseNorm", "k", k)

    def forward(self, x: Tensor) -> Tensor:
        """[..., C], of the same shape."""
        return ops.local_response_norm(x, self.size, self.alpha, self.beta, self.k)
