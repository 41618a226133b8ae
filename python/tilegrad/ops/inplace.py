"""Ops that write into a tensor: the functions behind ``add_``, ``+=`` and their like.

Everything is checked before anything is written. The memory is the tensor's own, so every view of it sees the change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import _C
from ..autograd import grad_enabled, record_in_place
from .broadcasting import shape_of, sum_to
from .views import copy

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__: list[str] = []

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


def _needs_grad(value: Tensor | float | None) -> bool:
    return grad_enabled() and isinstance(value, _C.TensorBase) and value.requires_grad


def _kept(x: Tensor, other: Any) -> Any:
    """The operand for the gradient rule: a copy where writing ``x`` changes it."""
    if grad_enabled() and isinstance(other, _C.TensorBase) and _C.may_overlap(x, other):
        return _C.copy(other)
    return other


def add_(x: Tensor, other: Tensor | float) -> Tensor:
    """``x += other``."""
    _C.check_in_place("add_", x)
    _C.add_("add_", x, other)
    return record_in_place(x, _add__gradient, (x, other), shape_of(other))


def _add__gradient(needs: Needs, grad: Tensor, shape: tuple[int, ...]) -> Gradients:
    return grad if needs[0] else None, sum_to(grad, shape) if needs[1] else None


def sub_(x: Tensor, other: Tensor | float) -> Tensor:
    """``x -= other``."""
    _C.check_in_place("sub_", x)
    _C.subtract_("sub_", x, other)
    return record_in_place(x, _sub__gradient, (x, other), shape_of(other))


def _sub__gradient(needs: Needs, grad: Tensor, shape: tuple[int, ...]) -> Gradients:
    return grad if needs[0] else None, _C.negative(sum_to(grad, shape)) if needs[1] else None


def mul_(x: Tensor, other: Tensor | float) -> Tensor:
    """``x *= other``."""
    _C.check_in_place("mul_", x)
    before = _C.copy(x) if _needs_grad(other) else None
    kept = _kept(x, other)
    _C.multiply_("mul_", x, other)
    return record_in_place(x, _mul__gradient, (x, other), kept, before)


def _mul__gradient(needs: Needs, grad: Tensor, other: Tensor | float, before: Tensor | None) -> Gradients:
    return (
        _C.multiply(grad, other) if needs[0] else None,
        sum_to(_C.multiply(grad, before), other) if needs[1] else None,
    )


def div_(x: Tensor, other: Tensor | float) -> Tensor:
    """``x /= other``."""
    _C.check_in_place("div_", x)
    before = _C.copy(x) if _needs_grad(other) else None
    kept = _kept(x, other)
    _C.divide_("div_", x, other)
    return record_in_place(x, _div__gradient, (x, other), kept, before)


def _div__gradient(needs: Needs, grad: Tensor, other: Tensor | float, before: Tensor | None) -> Gradients:
    grad_x = _C.divide(grad, other) if needs[0] or needs[1] else None
    grad_other = None
    if needs[1]:
        grad_other = sum_to(_C.negative(_C.divide(_C.multiply(grad_x, before), other)), other)
    return grad_x if needs[0] else None, grad_other


def clip_(x: Tensor, low: Tensor | float | None = None, high: Tensor | float | None = None) -> Tensor:
    """``x = min(max(x, low), high)``."""
    from .comparison import clip, clip_gradient

    _C.check_in_place("clip_", x)
    before = _C.copy(x) if any(map(_needs_grad, (x, low, high))) else None
    kept_low, kept_high = _kept(x, low), _kept(x, high)
    _C.assign("clip_", x, clip(x.detach(), kept_low, kept_high))
    return record_in_place(x, clip_gradient, (x, low, high), before, kept_low, kept_high)


def copy_(x: Tensor, source: Tensor | float) -> Tensor:
    """``x[...] = source``."""
    _C.check_in_place("copy_", x)
    _C.assign("copy_", x, source)
    return record_in_place(x, _copy__gradient, (x, source), shape_of(source))


def _copy__gradient(needs: Needs, grad: Tensor, shape: tuple[int, ...]) -> Gradients:
    return None, sum_to(grad, shape) if needs[1] else None


def fill_(x: Tensor, value: float) -> Tensor:
    """Writes one number into every element."""
    _C.check_in_place("fill_", x)
    _C.assign("fill_", x, value)
    return record_in_place(x, _fill__gradient, (x,))


def _fill__gradient(needs: Needs, grad: Tensor) -> Gradients:
    return (None,)


def apply_(op: str, x: Tensor, function: Callable[..., Tensor], *arguments: Any) -> Tensor:
    """``x[...] = function(x, *arguments)``, with the gradient of the function."""
    _C.check_in_place(op, x)
    # Where a rule keeps its input, it keeps the copy, which nobody writes.
    y = function(copy(x) if _needs_grad(x) else x.detach(), *arguments)
    if y.shape != x.shape or y.dtype != x.dtype:
        raise _C.ShapeError(
            f"{op}: the result is {y.dtype.name} {list(y.shape)} and does not fit into {x.dtype.name} {list(x.shape)}; "
            "use the out-of-place operation"
        )
    return copy_(x, y)
