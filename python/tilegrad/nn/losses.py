"""Losses as modules; see the functions of the same names."""

from __future__ import annotations

from .. import ops
from ..tensor import Tensor
from .module import Module
from .registry import register

__all__ = ["BCEWithLogitsLoss", "CrossEntropyLoss", "MSELoss"]


@register
class CrossEntropyLoss(Module):
    """The cross-entropy of ``softmax(logits)`` with labels; parameters as of :func:`tilegrad.cross_entropy`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> loss = tg.nn.CrossEntropyLoss()
    >>> round(loss(tg.zeros((1, 10)), tg.tensor([3])).item(), 4)
    2.3026
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
    ) -> None:
        self.weight, self.ignore_index = weight, ignore_index
        self.label_smoothing, self.reduction = label_smoothing, reduction

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Logits [..., C] with labels [...], or with probabilities [..., C]."""
        return ops.cross_entropy(logits, target, self.weight, self.ignore_index, self.label_smoothing, self.reduction)


@register
class MSELoss(Module):
    """The mean of ``(x - target) ** 2``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.MSELoss()(tg.tensor([1.0, 3.0]), tg.tensor([1.0, 1.0])).item()
    2.0
    """

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape."""
        return ops.mse_loss(x, target, reduction=self.reduction)


@register
class BCEWithLogitsLoss(Module):
    """The binary cross-entropy of ``sigmoid(logits)`` with targets from 0 to 1.

    Examples
    --------
    >>> import tilegrad as tg
    >>> round(tg.nn.BCEWithLogitsLoss()(tg.zeros(1), tg.ones(1)).item(), 4)
    0.6931
    """

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Two tensors of one shape."""
        return ops.binary_cross_entropy_with_logits(logits, target, reduction=self.reduction)
