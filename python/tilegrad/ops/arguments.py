"""What ops check before they ask their arguments for anything."""

from __future__ import annotations

import operator
from typing import Any

from .. import _C
from ..operands import no_tensor


def require_tensor(op: str, x: Any) -> None:
    """Raise where something else than a tensor was given."""
    if not isinstance(x, _C.TensorBase):
        raise _C.DTypeError(
            f"{op}: expected a tensor, found {type(x).__name__} (tg.tensor() makes one from other data)"
        )


def require_tensors(op: str, **arguments: Any) -> None:
    """The same of several, by name."""
    for name, x in arguments.items():
        if not isinstance(x, _C.TensorBase):
            raise no_tensor(f"{op}: {name}", x)


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
    if isinstance(dtype, int):
        raise _C.ShapeError(f"{op}: the sizes are one argument: write {op}(({shape!r}, {dtype!r}, ...))")
    return integers(op, "shape", shape)
