"""Normalisation of channels over the batch, and of the last axes of each sample."""

from __future__ import annotations

from typing import Any

from .. import _C, ops
from ..tensor import Tensor
from . import initial
from .arguments import check_axes, check_eps, check_optional_size, check_size, check_sizes
from .module import Module
from .parameter import Parameter
from .registry import register

__all__ = ["BatchNorm1d", "BatchNorm2d", "LayerNorm", "RMSNorm"]


class OverChannels(Module):
    """What normalises each channel of an input of a certain number of axes, and may scale and shift it."""

    weight: Parameter | None
    bias: Parameter | None
    num_features: int | None
    affine: bool
    _axes: int | tuple[int, ...] = 0
    _letters = ""

    def _make_parameters(self) -> None:
        assert self.num_features is not None
        if self.affine:
            self.weight, self.bias = initial.bias(self.num_features, 1.0), initial.bias(self.num_features)

    def _create(self, x: Tensor) -> None:
        self._check_axes(x)
        self._infer(num_features=check_size(type(self).__name__, "the input's last axis", x.shape[-1]))

    def _check_axes(self, x: Tensor) -> None:
        check_axes(type(self).__name__, x, self._axes, self._letters)


class _BatchNorm(OverChannels):
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int | None = None,
        momentum: float | None = 0.1,
        eps: float = 1e-5,
        activation: str | None = None,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        kind = type(self).__name__
        self.num_features = check_optional_size(kind, "num_features", num_features)
        if momentum is not None and (not isinstance(momentum, (int, float)) or not 0 <= momentum <= 1):
            raise _C.ArgumentError(f"{kind}: momentum must be between 0 and 1 or None, found {momentum!r}")
        check_eps(kind, eps)
        if activation not in (None, "relu"):
            raise _C.ArgumentError(f"{kind}: activation must be 'relu' or None, found {activation!r}")
        self.momentum, self.eps, self.activation = momentum, eps, activation
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = self.bias = None  # until the size is known
        self.register_buffer("running_mean", None)
        self.register_buffer("running_var", None)
        self.register_buffer("num_batches_tracked", None)
        self._make_if_known(num_features)

    def _make_parameters(self) -> None:
        super()._make_parameters()
        assert self.num_features is not None
        if self.track_running_stats:
            self.running_mean, self.running_var = ops.zeros(self.num_features), ops.ones(self.num_features)
            if self.momentum is None:
                self.num_batches_tracked = ops.zeros((), "int64")

    def forward(self, x: Tensor) -> Tensor:
        """Of the same shape."""
        self._check_axes(x)
        return ops.batch_norm(
            x,
            self.weight,
            self.bias,
            self.running_mean,
            self.running_var,
            (self.training and not self._statistics_frozen) or self.running_mean is None,
            self.momentum,
            self.eps,
            self.activation,
            self.num_batches_tracked,
        )


@register
class BatchNorm1d(_BatchNorm):
    """Each feature of a batch [N, C], or channel of sequences [N, L, C], brought to mean 0 and variance 1, then scaled
    and shifted.

    While training, mean and variance are those of the batch, and running values are updated; in evaluation the running
    values are used.

    Parameters
    ----------
    num_features
        C; None (or left out) to infer it from the first input.
    momentum
        The share of the batch in the running values: ``running = (1 - momentum) * running + momentum * batch``. None
        makes them the averages over all batches.
    eps
        Added to the variance.
    activation : {"relu"}, optional
        Applied in the same pass.
    affine
        Whether to scale and shift.
    track_running_stats
        Whether to keep running values; without them the batch's are used in evaluation too.

    Attributes
    ----------
    weight, bias : Parameter or None
        [C], scale and shift.
    running_mean, running_var : Tensor or None
        [C]; the variance is the unbiased one.
    num_batches_tracked : Tensor or None
        How many batches the averages are over, an int64 number; with ``momentum=None`` alone.

    Examples
    --------
    >>> import tilegrad as tg
    >>> layer = tg.nn.BatchNorm1d(1, eps=1e-12)
    >>> layer(tg.tensor([[1.0], [3.0]])).detach()
    tensor([[-1.],
            [ 1.]])
    """

    _axes, _letters = (2, 3), "[N, C] or [N, L, C]"


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
    elementwise_affine
        Whether to scale and shift.
    bias
        Whether to shift where scaled.

    Attributes
    ----------
    weight, bias : Parameter or None
        Of ``normalized_shape``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.LayerNorm(4)(tg.zeros((2, 3, 4))).shape
    (2, 3, 4)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True
    ) -> None:
        self.normalized_shape = check_sizes("LayerNorm", "normalized_shape", normalized_shape)
        self.eps = check_eps("LayerNorm", eps)
        self.weight = Parameter(ops.ones(self.normalized_shape)) if elementwise_affine else None
        self.bias = Parameter(ops.zeros(self.normalized_shape)) if elementwise_affine and bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Of the same shape."""
        return ops.layer_norm(x, self.weight, self.bias, self.eps, self.normalized_shape)


@register
class RMSNorm(Module):
    """Each sample's last axes divided by their root mean square, then scaled element by element.

    Parameters
    ----------
    normalized_shape
        The sizes of those axes: an integer or a sequence.
    eps
        Added to the mean square; None for the dtype's epsilon.
    elementwise_affine
        Whether to scale.

    Attributes
    ----------
    weight : Parameter or None
        Of ``normalized_shape``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.RMSNorm(2)(tg.tensor([[1.0, 7.0]])).detach()
    tensor([[0.2, 1.4]])
    """

    weight: Parameter | None

    def __init__(self, normalized_shape: Any, eps: float | None = None, elementwise_affine: bool = True) -> None:
        self.normalized_shape = check_sizes("RMSNorm", "normalized_shape", normalized_shape)
        self.eps = eps if eps is None else check_eps("RMSNorm", eps)
        self.weight = Parameter(ops.ones(self.normalized_shape)) if elementwise_affine else None

    def forward(self, x: Tensor) -> Tensor:
        """Of the same shape."""
        return ops.rms_norm(x, self.weight, self.eps, self.normalized_shape)
