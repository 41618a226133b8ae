"""What the gradient rules of broadcasting ops share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _C

if TYPE_CHECKING:
    from ..tensor import Tensor


def shape_of(x: Tensor | float) -> tuple[int, ...]:
    """What a rule keeps of an operand whose values it does not need; a number has no axes."""
    shape: tuple[int, ...] = getattr(x, "shape", ())
    return shape


def sum_to(grad: Tensor, like: Tensor | float | tuple[int, ...]) -> Tensor:
    """The gradient of a value, or of one of that shape, that was broadcast: summed over each axis that stretched it."""
    shape: tuple[int, ...] = like if isinstance(like, tuple) else shape_of(like)
    if grad.shape == shape:
        return grad
    extra = grad.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(
        extra + axis for axis, size in enumerate(shape) if size == 1 and grad.shape[extra + axis] != 1
    )
    return _C.reshape(_C.sum(grad, axes, True), shape)
