"""What flows between the nodes of a model that was read: a tensor in some order of axes, or numbers on the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import ops
from .orders import Order, between, natural

if TYPE_CHECKING:
    from ...tensor import Tensor

__all__ = ["Value", "aligned", "elementwise", "plain"]

Array = np.ndarray[Any, Any]


class Value:
    """A tensor, meant in ONNX's order of axes and lying in another perhaps; or an array that shapes are computed with.

    Shapes are numbers of the host, not of the device: they steer what is launched. So what is computed from shapes and
    constants of integers is computed with NumPy, and a captured function repeats it.
    """

    __slots__ = ("_tensor", "device", "host", "order")

    def __init__(
        self, tensor: Tensor | None = None, order: Order | None = None, host: Array | None = None, device: str = "cpu"
    ) -> None:
        self._tensor, self.host = tensor, host
        self.device = device if tensor is None else tensor.device
        self.order: Order = order if order is not None else natural(self._stored_rank)

    @property
    def _stored_rank(self) -> int:
        return self._tensor.ndim if self._tensor is not None else self.host.ndim  # type: ignore[union-attr]

    @property
    def on_host_alone(self) -> bool:
        """Whether it was computed with NumPy."""
        return self._tensor is None

    @property
    def stored(self) -> Tensor:
        """The tensor as it lies."""
        if self._tensor is None:
            self._tensor = ops.tensor(self.host, device=self.device)
        return self._tensor

    @property
    def tensor(self) -> Tensor:
        """The tensor as ONNX means it."""
        return self.lying(natural(self.rank))

    def lying(self, order: Order) -> Tensor:
        """The tensor in an order of axes: a view."""
        stored = self.stored
        return stored if order == self.order else ops.permute(stored, between(self.order, order))

    @property
    def rank(self) -> int:
        """The number of axes."""
        return self._stored_rank

    @property
    def shape(self) -> tuple[int, ...]:
        """In ONNX's order."""
        shape: tuple[int, ...] = self._tensor.shape if self._tensor is not None else self.host.shape  # type: ignore[union-attr]
        return tuple(shape[self.order.index(axis)] for axis in range(len(shape)))

    @property
    def dtype(self) -> str:
        """Its name."""
        return str(self.host.dtype) if self._tensor is None else self._tensor.dtype.name  # type: ignore[union-attr]

    def numbers(self) -> Array:
        """The values, on the host."""
        if self.host is None:
            found: Array = self.tensor.detach().numpy()
            return found
        return self.host

    def integers(self) -> list[int]:
        """The values of a list of integers."""
        return [int(number) for number in self.numbers().reshape(-1)]

    def same_order(self, tensor: Tensor) -> Value:
        """Another tensor that lies as this one does."""
        return Value(tensor, self.order)


def aligned(values: Sequence[Value]) -> tuple[list[Tensor], Order]:
    """The operands of an elementwise function in one order, in which they broadcast."""
    rank = max(value.rank for value in values)
    orders = [value.order for value in values if value.rank == rank]
    order = next((found for found in orders if found != natural(rank)), natural(rank))
    if order == natural(rank):
        return [value.tensor for value in values], order
    tensors = []
    for value in values:
        if value.rank == rank:
            tensors.append(value.lying(order))
        elif value.rank == 0:
            tensors.append(value.tensor)
        else:
            raised = ops.reshape(value.tensor, ((1,) * (rank - value.rank) + value.shape))
            tensors.append(ops.permute(raised, order))
    return tensors, order


def elementwise(function: Callable[..., Tensor]) -> Callable[..., Value]:
    """A function of tensors that broadcast, as one of values."""

    def run(*values: Value) -> Value:
        tensors, order = aligned(values)
        return Value(function(*tensors), order)

    return run


def plain(function: Callable[..., Tensor]) -> Callable[..., Value]:
    """A function of tensors in ONNX's order, as one of values; an input that is left out is None."""

    def run(*values: Value | None) -> Value:
        return Value(function(*(None if value is None else value.tensor for value in values)))

    return run
