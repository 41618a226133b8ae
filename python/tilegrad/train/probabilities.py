"""Probabilities from what a model gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _C, ops
from ..nn import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, NLLLoss

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["activation_of", "to_probabilities"]

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
    for kind in (*type(loss).__mro__, loss):
        if kind in _OF_LOSSES:
            return _OF_LOSSES[kind]
    name = getattr(loss, "__name__", type(loss).__name__)
    raise _C.ArgumentError(
        f'predict_proba: {name} says nothing about probabilities; give activation="softmax" or "sigmoid"'
    )


def to_probabilities(outputs: Tensor, activation: str) -> Tensor:
    """Outputs through a function."""
    if activation not in _FUNCTIONS:
        raise _C.ArgumentError(
            f"predict_proba: activation must be one of {', '.join(map(repr, _FUNCTIONS))}, found {activation!r}"
        )
    result: Tensor = _FUNCTIONS[activation](outputs)
    return result
