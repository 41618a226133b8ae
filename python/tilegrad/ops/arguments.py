"""What ops check before they ask their arguments for anything."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from .. import _C
from ..operands import no_tensor

if TYPE_CHECKING:
    from ..tensor import Tensor


def require_tensors(op: str, **arguments: Any) -> None:
    """Raise where one of these arguments, given by name, is something else than a tensor.

    For ops that ask a tensor for its shape or dtype first: where it is handed on at once, the core says the same.
    """
    for name, x in arguments.items():
        if not isinstance(x, _C.TensorBase):
            raise no_tensor(f"{op}: {name}", x)


def renamed(error: _C.TilegradError, op: str) -> _C.TilegradError:
    """An error of an op that another one has called, as the other one's."""
    return type(error)(f"{op}: {str(error).partition(': ')[2]}")


def tensors_of(op: str, tensors: Any) -> tuple[Tensor, ...]:
    """What an op that joins tensors was given; that all are tensors is for the core to see."""
    if not hasattr(tensors, "__iter__"):
        raise _C.DTypeError(f"{op}: tensors must be a sequence of tensors, found {type(tensors).__name__}")
    return tuple(tensors)


def number_of(op: str, name: str, value: Any, hint: str = "") -> float:
    """A constant of an op, which has no gradient; raise where it is no number."""
    if isinstance(value, _C.TensorBase) or not hasattr(value, "__float__"):
        raise _C.DTypeError(f"{op}: {name} must be a number, found {type(value).__name__}{hint}")
    return float(value)


def is_integer(value: Any) -> bool:
    """Whether it is one integer of Python, NumPy or a 0-d tensor, and no sequence of them."""
    return hasattr(value, "__index__") and not getattr(value, "ndim", 0)


def integers(op: str, name: str, value: Any) -> tuple[int, ...]:
    """One integer, or a sequence or array of integers, as a tuple; raise where it is something else."""
    try:
        return tuple(operator.index(number) for number in ((value,) if is_integer(value) else value))
    except TypeError:
        raise _C.ShapeError(f"{op}: {name} must be an integer or a sequence of integers, found {value!r}") from None


def sizes_of(op: str, shape: Any, dtype: Any) -> tuple[int, ...]:
    """The sizes of a shape; raise also where ``dtype`` is a size, because sizes were given one by one."""
    if type(shape) is tuple:  # the core looks into it
        return shape
    if isinstance(dtype, int):
        raise _C.ShapeError(f"{op}: the sizes are one argument: write {op}(({shape!r}, {dtype!r}, ...))")
    return (shape,) if type(shape) is int else integers(op, "shape", shape)
