"""Normalisation layers."""

from __future__ import annotations

from typing import Any

from .. import _C, ops
from ..tensor import Tensor
from . import initial
from .arguments import check_axes, check_size
from .module import Module
from .parameter import Parameter
from .registry import register

__all__ = ["BatchNorm1d", "BatchNorm2d", "LayerNorm"]


class _BatchNorm(Module):
    weight: Parameter
    bias: Parameter
    running_mean: Tensor | None
    running_var: Tensor | None
    _axes = 0
    _letters = ""

    def __init__(
        self, num_features: int | None = None, momentum: float = 0.1, eps: float = 1e-5, activation: str | None = None
    ) -> None:
        kind = type(self).__name__
        self.num_features = num_features if num_features is None else check_size(kind, "num_features", num_features)
        if not isinstance(momentum, (int, float)) or not 0 <= momentum <= 1:
            raise _C.ArgumentError(f"{kind}: momentum must be between 0 and 1, found {momentum!r}")
        if not isinstance(eps, (int, float)) or not 0 < eps < 1:
            raise _C.ArgumentError(f"{kind}: eps must be between 0 and 1, found {eps!r}")
        if activation not in (None, "relu"):
            raise _C.ArgumentError(f"{kind}: activation must be 'relu' or None, found {activation!r}")
        self.momentum, self.eps, self.activation = momentum, eps, activation
        self.weight = self.bias = None  # type: ignore[assignment]  # until the size is known
        self.register_buffer("running_mean", None)
        self.register_buffer("running_var", None)
        self._unbuilt = num_features is None
        if num_features is not None:
            self._make_parameters()

    def _make_parameters(self) -> None:
        assert self.num_features is not None
        self.weight, self.bias = initial.bias(self.num_features, 1.0), initial.bias(self.num_features)
        self.running_mean, self.running_var = ops.zeros(self.num_features), ops.ones(self.num_features)

    def _create(self, x: Tensor) -> None:
        check_axes(type(self).__name__, x, self._axes, self._letters)
        self._infer(num_features=check_size(type(self).__name__, "the input's last axis", x.shape[-1]))

    def forward(self, x: Tensor) -> Tensor:
        """Of the same shape."""
        check_axes(type(self).__name__, x, self._axes, self._letters)
        return ops.batch_norm(
            x,
            self.weight,
            self.bias,
            self.running_mean,
            self.running_var,
            self.training and not self._statistics_frozen,
            self.momentum,
            self.eps,
            self.activation,
        )


@register
class BatchNorm1d(_BatchNorm):
    """Each feature of a batch [N, C] brought to mean 0 and variance 1, then scaled and shifted.

    While training, mean and variance are those of the batch, and running values are updated; in evaluation the running
    values are used.

    Parameters
    ----------
    num_features
        C; None (or left out) to infer it from the first input.
    momentum
        The share of the batch in the running values: ``running = (1 - momentum) * running + momentum * batch``.
    eps
        Added to the variance.
    activation : {"relu"}, optional
        Applied in the same pass.

    Attributes
    ----------
    weight, bias : Parameter
        [C], scale and shift.
    running_mean, running_var : Tensor
        [C]; the variance is the unbiased one.

    Examples
    --------
    >>> import tilegrad as tg
    >>> layer = tg.nn.BatchNorm1d(1, eps=1e-12)
    >>> layer(tg.tensor([[1.0], [3.0]])).detach()
    tensor([[-1.],
            [ 1.]])
    """

    _axes, _letters = 2, "[N, C]"


@register
class BatchNorm2d(_BatchNorm):
    """Each channel of images [N, H, W, C] brought to mean 0 and variance 1; otherwise as :class:`BatchNorm1d`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.BatchNorm2d(3)(tg.zeros((2, 4, 4, 3))).shape
    (2, 4, 4, 3)
    """

    _axes, _letters = 4, "[N, H, W, C]"


@register
class LayerNorm(Module):
    """Each sample's last axes brought to mean 0 and variance 1, then scaled and shifted element by element.

    Parameters
    ----------
    normalized_shape
        The sizes of those axes: an integer or a sequence.
    eps
        Added to the variance.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.LayerNorm(4)(tg.zeros((2, 3, 4))).shape
    (2, 3, 4)
    """

    def __init__(self, normalized_shape: Any, eps: float = 1e-5) -> None:
        sizes = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        self.normalized_shape = tuple(check_size("LayerNorm", "normalized_shape", size) for size in sizes)
        self.eps = eps
        self.weight = Parameter(ops.ones(self.normalized_shape))
        self.bias = Parameter(ops.zeros(self.normalized_shape))

    def forward(self, x: Tensor) -> Tensor:
        """Of the same shape."""
        rank = len(self.normalized_shape)
        if x.shape[max(0, x.ndim - rank) :] != self.normalized_shape:
            raise _C.ShapeError(
                f"layer_norm: the last axes of the input must be {list(self.normalized_shape)}, found {list(x.shape)}"
            )
        if rank == 1:
            return ops.layer_norm(x, self.weight, self.bias, self.eps)
        rows = ops.reshape(x, (*x.shape[: x.ndim - rank], self.weight.size))
        flat = (self.weight.size,)
        y = ops.layer_norm(rows, ops.reshape(self.weight, flat), ops.reshape(self.bias, flat), self.eps)
        return ops.reshape(y, x.shape)
