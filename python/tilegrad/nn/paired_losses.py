"""Losses of elements against targets of the same shape as modules; see the functions of the same names."""

from __future__ import annotations

from .. import _C, ops
from ..tensor import Tensor
from .arguments import check_number
from .losses import Weights, check_reduction, weights
from .module import Module
from .registry import register

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "HingeLoss",
    "HuberLoss",
    "L1Loss",
    "MSELoss",
    "SmoothL1Loss",
]


@register
class MSELoss(Module):
    """The mean of ``(x - target) ** 2``.

    Parameters
    ----------
    reduction
        ``"mean"``, ``"sum"`` or ``"none"``: a loss for every element.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.MSELoss()(tg.tensor([1.0, 3.0]), tg.tensor([1.0, 1.0])).item()
    2.0
    """

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = check_reduction("MSELoss", reduction)

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape."""
        return ops.mse_loss(x, target, self.reduction)


@register
class L1Loss(Module):
    """The mean of ``|x - target|``.

    Parameters
    ----------
    reduction
        As in :class:`MSELoss`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.L1Loss()(tg.tensor([1.0, 3.0]), tg.tensor([1.0, 1.0])).item()
    1.0
    """

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = check_reduction("L1Loss", reduction)

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape."""
        return ops.l1_loss(x, target, self.reduction)


@register
class HuberLoss(Module):
    """A parabola near 0, a line of slope ``delta`` beyond; see :func:`tilegrad.huber_loss`.

    Parameters
    ----------
    reduction
        As in :class:`MSELoss`.
    delta
        Where the parabola becomes a line; positive.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.HuberLoss()(tg.tensor([1.0, 3.0]), tg.tensor([1.0, 1.0])).item()
    0.75
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        if check_number("HuberLoss", "delta", delta) <= 0:
            raise _C.ArgumentError(f"HuberLoss: delta must be positive, found {delta!r}")
        self.reduction, self.delta = check_reduction("HuberLoss", reduction), delta

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape."""
        return ops.huber_loss(x, target, self.delta, self.reduction)


@register
class SmoothL1Loss(Module):
    """A parabola near 0, a line of slope 1 beyond; see :func:`tilegrad.smooth_l1_loss`.

    Parameters
    ----------
    reduction
        As in :class:`MSELoss`.
    beta
        Where the parabola becomes a line; 0 leaves :class:`L1Loss`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.SmoothL1Loss(beta=2.0)(tg.tensor([1.0, 3.0]), tg.tensor([1.0, 1.0])).item()
    0.5
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        if check_number("SmoothL1Loss", "beta", beta) < 0:
            raise _C.ArgumentError(f"SmoothL1Loss: beta must not be negative, found {beta!r}")
        self.reduction, self.beta = check_reduction("SmoothL1Loss", reduction), beta

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape."""
        return ops.smooth_l1_loss(x, target, self.reduction, self.beta)


@register
class HingeLoss(Module):
    """The hinge loss of scores with targets -1 and 1; parameters as of :func:`tilegrad.hinge_loss`.

    Parameters
    ----------
    p
        1, or 2 for the squared hinge.
    margin
        The score that is enough.
    reduction
        As in :class:`MSELoss`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.HingeLoss()(tg.tensor([0.25, 3.0]), tg.tensor([1.0, 1.0])).item()
    0.375
    """

    def __init__(self, p: int = 1, margin: float = 1.0, reduction: str = "mean") -> None:
        if p not in (1, 2):
            raise _C.ArgumentError(f"HingeLoss: p must be 1 or 2, found {p!r}")
        self.p, self.margin, self.reduction = p, margin, check_reduction("HingeLoss", reduction)

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape."""
        return ops.hinge_loss(x, target, self.p, self.margin, self.reduction)


@register
class BCELoss(Module):
    """The binary cross-entropy of probabilities with targets from 0 to 1; see :func:`tilegrad.binary_cross_entropy`.

    Parameters
    ----------
    weight
        Of the elements, or of the last axis: a tensor or a list of numbers.
    reduction
        ``"mean"``, ``"sum"`` or ``"none"``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> round(tg.nn.BCELoss()(tg.tensor([0.5]), tg.ones(1)).item(), 4)
    0.6931
    """

    weight: Tensor | None

    def __init__(self, weight: Weights = None, reduction: str = "mean") -> None:
        weights(self, "weight", weight)
        self.reduction = check_reduction("BCELoss", reduction)

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape."""
        return ops.binary_cross_entropy(x, target, self.weight, self.reduction)


@register
class BCEWithLogitsLoss(Module):
    """The binary cross-entropy of ``sigmoid(logits)`` with targets from 0 to 1.

    Parameters
    ----------
    weight
        Of the elements, or of the last axis: a tensor or a list of numbers.
    reduction
        ``"mean"``, ``"sum"`` or ``"none"``.
    pos_weight
        How much more a positive counts than a negative; likewise.

    Examples
    --------
    >>> import tilegrad as tg
    >>> round(tg.nn.BCEWithLogitsLoss()(tg.zeros(1), tg.ones(1)).item(), 4)
    0.6931
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(self, weight: Weights = None, reduction: str = "mean", pos_weight: Weights = None) -> None:
        weights(self, "weight", weight)
        weights(self, "pos_weight", pos_weight)
        self.reduction = check_reduction("BCEWithLogitsLoss", reduction)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape."""
        return ops.binary_cross_entropy_with_logits(logits, target, self.weight, self.reduction, self.pos_weight)
