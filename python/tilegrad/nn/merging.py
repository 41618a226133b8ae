"""Layers that bring several tensors together."""

from __future__ import annotations

from typing import Any

from .. import _C, ops
from ..tensor import Tensor
from .arguments import check_activation
from .module import Given, Module
from .registry import register

__all__ = ["Add", "Concat", "Residual"]


def _activated_sum(a: Tensor, b: Tensor, activation: str | None) -> Tensor:
    if activation == "relu":
        return ops.add_relu(a, b)
    total = a + b
    if activation is None:
        return total
    function = {"sigmoid": ops.sigmoid, "tanh": ops.tanh, "gelu": ops.gelu}[activation]
    return function(total)


def _several(layer: str, inputs: tuple[Any, ...]) -> tuple[Tensor, ...]:
    """The tensors that were given one by one, or in one list."""
    tensors = tuple(inputs[0]) if len(inputs) == 1 and isinstance(inputs[0], (tuple, list)) else inputs
    if not tensors:
        raise _C.ArgumentError(f"{layer.lower()}: give at least one tensor")
    return tensors


@register
class Add(Module):
    """The sum of its inputs, and an activation of it.

    Parameters
    ----------
    activation : {"relu", "sigmoid", "tanh", "gelu"}, optional
        With "relu" the last sum and the activation are one pass.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.Add("relu")(tg.tensor([1.0, -3.0]), tg.tensor([1.0, 1.0]))
    tensor([2., 0.])
    """

    def __init__(self, activation: str | None = None) -> None:
        check_activation("Add", activation)
        self.activation = activation

    def forward(self, *inputs: Any) -> Tensor:
        """Tensors of shapes that broadcast, one by one or in a list."""
        first, *others = _several("Add", inputs)
        if not others:
            return _activated_sum(first, ops.zeros_like(first), self.activation) if self.activation else first
        for tensor in others[:-1]:
            first = first + tensor
        return _activated_sum(first, others[-1], self.activation)


@register
class Concat(Module):
    """Its inputs one behind the other along an axis: by default the channels.

    Parameters
    ----------
    axis
        Where they are joined; negative axes count from the end.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.Concat()(tg.zeros((5, 8, 8, 3)), tg.zeros((5, 8, 8, 4))).shape
    (5, 8, 8, 7)
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, *inputs: Any) -> Tensor:
        """Tensors that differ along the axis alone, one by one or in a list."""
        return ops.concat(_several("Concat", inputs), self.axis)


@register
class Residual(Module):
    """``activation(body(x) + shortcut(x))``: a residual block.

    Parameters
    ----------
    body
        The module whose output is added.
    shortcut
        What is added to it: a module that brings x to the body's shape; by default x itself.
    activation : {"relu", "sigmoid", "tanh", "gelu"}, optional
        With "relu" the sum and the activation are one pass.

    Notes
    -----
    Source: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2015.

    Examples
    --------
    >>> import tilegrad as tg
    >>> from tilegrad import nn
    >>> body = nn.Sequential(nn.Conv2d(4, 4, 3, padding="same", activation="relu"), nn.Conv2d(4, 4, 3, padding="same"))
    >>> nn.Residual(body)(tg.zeros((2, 8, 8, 4))).shape
    (2, 8, 8, 4)
    """

    def __init__(self, body: Module, shortcut: Module | None = None, activation: str | None = "relu") -> None:
        for name, module in (("body", body), ("shortcut", shortcut)):
            if not isinstance(module, Module) and not (name == "shortcut" and module is None):
                raise _C.ArgumentError(f"Residual: {name} must be a module, found {type(module).__name__}")
        check_activation("Residual", activation)
        self.body, self.shortcut, self.activation = body, shortcut, activation

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape that the body takes."""
        skipped = x if self.shortcut is None else self.shortcut(x)
        out = self.body(x)
        if out.shape != skipped.shape:
            raise _C.ShapeError(
                f"residual: the body makes {list(out.shape)} and the shortcut {list(skipped.shape)}, expected the "
                "same; a shortcut such as nn.Conv2d(None, channels, 1, stride) changes the shape"
            )
        return _activated_sum(out, skipped, self.activation)

    def config(self) -> Given:
        """The modules as they are now; see :meth:`Module.config`."""
        return Given([self.body, self.shortcut, self.activation], {})

    def __repr__(self) -> str:
        from .summary import describe_call

        return describe_call(type(self).__name__, self.config())
