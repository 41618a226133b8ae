"""Checks of the arguments that layers are made with."""

from __future__ import annotations

import operator
from typing import Any

from .._C import ArgumentError

__all__ = ["ACTIVATIONS", "check_activation", "check_axes", "check_size"]

ACTIVATIONS = ("relu", "sigmoid", "tanh", "gelu")  # those that products and convolutions apply in the same pass


def check_size(layer: str, name: str, value: Any) -> int:
    """A whole number from 1 up."""
    try:
        size = operator.index(value)
    except TypeError:
        size = 0
    if size < 1 or isinstance(value, bool):
        raise ArgumentError(f"{layer}: {name} must be a positive integer, found {value!r}")
    return size


def check_activation(layer: str, activation: str | None) -> None:
    """Raise where the activation is none of those that are applied in the same pass."""
    if activation is not None and activation not in ACTIVATIONS:
        raise ArgumentError(
            f"{layer}: activation must be one of {', '.join(ACTIVATIONS)} or None, found {activation!r}; others are "
            "layers of their own"
        )


def check_axes(layer: str, x: Any, ndim: int, letters: str) -> None:
    """Raise ShapeError where an input from which sizes are to be inferred has another number of axes."""
    from .._C import ShapeError

    if x.ndim != ndim:
        raise ShapeError(f"{layer.lower()}: the input must be {letters}, found {list(x.shape)}")
