"""Checks of the arguments that layers are made with."""

from __future__ import annotations

import math
import operator
from typing import Any

from .._C import ArgumentError

__all__ = [
    "ACTIVATIONS",
    "check_activation",
    "check_axes",
    "check_eps",
    "check_number",
    "check_optional_size",
    "check_size",
    "check_sizes",
]

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


def check_optional_size(layer: str, name: str, value: Any) -> int | None:
    """A whole number from 1 up, or None for what the first input tells."""
    return None if value is None else check_size(layer, name, value)


def check_sizes(layer: str, name: str, value: Any) -> tuple[int, ...]:
    """One or more whole numbers from 1 up."""
    sizes = tuple(check_size(layer, name, size) for size in (value if isinstance(value, (tuple, list)) else (value,)))
    if not sizes:
        raise ArgumentError(f"{layer}: {name} must have at least one size, found {value!r}")
    return sizes


def check_eps(layer: str, value: Any) -> float:
    """What is added to a variance."""
    if not isinstance(value, (int, float)) or not 0 < value < 1:
        raise ArgumentError(f"{layer}: eps must be between 0 and 1, found {value!r}")
    return value


def check_number(layer: str, name: str, value: Any) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ArgumentError(f"{layer}: {name} must be a finite number, found {value!r}")
    return value


def check_activation(layer: str, activation: str | None) -> None:
    """Raise where the activation is none of those that are applied in the same pass."""
    if activation is not None and activation not in ACTIVATIONS:
        raise ArgumentError(
            f"{layer}: activation must be one of {', '.join(ACTIVATIONS)} or None, found {activation!r}; others are "
            "layers of their own"
        )


def check_axes(layer: str, x: Any, ndim: int | tuple[int, ...], letters: str) -> None:
    """Raise ShapeError where an input from which sizes are to be inferred has another number of axes."""
    from .._C import ShapeError

    if x.ndim not in (ndim if isinstance(ndim, tuple) else (ndim,)):
        raise ShapeError(f"{layer.lower()}: the input must be {letters}, found {list(x.shape)}")
