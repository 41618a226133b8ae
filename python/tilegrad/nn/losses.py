"""Losses of rows of scores or probabilities as modules; see the functions of the same names."""

from __future__ import annotations

from collections.abc import Sequence

from .. import _C, ops
from ..tensor import Tensor
from .arguments import check_number
from .module import Module
from .registry import register

__all__ = ["CrossEntropyLoss", "KLDivLoss", "MultiMarginLoss", "NLLLoss", "check_reduction", "weights"]

Weights = Tensor | Sequence[float] | None


def weights(loss: Module, name: str, given: Weights) -> None:
    """Keep weights as a buffer: numbers become a float32 tensor, a tensor stays what it is."""
    loss.register_buffer(name, given if given is None or isinstance(given, Tensor) else ops.tensor(given, "float32"))


def check_reduction(loss: str, reduction: str, *more: str) -> str:
    """One of the names of reductions."""
    if reduction not in ("mean", "sum", "none", *more):
        raise _C.ArgumentError(f'{loss}: reduction must be "mean", "sum" or "none", found {reduction!r}')
    return reduction


@register
class CrossEntropyLoss(Module):
    """The cross-entropy of ``softmax(logits)`` with labels; parameters as of :func:`tilegrad.cross_entropy`.

    Parameters
    ----------
    weight
        Of the classes: a tensor [C] or a list of numbers.
    ignore_index
        The label of rows that count nothing.
    label_smoothing
        From 0 to 1.
    reduction
        ``"mean"``, ``"sum"`` or ``"none"``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> loss = tg.nn.CrossEntropyLoss()
    >>> round(loss(tg.zeros((1, 10)), tg.tensor([3])).item(), 4)
    2.3026
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Weights = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
    ) -> None:
        weights(self, "weight", weight)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing
        self.reduction = check_reduction("CrossEntropyLoss", reduction)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Logits [..., C] with labels [...], or with probabilities [..., C]."""
        return ops.cross_entropy(logits, target, self.weight, self.ignore_index, self.label_smoothing, self.reduction)


@register
class NLLLoss(Module):
    """Minus the logarithm of the label's probability; parameters as of :func:`tilegrad.nll_loss`.

    Parameters
    ----------
    weight
        Of the classes: a tensor [C] or a list of numbers.
    ignore_index
        The label of rows that count nothing.
    reduction
        ``"mean"``, ``"sum"`` or ``"none"``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.NLLLoss()(tg.tensor([[-1.0, -2.0]]), tg.tensor([1])).item()
    2.0
    """

    weight: Tensor | None

    def __init__(self, weight: Weights = None, ignore_index: int | None = None, reduction: str = "mean") -> None:
        weights(self, "weight", weight)
        self.ignore_index, self.reduction = ignore_index, check_reduction("NLLLoss", reduction)

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Log-probabilities [..., C] with labels [...]."""
        return ops.nll_loss(x, target, self.weight, self.ignore_index, self.reduction)


@register
class MultiMarginLoss(Module):
    """The multi-class hinge loss of scores; parameters as of :func:`tilegrad.multi_margin_loss`.

    Parameters
    ----------
    p
        1, or 2 for the squared hinge.
    margin
        By how much the score of the label is to be above the others.
    weight
        Of the classes: a tensor [C] or a list of numbers.
    reduction
        ``"mean"``, ``"sum"`` or ``"none"``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.MultiMarginLoss()(tg.tensor([[8.0, 14.0, 9.5, 10.0]]), tg.tensor([3])).item()
    5.5
    """

    weight: Tensor | None

    def __init__(self, p: int = 1, margin: float = 1.0, weight: Weights = None, reduction: str = "mean") -> None:
        if p not in (1, 2):
            raise _C.ArgumentError(f"MultiMarginLoss: p must be 1 or 2, found {p!r}")
        self.p, self.margin = p, check_number("MultiMarginLoss", "margin", margin)
        weights(self, "weight", weight)
        self.reduction = check_reduction("MultiMarginLoss", reduction)

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Scores [..., C] with labels [...]."""
        return ops.multi_margin_loss(x, target, self.p, self.margin, self.weight, self.reduction)


@register
class KLDivLoss(Module):
    """The Kullback-Leibler divergence of log-probabilities from a target; parameters as of :func:`tilegrad.kl_div`.

    Parameters
    ----------
    reduction
        ``"mean"`` over the rows, ``"batchmean"``, ``"sum"`` or ``"none"``.
    log_target
        Whether the target holds logarithms of probabilities, too.

    Examples
    --------
    >>> import tilegrad as tg
    >>> round(tg.nn.KLDivLoss()(tg.log(tg.tensor([[0.25, 0.75]])), tg.tensor([[1.0, 0.0]])).item(), 4)
    1.3863
    """

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        self.reduction, self.log_target = check_reduction("KLDivLoss", reduction, "batchmean"), log_target

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Log-probabilities and probabilities, both [..., C]."""
        return ops.kl_div(x, target, self.reduction, self.log_target)
