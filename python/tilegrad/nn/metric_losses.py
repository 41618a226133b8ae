"""Losses of pairs and triples of embeddings as modules; see the functions of the same names."""

from __future__ import annotations

from .. import _C, ops
from ..tensor import Tensor
from .arguments import check_number
from .losses import check_reduction
from .module import Module
from .registry import register

__all__ = ["ContrastiveLoss", "CosineEmbeddingLoss", "TripletMarginLoss"]


@register
class CosineEmbeddingLoss(Module):
    """Draws like vectors to one direction; parameters as of :func:`tilegrad.cosine_embedding_loss`.

    Parameters
    ----------
    margin
        The cosine of pairs that do not belong together that is low enough; from -1 to 1.
    reduction
        ``"mean"`` over the pairs, ``"sum"`` or ``"none"``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> loss = tg.nn.CosineEmbeddingLoss()
    >>> loss(tg.tensor([[0.0, 1.0]]), tg.tensor([[1.0, 0.0]]), tg.tensor([1])).item()
    1.0
    """

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        if not -1 <= check_number("CosineEmbeddingLoss", "margin", margin) <= 1:
            raise _C.ArgumentError(f"CosineEmbeddingLoss: margin must be from -1 to 1, found {margin!r}")
        self.margin, self.reduction = margin, check_reduction("CosineEmbeddingLoss", reduction)

    def forward(self, a: Tensor, b: Tensor, target: Tensor) -> Tensor:
        """Vectors [..., D], and for each pair [...] 1 or -1."""
        return ops.cosine_embedding_loss(a, b, target, self.margin, self.reduction)


@register
class ContrastiveLoss(Module):
    """Draws like vectors together and others apart; parameters as of :func:`tilegrad.contrastive_loss`.

    Parameters
    ----------
    margin
        The distance of pairs that do not belong together that is far enough.
    reduction
        ``"mean"`` over the pairs, ``"sum"`` or ``"none"``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> loss = tg.nn.ContrastiveLoss()
    >>> loss(tg.tensor([[0.0, 0.0]]), tg.tensor([[3.0, 4.0]]), tg.tensor([1])).item()
    12.5
    """

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        self.margin, self.reduction = margin, check_reduction("ContrastiveLoss", reduction)

    def forward(self, a: Tensor, b: Tensor, target: Tensor) -> Tensor:
        """Vectors [..., D], and for each pair [...] 1 or 0."""
        return ops.contrastive_loss(a, b, target, self.margin, self.reduction)


@register
class TripletMarginLoss(Module):
    """Brings anchors closer to positives than to negatives; parameters as of :func:`tilegrad.triplet_margin_loss`.

    Parameters
    ----------
    margin
        By how much closer is close enough.
    p
        The norm of distances: 1, 2 or infinity.
    eps
        Added to each difference; keeps the distance of equal vectors from 0.
    swap
        Whether the distance of positive and negative counts where it is smaller than that of anchor and negative.
    reduction
        ``"mean"`` over the triples, ``"sum"`` or ``"none"``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> loss = tg.nn.TripletMarginLoss()
    >>> round(loss(tg.tensor([[0.0]]), tg.tensor([[2.0]]), tg.tensor([[-1.5]])).item(), 4)
    1.5
    """

    def __init__(
        self, margin: float = 1.0, p: float = 2, eps: float = 1e-6, swap: bool = False, reduction: str = "mean"
    ) -> None:
        if p not in (1, 2, float("inf")):
            raise _C.ArgumentError(f"TripletMarginLoss: p must be 1, 2 or infinity, found {p!r}")
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap
        self.reduction = check_reduction("TripletMarginLoss", reduction)

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Three tensors [..., D]."""
        return ops.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, self.reduction
        )
