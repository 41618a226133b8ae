"""Evaluation mode for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..autograd import no_grad

if TYPE_CHECKING:
    from ..nn.module import Module

__all__ = ["Evaluating"]


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
