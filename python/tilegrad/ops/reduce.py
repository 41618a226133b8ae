"""Reductions over any axes.

Sums have one order, a function of the number of summed elements alone (docs/numerics.md): the bits do not depend on the
layout in memory, the threads or the CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import _C
from ..autograd import record

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["sum"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]
Axis = int | Sequence[int] | None


def sum(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The sum of the elements along axes.

    Parameters
    ----------
    x
        Any shape; floating or integer or bool.
    axis
        One axis, several, or None for all; negative ones count from the end.
    keepdims
        Whether the summed axes stay, with size 1.

    Returns
    -------
    Tensor
        Of the dtype of ``x``; int64 for integers and bools (wrapping around, as in NumPy). The sum of nothing is 0.

    Raises
    ------
    OutOfRangeError
        If an axis does not exist.
    ArgumentError
        If an axis comes twice.
    DTypeError
        If ``x`` is float16 or bfloat16.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.sum(tg.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    tensor([4., 6.])
    """
    return record(_C.sum(x, axis, keepdims), _sum_gradient, (x,), x.shape, axis, keepdims)


def _sum_gradient(needs: Needs, grad: Tensor, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Gradients:
    return (_C.broadcast_to(with_axes(grad, shape, axis, keepdims), shape),)


def with_axes(reduced: Tensor, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Tensor:
    """The result of a reduction of ``shape`` with its axes back, as of size 1."""
    if keepdims or not shape:
        return reduced
    if axis is None:
        return _C.reshape(reduced, (1,) * len(shape))
    gone = {a % len(shape) for a in ((axis,) if isinstance(axis, int) else axis)}
    return _C.reshape(reduced, tuple(1 if d in gone else size for d, size in enumerate(shape)))
