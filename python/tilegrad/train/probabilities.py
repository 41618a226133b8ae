"""Probabilities from what a model gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _C, ops
from ..nn import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, NLLLoss
from .weighting import ignored_label

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["activation_of", "metric_options", "to_probabilities"]

_OF_LOSSES: dict[Any, str] = {
    CrossEntropyLoss: "softmax",
    ops.cross_entropy: "softmax",
    NLLLoss: "exp",
    ops.nll_loss: "exp",
    BCEWithLogitsLoss: "sigmoid",
    ops.binary_cross_entropy_with_logits: "sigmoid",
    BCELoss: "identity",
    ops.binary_cross_entropy: "identity",
}
_FUNCTIONS: dict[str, Any] = {
    "softmax": ops.softmax,
    "sigmoid": ops.sigmoid,
    "exp": ops.exp,
    "identity": lambda x: x,
}


def activation_of(loss: Any) -> str:
    """The name of what makes probabilities of outputs that a loss is trained with.

    Raises
    ------
    ArgumentError
        If it is another loss.
    """
    found = _known(loss)
    if found is not None:
        return found
    name = getattr(loss, "__name__", type(loss).__name__)
    raise _C.ArgumentError(
        f'predict_proba: {name} says nothing about probabilities; give activation="softmax" or "sigmoid"'
    )


def _known(loss: Any) -> str | None:
    kinds = type(loss).__mro__
    return next((name for kind, name in _OF_LOSSES.items() if kind in kinds or kind is loss), None)


def metric_options(loss: Any) -> dict[str, Any]:
    """What metrics of classifiers are made with so that they suit a loss."""
    activation = _known(loss)
    return {
        "threshold": 0.5 if activation == "identity" else 0.0,
        "multilabel": activation in ("sigmoid", "identity"),  # whose targets are of zeros and ones, each by itself
        "ignore_index": ignored_label(loss),
    }


def to_probabilities(outputs: Tensor, activation: str) -> Tensor:
    """Outputs through a function."""
    if activation not in _FUNCTIONS:
        raise _C.ArgumentError(
            f"predict_proba: activation must be one of {', '.join(map(repr, _FUNCTIONS))}, found {activation!r}"
        )
    result: Tensor = _FUNCTIONS[activation](outputs)
    return result
