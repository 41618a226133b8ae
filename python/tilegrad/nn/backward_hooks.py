"""What calls a module's backward hooks: the identity, put on the tape around the module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _C
from ..autograd import record

if TYPE_CHECKING:
    from ..tensor import Tensor
    from .module import Module

__all__ = ["GradientWatch"]

Gradients = tuple["Tensor | None", ...]


class GradientWatch:
    """Sees the gradients of one call of a module: made with its inputs before, given its output after."""

    def __init__(self, module: Module, inputs: tuple[Any, ...]) -> None:
        self._module = module
        self._places = [place for place, value in enumerate(inputs) if _needs_grad(value)]
        self._input_count = len(inputs)
        self._output_gradients: Gradients = ()
        watched = list(inputs)
        for place, alias in zip(
            self._places, _through([inputs[place] for place in self._places], self._inputs_gradient), strict=True
        ):
            watched[place] = alias
        self.inputs = tuple(watched)
        """What the module is to be called with."""

    def watched(self, output: Any) -> Any:
        """The module's output, whose gradients are seen."""
        outputs = output if isinstance(output, (tuple, list)) else (output,)
        places = [place for place, value in enumerate(outputs) if _needs_grad(value)]
        made = list(outputs)
        aliases = _through([outputs[place] for place in places], self._outputs_gradient)
        for place, alias in zip(places, aliases, strict=True):
            made[place] = alias
        return type(output)(made) if isinstance(output, (tuple, list)) else made[0]

    def _outputs_gradient(self, needs: tuple[bool, ...], grad: Any) -> Gradients:
        self._output_gradients = grad if isinstance(grad, tuple) else (grad,)
        if not self._places:
            self._call_hooks((None,) * self._input_count)
        return self._output_gradients

    def _inputs_gradient(self, needs: tuple[bool, ...], grad: Any) -> Gradients:
        found: list[Tensor | None] = [None] * self._input_count
        for place, gradient in zip(self._places, grad if isinstance(grad, tuple) else (grad,), strict=True):
            found[place] = gradient
        gradients = self._call_hooks(tuple(found))
        return tuple(gradients[place] for place in self._places)

    def _call_hooks(self, gradients: Gradients) -> Gradients:
        for hook in tuple(self._module._backward_hooks.values()):
            returned = hook(self._module, gradients, self._output_gradients)
            if returned is None:
                continue
            replaced = returned if isinstance(returned, tuple) else (returned,)
            if len(replaced) != len(gradients):
                raise _C.AutogradError(
                    f"register_full_backward_hook: the hook of {type(self._module).__name__} returned {len(replaced)} "
                    f"gradients for {len(gradients)} inputs"
                )
            gradients = replaced
        return gradients


def _needs_grad(value: Any) -> bool:
    return isinstance(value, _C.TensorBase) and value.requires_grad


def _through(tensors: list[Any], rule: Any) -> tuple[Any, ...]:
    """The same tensors as results of an op with that rule."""
    if not tensors:
        return ()
    aliases = tuple(tensor.detach() for tensor in tensors)
    record(aliases, rule, tuple(tensors))
    return aliases
