"""Watching what the layers of a model return while it computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import _C, nn
from ..nn.parameter import Parameter
from ..structure import tensors_in

if TYPE_CHECKING:
    from ..hooks import HookHandle
    from ..nn.module import Module
    from ..tensor import Tensor

__all__ = ["Activity", "activation_kind"]

Note = Callable[[str, str, "Tensor"], None]

_KINDS: dict[type, str] = {nn.ReLU: "relu", nn.ReLU6: "relu", nn.Sigmoid: "sigmoid", nn.Tanh: "tanh"}
_FUSED = ("relu", "sigmoid", "tanh")
_OPS = {"relu": "relu", "relu6": "relu", "add_relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh"}


def activation_kind(layer: Module) -> str:
    """``"relu"``, ``"sigmoid"`` or ``"tanh"`` where that is the last thing a layer does, else ``""``."""
    fused = getattr(layer, "activation", None)
    return _KINDS.get(type(layer), fused if isinstance(fused, str) and fused in _FUSED else "")


def _has_parameters(layer: Module) -> bool:
    return any(isinstance(value, Parameter) for value in vars(layer).values())


class Activity:
    """In a ``with`` block, ``note(name, kind, output)`` is called for the outputs of a model's layers.

    Layers are those with parameters of their own and activations; an activation that a ``forward`` calls as a function
    (``tg.relu(x)``) counts as one, under the path of the module that calls it: ``"blocks.0.relu"``. The name of a layer
    is its path, or its class where it is the model itself. The output's values may be looked at, so the model must run
    eagerly.
    """

    def __init__(self, model: Module, note: Note) -> None:
        self._model, self._note = model, note
        self._handles: list[HookHandle] = []
        self._stack: list[Module] = []
        self._calls: dict[str, int] = {}
        self._paths = {id(layer): path or type(layer).__name__ for path, layer in model.named_modules()}
        # Layers of the library do in one piece what they do; ops inside them are no layers.
        self._whole = {
            id(layer)
            for layer in model.modules()
            if type(layer).__module__.startswith("tilegrad.nn.") and not any(True for _ in layer.named_children())
        }
        self._watched = {id(layer) for layer in model.modules() if activation_kind(layer) or _has_parameters(layer)}

    def __enter__(self) -> Activity:
        for layer in self._model.modules():
            self._handles.append(layer.register_forward_pre_hook(self._enter))
            self._handles.append(layer.register_forward_hook(self._leave))
        _C.set_observer(self._op)
        return self

    def __exit__(self, *error: Any) -> None:
        self.stop()

    def stop(self) -> None:
        """See no more; does nothing the second time."""
        if self._handles:
            _C.set_observer(None)
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _enter(self, layer: Module, inputs: tuple[Any, ...]) -> None:
        if layer is self._model:  # a new call, whatever became of the last one
            self._stack.clear()
            self._calls.clear()
        self._stack.append(layer)

    def _leave(self, layer: Module, inputs: tuple[Any, ...], output: Any) -> None:
        while self._stack and self._stack.pop() is not layer:
            pass  # calls that an error ended
        if id(layer) in self._watched:
            self._tell(self._paths[id(layer)], activation_kind(layer), output)

    def _op(self, name: str, out: Any, inputs: tuple[Any, ...]) -> None:
        kind = _OPS.get(name)
        if kind is None or not self._stack or id(self._stack[-1]) in self._whole:
            return
        caller = self._stack[-1]
        self._tell(name if caller is self._model else f"{self._paths[id(caller)]}.{name}", kind, out)

    def _tell(self, name: str, kind: str, output: Any) -> None:
        """Of the first tensor of an output; a second call has ``#1`` behind its name."""
        number = self._calls.get(name, 0)
        self._calls[name] = number + 1
        found = [tensor for tensor in tensors_in(output) if tensor.dtype.is_floating]
        if found:
            self._note(f"{name}#{number}" if number else name, kind, found[0])
