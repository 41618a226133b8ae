"""Order along an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _C
from ..autograd import grad_enabled, record
from .arguments import require_tensors

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["argsort", "sort", "topk"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


def sort(x: Tensor, axis: int = -1, descending: bool = False) -> Tensor:
    """The elements along an axis in ascending (or descending) order.

    NaN counts as larger than every number, as in NumPy: it comes last, and first in descending order.

    Parameters
    ----------
    x
        float32, float64, integer or bool, of at least one dimension.
    axis
        The axis that is sorted; negative ones count from the end.
    descending
        Whether the largest comes first.

    Returns
    -------
    Tensor
        A copy of the shape and dtype of ``x``. The gradient of each element goes to where it came from.

    Raises
    ------
    OutOfRangeError
        If the axis does not exist.
    DTypeError
        If ``x`` is float16 or bfloat16.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.sort(tg.tensor([3.0, 1.0, 2.0]))
    tensor([1., 2., 3.])
    """
    require_tensors("sort", x=x)
    values, indices = _C.sort("sort", x, axis, descending, x.requires_grad and grad_enabled())
    return record(values, _sort_gradient, (x,), x.shape, axis, indices)


def _sort_gradient(needs: Needs, grad: Tensor, shape: tuple[int, ...], axis: int, indices: Tensor) -> Gradients:
    out = _C.full(shape, 0, grad.dtype, grad.device)
    _C.scatter_add_along_axis("sort", out, indices, axis, grad)
    return (out,)


def argsort(x: Tensor, axis: int = -1, descending: bool = False) -> Tensor:
    """The indices that sort a tensor; equal elements keep their order (the sort is stable), in descending order too.

    Parameters
    ----------
    x, axis, descending
        As for :func:`sort`; errors likewise.

    Returns
    -------
    Tensor
        int64 of the shape of ``x``, without a gradient: ``take_along_axis(x, argsort(x), -1)`` is ``sort(x)``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.argsort(tg.tensor([3.0, 1.0, 2.0]))
    tensor([1, 2, 0])
    """
    out: Tensor = _C.argsort(x, axis, descending)
    return out


def topk(x: Tensor, k: int, axis: int = -1, largest: bool = True) -> tuple[Tensor, Tensor]:
    """The ``k`` largest (or smallest) elements along an axis, in order, and their indices.

    Of equal elements the first come first. NaN counts as larger than every number.

    Parameters
    ----------
    x
        float32, float64, integer or bool tensor.
    k
        How many; at most the size of the axis.
    axis
        The axis that is searched.
    largest
        Whether the largest are wanted.

    Returns
    -------
    tuple of Tensor
        Values and int64 indices.

    Raises
    ------
    ArgumentError
        If ``k`` is negative or larger than the axis.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.topk(tg.tensor([3.0, 1.0, 2.0]), 2)
    (tensor([3., 2.]), tensor([0, 2]))
    """
    require_tensors("topk", x=x)
    axis = _C.normalize_axis("topk", axis, x.ndim)
    values, indices = _C.top("topk", x, axis, k, largest)
    return record(values, _topk_gradient, (x,), x.shape, axis, indices), indices


def _topk_gradient(needs: Needs, grad: Tensor, shape: tuple[int, ...], axis: int, indices: Tensor) -> Gradients:
    return _sort_gradient(needs, grad, shape, axis, indices)
