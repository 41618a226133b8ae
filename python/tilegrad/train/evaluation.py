"""Calling a model on the inputs of a batch, and evaluation mode for a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..autograd import no_grad

if TYPE_CHECKING:
    from ..nn.module import Module

__all__ = ["Evaluating", "call"]


def call(model: Module, inputs: Any) -> Any:
    """The model's output for inputs in the form of a batch: a tensor, a tuple of arguments or a dict of named ones."""
    if isinstance(inputs, tuple):
        return model(*inputs)
    return model(**inputs) if isinstance(inputs, Mapping) else model(inputs)


class Evaluating(no_grad):
    """Evaluation mode without gradients; afterwards the mode of each module that was before."""

    def __init__(self, model: Module) -> None:
        self._model = model

    def __enter__(self) -> None:
        super().__enter__()
        self._modes = [(module, module.training) for module in self._model.modules()]
        self._model.eval()

    def __exit__(self, *error: Any) -> None:
        for module, mode in self._modes:
            if module.training != mode:
                module.training = mode
        super().__exit__(*error)
