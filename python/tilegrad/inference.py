"""A trained model as a program: for predictions that come fast, one at a time or in batches."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from . import _C
from .autograd import no_grad
from .capture import Captured, Guard, _Program

if TYPE_CHECKING:
    from .nn.module import Module

__all__ = ["InferenceModel", "compile_for_inference"]


class InferenceModel(Captured[Any]):
    """A model whose forward pass is replayed; made by :func:`compile_for_inference`."""

    def __init__(self, model: Module, max_programs: int) -> None:
        super().__init__(model, check=False, max_programs=max_programs)
        self._name = type(model).__name__

    def _mode(self) -> Hashable:
        return _C.float32_precision()

    def _program(self, native: _C.Program, guards: list[Guard], shape: Any) -> _Program:
        native.prepare_for_inference()
        return _Program(native, [], shape)  # the model's mode does not matter, because it is always evaluated

    def _run(self, signature: Any, args: Any, kwargs: Any, inputs: Any) -> Any:
        """Records in evaluation mode; the first result is already that of the program, as all later ones."""
        modes = [(module, module.training) for module in self._function.modules()]  # type: ignore[attr-defined]
        self._function.eval()  # type: ignore[attr-defined]
        try:
            with no_grad():
                result = super()._run(signature, args, kwargs, inputs)
        finally:
            for module, mode in modes:
                module.training = mode
        return signature.programs[-1].replay(inputs) if signature.programs else result

    def __repr__(self) -> str:
        return f"<{self._name} for inference: {self.programs} programs>"


def compile_for_inference(model: Module, max_programs: int = 32) -> InferenceModel:
    """A function that computes a model's predictions without Python between its kernels.

    The first call with inputs of some shape records the forward pass in evaluation mode and rewrites it: batch
    normalisation is folded into the weights of the layer before it, activations into the last step of that layer, and
    all that depends on parameters alone (the transformed filters of Winograd's convolutions, say) is computed once.

    Parameters
    ----------
    model
        Any module; it is not changed, and keeps its mode.
    max_programs
        How many forms of inputs (shapes, dtypes) are kept; others run eagerly.

    Returns
    -------
    InferenceModel
        To be called like the model. Its results carry no gradients, and are those of ``model.eval()`` up to the
        rounding of folded weights: a few units in the last place per layer.

    Raises
    ------
    ArgumentError
        If ``model`` is not a module.

    Notes
    -----
    What was folded does not follow later changes of the parameters: compile again, or call ``clear()``, after training
    on or loading weights.

    Examples
    --------
    >>> import tilegrad as tg
    >>> model = tg.nn.Sequential(tg.nn.Conv2d(1, 4, 3), tg.nn.BatchNorm2d(4), tg.nn.ReLU()).build((8, 8, 1))
    >>> predict = tg.compile_for_inference(model)
    >>> predict(tg.zeros((1, 8, 8, 1))).shape
    (1, 6, 6, 4)
    >>> predict.kernels()  # of four layers' kernels one is left
    [['conv2d_forward']]
    """
    from .nn.module import Module

    if not isinstance(model, Module):
        raise _C.ArgumentError(f"compile_for_inference: expected a Module, found {type(model).__name__}")
    return InferenceModel(model, max_programs)
