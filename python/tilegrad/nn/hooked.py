"""Hooked: functions of the user's around the forward of a module."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from ..autograd import grad_enabled
from ..hooks import HookHandle, add_hook
from .backward_hooks import GradientWatch

if TYPE_CHECKING:
    from .module import Module

__all__ = ["Hooked"]

Hook = Callable[["Module", tuple[Any, ...], Any], Any]
PreHook = Callable[["Module", tuple[Any, ...]], Any]


class Hooked:
    """What :class:`Module` calls besides ``forward``."""

    _hooks: dict[int, Hook]
    _pre_hooks: dict[int, PreHook]
    _backward_hooks: dict[int, Hook]

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Compute the output; every subclass has its own."""
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    def register_forward_hook(self, hook: Hook) -> HookHandle:
        """Have ``hook(module, inputs, output)`` called after every forward; a result other than None is the output."""
        return add_hook("register_forward_hook", self._hooks, hook)

    def register_forward_pre_hook(self, hook: PreHook) -> HookHandle:
        """Have ``hook(module, inputs)`` called before every forward.

        A result other than None takes the place of the positional inputs: a tuple of them, or the only one.
        """
        return add_hook("register_forward_pre_hook", self._pre_hooks, hook)

    def register_full_backward_hook(self, hook: Hook) -> HookHandle:
        """Have ``hook(module, grad_input, grad_output)`` called when the gradients of the module's inputs are known.

        Both are tuples, of the gradients of the positional inputs and of the outputs, with None where there is none. A
        tuple that the hook returns takes the place of ``grad_input``. Where no input requires a gradient, as in a first
        layer, the hook is called when the gradients of the outputs are known. Parameters' gradients have hooks of their
        own (:meth:`Tensor.register_hook`).

        Examples
        --------
        >>> import tilegrad as tg
        >>> layer = tg.nn.ReLU()
        >>> handle = layer.register_full_backward_hook(lambda module, grad_input, grad_output: print(grad_input))
        >>> layer(tg.tensor([-1.0, 2.0], requires_grad=True)).sum().backward()
        (tensor([0., 1.]),)
        """
        return add_hook("register_full_backward_hook", self._backward_hooks, hook)

    def _compute(self, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if not (self._hooks or self._pre_hooks or self._backward_hooks):
            return self.forward(*inputs, **named)
        module = cast("Module", self)
        for before in tuple(self._pre_hooks.values()):
            given = before(module, inputs)
            if given is not None:
                inputs = given if isinstance(given, tuple) else (given,)
        watch = GradientWatch(module, inputs) if self._backward_hooks and grad_enabled() else None
        output = self.forward(*(inputs if watch is None else watch.inputs), **named)
        for hook in tuple(self._hooks.values()):
            replacement = hook(module, inputs, output)
            if replacement is not None:
                output = replacement
        return output if watch is None else watch.watched(output)
