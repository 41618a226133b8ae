"""The tensor: its operators and methods are the functions of :mod:`tilegrad.ops`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _C, ops

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Tensor"]


class Tensor(_C.TensorBase):
    """A strided array of numbers with, if wanted, a gradient.

    Made by :func:`tilegrad.tensor` and its relatives, and by every op. Shapes broadcast as in NumPy; dtypes never mix
    silently; a Python number takes the tensor's dtype.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    tensor([2., 4., 6.])
    """

    __slots__ = ()
    __array_ufunc__ = None  # ndarray + Tensor is Tensor.__radd__, not an array of objects

    def __repr__(self) -> str:
        if self.dtype == _C.bfloat16:
            values, suffix = self.detach().astype("float32").numpy(), ", dtype=bfloat16"
        else:
            values = self.numpy()
            plain = self.dtype in (_C.float32, _C.int64) or self.dtype == "bool"
            suffix = "" if plain else f", dtype={self.dtype.name}"
        if self.requires_grad:
            suffix += ", requires_grad=True"
        text = np.array2string(values, separator=", ", prefix="tensor(")
        return f"tensor({text}{suffix})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array: np.ndarray[Any, Any] = self.numpy()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"a {self.dtype.name} tensor cannot become {dtype} without a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __bool__(self) -> bool:
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.is_floating or self.ndim != 0:
            raise TypeError(f"only a 0-d integer tensor is an index, found {self.dtype.name} {list(self.shape)}")
        return int(self.item())

    def __hash__(self) -> int:
        return id(self)

    def tolist(self) -> Any:
        """The elements as nested Python lists, or one Python number."""
        return (self.detach().astype("float32") if self.dtype == _C.bfloat16 else self).numpy().tolist()

    # Arithmetic.

    def __add__(self, other: Tensor | float) -> Tensor:
        return ops.add(self, other)

    def __radd__(self, other: float) -> Tensor:
        return ops.add(other, self)

    def __mul__(self, other: Tensor | float) -> Tensor:
        return ops.multiply(self, other)

    def __rmul__(self, other: float) -> Tensor:
        return ops.multiply(other, self)

    def __neg__(self) -> Tensor:
        return ops.negative(self)

    # Shapes.

    def reshape(self, *shape: Any) -> Tensor:
        """See :func:`tilegrad.reshape`; sizes may be given one by one or as a sequence."""
        return ops.reshape(self, _sizes(shape))

    def permute(self, *axes: Any) -> Tensor:
        """See :func:`tilegrad.permute`."""
        return ops.permute(self, _sizes(axes))

    def clone(self) -> Tensor:
        """A copy with memory of its own."""
        return ops.copy(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        copied = memo[id(self)] = type(self)(_C.copy(self), self.requires_grad)
        return copied


def _sizes(values: tuple[Any, ...]) -> Sequence[int]:
    return values[0] if len(values) == 1 and isinstance(values[0], (tuple, list)) else values


_C.set_tensor_class(Tensor)
