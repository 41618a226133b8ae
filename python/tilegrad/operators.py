"""The operators of tensors, and the methods that write in place."""

# self is always a Tensor: Operators has no other subclass. And comparisons with NumPy arrays give tensors.
# mypy: disable-error-code="arg-type,return-value,misc"

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _C, ops
from .ops import inplace, subscript

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    from .tensor import Tensor

    Operand: TypeAlias = "Tensor | float | np.ndarray[Any, Any]"

__all__ = ["Operators"]


def _operand(other: Any) -> Any:
    """A NumPy array on the other side becomes a tensor of its dtype."""
    return ops.tensor(other) if isinstance(other, np.ndarray) else other


def _comparable(other: Any) -> bool:
    return isinstance(other, (_C.TensorBase, np.ndarray, int, float, np.generic))


class Operators(_C.TensorBase):
    """What Python's operators, brackets and in-place methods do to a tensor."""

    __slots__ = ()
    __array_ufunc__ = None  # ndarray + Tensor is Tensor.__radd__, not an array of objects

    # Arithmetic.

    def __add__(self, other: Operand) -> Tensor:
        return ops.add(self, _operand(other))

    def __radd__(self, other: Operand) -> Tensor:
        return ops.add(_operand(other), self)

    def __sub__(self, other: Operand) -> Tensor:
        return ops.subtract(self, _operand(other))

    def __rsub__(self, other: Operand) -> Tensor:
        return ops.subtract(_operand(other), self)

    def __mul__(self, other: Operand) -> Tensor:
        return ops.multiply(self, _operand(other))

    def __rmul__(self, other: Operand) -> Tensor:
        return ops.multiply(self, _operand(other))

    def __truediv__(self, other: Operand) -> Tensor:
        return ops.divide(self, _operand(other))

    def __rtruediv__(self, other: Operand) -> Tensor:
        return ops.divide(_operand(other), self)

    def __floordiv__(self, other: Operand) -> Tensor:
        return ops.floor_divide(self, _operand(other))

    def __rfloordiv__(self, other: Operand) -> Tensor:
        return ops.floor_divide(_operand(other), self)

    def __mod__(self, other: Operand) -> Tensor:
        return ops.remainder(self, _operand(other))

    def __rmod__(self, other: Operand) -> Tensor:
        return ops.remainder(_operand(other), self)

    def __pow__(self, other: Operand) -> Tensor:
        return ops.power(self, _operand(other))

    def __rpow__(self, other: Operand) -> Tensor:
        return ops.power(_operand(other), self)

    def __matmul__(self, other: Operand) -> Tensor:
        return ops.matmul(self, _operand(other))

    def __rmatmul__(self, other: Operand) -> Tensor:
        return ops.matmul(_operand(other), self)

    def __neg__(self) -> Tensor:
        return ops.negative(self)

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Tensor:
        return ops.absolute(self)

    # Comparisons give bool tensors; a tensor's hash is its identity.

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return ops.equal(self, _operand(other)) if _comparable(other) else NotImplemented

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return ops.not_equal(self, _operand(other)) if _comparable(other) else NotImplemented

    def __lt__(self, other: Operand) -> Tensor:
        return ops.less(self, _operand(other))

    def __le__(self, other: Operand) -> Tensor:
        return ops.less_equal(self, _operand(other))

    def __gt__(self, other: Operand) -> Tensor:
        return ops.greater(self, _operand(other))

    def __ge__(self, other: Operand) -> Tensor:
        return ops.greater_equal(self, _operand(other))

    def __hash__(self) -> int:
        return id(self)

    # Logic, of bools.

    def __invert__(self) -> Tensor:
        return ops.logical_not(_logical("~", self))

    def __and__(self, other: Operand) -> Tensor:
        return ops.logical_and(_logical("&", self), _operand(other))

    def __rand__(self, other: Operand) -> Tensor:
        return ops.logical_and(_operand(other), _logical("&", self))

    def __or__(self, other: Operand) -> Tensor:
        return ops.logical_or(_logical("|", self), _operand(other))

    def __ror__(self, other: Operand) -> Tensor:
        return ops.logical_or(_operand(other), _logical("|", self))

    def __xor__(self, other: Operand) -> Tensor:
        return ops.logical_xor(_logical("^", self), _operand(other))

    def __rxor__(self, other: Operand) -> Tensor:
        return ops.logical_xor(_operand(other), _logical("^", self))

    # Elements.

    def __getitem__(self, key: Any) -> Tensor:
        """``x[key]`` by NumPy's rules.

        Integers, slices, None and Ellipsis give a view that shares memory; integer and bool tensors, arrays and lists
        give a copy. Several index arrays broadcast together.
        """
        return subscript.getitem(self, key)

    def __setitem__(self, key: Any, value: Operand) -> None:
        """``x[key] = value``: a number, which takes the dtype of ``x``, or a tensor or array that has it."""
        subscript.setitem(self, key, value)

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise TypeError("a 0-d tensor cannot be iterated over; use .item()")
        return (subscript.getitem(self, i) for i in range(self.shape[0]))

    def __contains__(self, value: Operand) -> bool:
        return bool(ops.any(ops.equal(self, _operand(value))).item())

    # Writing in place. Views of the tensor see the change; see docs/design.md for what autograd refuses.

    def __iadd__(self, other: Operand) -> Tensor:
        return inplace.add_(self, _operand(other))

    def __isub__(self, other: Operand) -> Tensor:
        return inplace.sub_(self, _operand(other))

    def __imul__(self, other: Operand) -> Tensor:
        return inplace.mul_(self, _operand(other))

    def __itruediv__(self, other: Operand) -> Tensor:
        return inplace.div_(self, _operand(other))

    def add_(self, other: Operand) -> Tensor:
        """Adds in place; returns the tensor."""
        return inplace.add_(self, _operand(other))

    def sub_(self, other: Operand) -> Tensor:
        """Subtracts in place; returns the tensor."""
        return inplace.sub_(self, _operand(other))

    def mul_(self, other: Operand) -> Tensor:
        """Multiplies in place; returns the tensor."""
        return inplace.mul_(self, _operand(other))

    def div_(self, other: Operand) -> Tensor:
        """Divides in place; returns the tensor."""
        return inplace.div_(self, _operand(other))

    def clip_(self, low: Operand | None = None, high: Operand | None = None) -> Tensor:
        """Clips in place; returns the tensor."""
        return inplace.clip_(self, _operand(low), _operand(high))

    def clamp_(self, low: Operand | None = None, high: Operand | None = None) -> Tensor:
        """Clips in place, as :meth:`clip_`; returns the tensor."""
        return self.clip_(low, high)

    def pow_(self, exponent: Operand) -> Tensor:
        """Raises to a power in place; returns the tensor."""
        return inplace.apply_("pow_", self, ops.power, _operand(exponent))

    def neg_(self) -> Tensor:
        """Changes the sign in place; returns the tensor."""
        return inplace.apply_("neg_", self, ops.negative)

    def abs_(self) -> Tensor:
        """Takes absolute values in place; returns the tensor."""
        return inplace.apply_("abs_", self, ops.absolute)

    def exp_(self) -> Tensor:
        """Takes ``e ** x`` in place; returns the tensor."""
        return inplace.apply_("exp_", self, ops.exp)

    def log_(self) -> Tensor:
        """Takes natural logarithms in place; returns the tensor."""
        return inplace.apply_("log_", self, ops.log)

    def sqrt_(self) -> Tensor:
        """Takes square roots in place; returns the tensor."""
        return inplace.apply_("sqrt_", self, ops.sqrt)

    def square_(self) -> Tensor:
        """Squares in place; returns the tensor."""
        return inplace.apply_("square_", self, ops.square)

    def reciprocal_(self) -> Tensor:
        """Takes ``1 / x`` in place; returns the tensor."""
        return inplace.apply_("reciprocal_", self, ops.reciprocal)

    def relu_(self) -> Tensor:
        """Takes ``max(x, 0)`` in place; returns the tensor."""
        return inplace.apply_("relu_", self, ops.relu)

    def sigmoid_(self) -> Tensor:
        """Takes ``1 / (1 + exp(-x))`` in place; returns the tensor."""
        return inplace.apply_("sigmoid_", self, ops.sigmoid)

    def tanh_(self) -> Tensor:
        """Takes hyperbolic tangents in place; returns the tensor."""
        return inplace.apply_("tanh_", self, ops.tanh)

    def masked_fill_(self, mask: Tensor, value: float) -> Tensor:
        """Writes a number where the mask holds; returns the tensor. See :func:`tilegrad.masked_fill`."""
        return inplace.apply_("masked_fill_", self, ops.masked_fill, mask, value)

    def copy_(self, source: Operand) -> Tensor:
        """Writes ``source``, broadcast, into the tensor; returns it."""
        return inplace.copy_(self, _operand(source))

    def fill_(self, value: float) -> Tensor:
        """Writes one number into every element; returns the tensor."""
        return inplace.fill_(self, value)

    def zero_(self) -> Tensor:
        """Writes zeros; returns the tensor."""
        return inplace.fill_(self, 0)


def _logical(operator: str, x: Any) -> Any:
    if x.dtype != "bool":
        raise _C.DTypeError(
            f"{operator}: the operator is for bool tensors, found {x.dtype.name} {list(x.shape)}; compare first, "
            "as in x != 0"
        )
    return x
