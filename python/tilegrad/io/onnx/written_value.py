"""A tensor of the trace as the graph that is being written holds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .orders import Order, natural

__all__ = ["Value", "extent_of", "host_array", "memory_of"]


@dataclass
class Value:
    """A tensor of the trace: its shape, and the names under which it lies in the graph, by order of axes."""

    shape: tuple[int, ...]
    dtype: str
    stored: dict[Order, str] = field(default_factory=dict)
    constant: Any = None
    """The array of a parameter or constant, which becomes an initializer where it is used."""
    label: str = "constant"
    raised: dict[int, Value] = field(default_factory=dict)
    """The constant with axes of size 1 in front, by rank."""

    @property
    def order(self) -> Order:
        """In which it was made."""
        return next(iter(self.stored), natural(len(self.shape)))


def host_array(tensor: Any) -> np.ndarray[Any, Any]:
    """The numbers of a parameter or constant, wherever it is."""
    array: np.ndarray[Any, Any] = tensor.detach().to("cpu").numpy()
    return array


def memory_of(tensor: Any) -> tuple[Any, ...]:
    """Tells whether another tensor is the same elements in the same places."""
    return (tensor.data_ptr(), tensor.shape, tensor.strides, tensor.dtype.name)


def extent_of(tensor: Any) -> tuple[int, int]:
    """Tells whether another tensor is a view of all of a parameter."""
    return (tensor.data_ptr(), tensor.size)
