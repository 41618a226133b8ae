"""Reductions over any axes.

Sums have one order, a function of the number of summed elements alone (docs/numerics.md): the bits do not depend on the
layout in memory, the threads or the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import _C
from ..autograd import grad_enabled, record
from ..mixed_precision import in_float32
from .arguments import integers, require_tensors

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "all", "any", "argmax", "argmin", "cumsum", "logsumexp", "max", "mean", "min", "norm", "prod", "std", "sum", "var",
]  # fmt: skip

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]
Axis = int | Sequence[int] | None


def sum(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The sum of the elements along axes.

    Parameters
    ----------
    x
        Of any shape; floating, integer or bool, float16 and bfloat16 on a GPU alone.
    axis
        One axis, several, or None for all; negative ones count from the end. An empty tuple reduces nothing.
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
        If ``x`` is float16 or bfloat16 and on the CPU.

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
    gone = {a % len(shape) for a in integers("sum", "axis", axis)}
    return _C.reshape(reduced, tuple(1 if d in gone else size for d, size in enumerate(shape)))


def mean(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean ``sum(x) / count`` along axes.

    Parameters
    ----------
    x
        Floating, of any shape; float16 and bfloat16 on a GPU alone.
    axis, keepdims
        As for :func:`sum`; errors likewise.

    Returns
    -------
    Tensor
        Of the dtype of ``x``. The mean of nothing is NaN.

    Raises
    ------
    DTypeError
        If ``x`` is not floating.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.mean(tg.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    tensor([1.5, 3.5])
    """
    return record(_C.mean(x, axis, keepdims), _mean_gradient, (x,), x.shape, axis, keepdims)


def _mean_gradient(needs: Needs, grad: Tensor, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Gradients:
    count = math.prod(shape) // grad.size if grad.size else 0
    each = _C.multiply(grad, 1.0 / count) if count else grad
    return (_C.broadcast_to(with_axes(each, shape, axis, keepdims), shape),)


def max(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element along axes; NaN counts as the largest.

    Parameters
    ----------
    x
        Of any shape; floating or integer, float16 and bfloat16 on a GPU alone.
    axis, keepdims
        As for :func:`sum`; errors likewise.

    Returns
    -------
    Tensor
        Of the dtype of ``x``. The gradient goes to the first of several equal largest elements (in row-major order of
        the reduced axes), the one that :func:`argmax` names.

    Raises
    ------
    ShapeError
        If there are no elements to choose from.
    DTypeError
        If ``x`` is bool (see :func:`any`), or has 16 bits and is on the CPU.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.max(tg.tensor([[1.0, 5.0], [3.0, 4.0]]), axis=1)
    tensor([5., 4.])
    """
    require_tensors("max", x=x)
    value, index = _C.max(x, axis, keepdims, x.requires_grad and grad_enabled())
    return record(value, _max_gradient, (x,), index, x.shape, axis)


def min(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element along axes; NaN counts as the smallest, too.

    Parameters
    ----------
    x, axis, keepdims
        As for :func:`max`; errors likewise.

    Returns
    -------
    Tensor
        Of the dtype of ``x``. The gradient goes to the first of several equal smallest elements.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.min(tg.tensor([[1.0, 5.0], [3.0, 4.0]]), axis=1)
    tensor([1., 3.])
    """
    require_tensors("min", x=x)
    value, index = _C.min(x, axis, keepdims, x.requires_grad and grad_enabled())
    return record(value, _max_gradient, (x,), index, x.shape, axis)


def _max_gradient(needs: Needs, grad: Tensor, index: Tensor, shape: tuple[int, ...], axis: Axis) -> Gradients:
    return (_C.extremum_backward(grad, index, shape, axis),)


def argmax(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Where the largest element is along axes: the first of equal ones; a NaN counts as the largest.

    Parameters
    ----------
    x, axis, keepdims
        As for :func:`max`; errors likewise.

    Returns
    -------
    Tensor
        int64, without a gradient. With several axes (or None), the position in the row-major sequence of their
        elements.

    Raises
    ------
    ShapeError
        If there are no elements to choose from.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.argmax(tg.tensor([[1.0, 5.0], [3.0, 3.0]]), axis=1)
    tensor([1, 0])
    """
    return _C.argmax(x, axis, keepdims)


def argmin(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Where the smallest element is along axes: the first of equal ones; a NaN counts as the smallest.

    Parameters
    ----------
    x, axis, keepdims
        As for :func:`max`; errors likewise.

    Returns
    -------
    Tensor
        As for :func:`argmax`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.argmin(tg.tensor([[1.0, 5.0], [3.0, 3.0]]))
    tensor(0)
    """
    return _C.argmin(x, axis, keepdims)


@in_float32
def var(x: Tensor, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Tensor:
    """The variance ``sum((x - mean)^2) / (count - correction)`` along axes, in two passes.

    Parameters
    ----------
    x
        float32 or float64 of any shape.
    axis, keepdims
        As for :func:`sum`; errors likewise.
    correction
        0 for the variance of the elements themselves (NumPy's default), 1 for the unbiased estimate from a sample.

    Returns
    -------
    Tensor
        Of the dtype of ``x``; NaN where ``count`` is not above ``correction``.

    Raises
    ------
    DTypeError
        If ``x`` is not float32 or float64.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.var(tg.tensor([1.0, 2.0, 3.0, 4.0]), correction=1)
    tensor(1.6666666)
    """
    return record(_C.var(x, axis, correction, keepdims), _var_gradient, (x,), x, axis, correction, keepdims)


def _centered(x: Tensor, axis: Axis) -> Tensor:
    return _C.add(x, _C.negative(_C.mean(x, axis, True)))


def _var_gradient(needs: Needs, grad: Tensor, x: Tensor, axis: Axis, correction: float, keepdims: bool) -> Gradients:
    count = _C.reduced_count("var", x, axis)
    factor = 2.0 / (count - correction) if count > correction else float("nan")
    each = with_axes(_C.multiply(grad, factor), x.shape, axis, keepdims)
    return (_C.multiply(_centered(x, axis), each),)


@in_float32
def std(x: Tensor, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Tensor:
    """The standard deviation, the root of :func:`var`.

    Parameters
    ----------
    x, axis, correction, keepdims
        As for :func:`var`; errors likewise.

    Returns
    -------
    Tensor
        Of the dtype of ``x``; NaN where ``count`` is not above ``correction``. Its gradient where it is 0 is 0.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.std(tg.tensor([1.0, 3.0]))
    tensor(1.)
    """
    out = _C.std(x, axis, correction, keepdims)
    return record(out, _std_gradient, (x,), x, out, axis, correction, keepdims)


def _std_gradient(
    needs: Needs, grad: Tensor, x: Tensor, out: Tensor, axis: Axis, correction: float, keepdims: bool
) -> Gradients:
    count = _C.reduced_count("std", x, axis)
    factor = 1.0 / (count - correction) if count > correction else float("nan")
    each = with_axes(_C.divide(_C.multiply(grad, factor), _or_one(out)), x.shape, axis, keepdims)
    return (_C.multiply(_centered(x, axis), each),)


def _or_one(x: Tensor) -> Tensor:
    """A divisor for what is 0 wherever ``x`` is."""
    return _C.where(_C.equal(x, 0.0), 1.0, x)


@in_float32
def norm(x: Tensor, axis: Axis = None, ord: float = 2, keepdims: bool = False) -> Tensor:
    """The norm of the elements along axes.

    Parameters
    ----------
    x
        float32 or float64 of any shape.
    axis, keepdims
        As for :func:`sum`; errors likewise.
    ord
        2: ``sqrt(sum(x^2))``; 1: ``sum(|x|)``; ``float("inf")``: ``max(|x|)``.

    Returns
    -------
    Tensor
        Of the dtype of ``x``. The gradient of the 2-norm where it is 0 is 0, as is that of the 1-norm by an element
        that is 0; that of the largest goes to the first of equal ones. Of nothing, the norms with ``ord`` 1 and 2 are
        0.

    Raises
    ------
    ArgumentError
        For another ``ord``.
    DTypeError
        If ``x`` is not float32 or float64.
    ShapeError
        If the largest of no elements is asked for.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.norm(tg.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if ord == 2:
        out = _C.norm2(x, axis, keepdims)
        return record(out, _norm_gradient, (x,), x, out, axis, keepdims)
    if ord not in (1, float("inf")):
        raise _C.ArgumentError(f"norm: ord must be 1, 2 or infinity, found {ord!r}")
    if not x.dtype.is_floating:
        raise _C.DTypeError(
            f"norm: expected a floating tensor, found {x.dtype.name} {list(x.shape)}; cast it with .astype()"
        )
    from .elementwise import absolute

    return (sum if ord == 1 else max)(absolute(x), axis, keepdims)


def _norm_gradient(needs: Needs, grad: Tensor, x: Tensor, out: Tensor, axis: Axis, keepdims: bool) -> Gradients:
    return (_C.multiply(x, with_axes(_C.divide(grad, _or_one(out)), x.shape, axis, keepdims)),)


@in_float32
def prod(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The product of the elements along axes.

    Parameters
    ----------
    x
        Of any shape; float32, float64, integer or bool.
    axis, keepdims
        As for :func:`sum`; errors likewise.

    Returns
    -------
    Tensor
        Of the dtype of ``x``; int64 for integers and bools (wrapping around). The product of nothing is 1. The gradient
        is right where elements are 0, too.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.prod(tg.tensor([2.0, 3.0, 4.0]))
    tensor(24.)
    """
    return record(_C.prod(x, axis, keepdims), _prod_gradient, (x,), x, axis)


def _prod_gradient(needs: Needs, grad: Tensor, x: Tensor, axis: Axis) -> Gradients:
    return (_C.prod_backward(x, grad, axis),)


def any(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether an element along axes is true (not zero).

    Parameters
    ----------
    x
        Of any shape; float32, float64, integer or bool. NaN is true.
    axis, keepdims
        As for :func:`sum`; errors likewise.

    Returns
    -------
    Tensor
        Bools, without a gradient. Of nothing, False.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.any(tg.tensor([[0, 1], [0, 0]]), axis=1)
    tensor([ True, False])
    """
    return _C.any(x, axis, keepdims)


def all(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether every element along axes is true (not zero).

    Parameters
    ----------
    x, axis, keepdims
        As for :func:`any`; errors likewise.

    Returns
    -------
    Tensor
        Bools, without a gradient. Of nothing, True.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.all(tg.tensor([[0, 1], [2, 3]]), axis=1)
    tensor([False,  True])
    """
    return _C.all(x, axis, keepdims)


@in_float32
def logsumexp(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """``log(sum(exp(x)))`` along axes, as ``m + log(sum(exp(x - m)))`` with ``m = max(x)``: nothing overflows.

    Parameters
    ----------
    x
        float32 or float64 of any shape.
    axis, keepdims
        As for :func:`sum`; errors likewise.

    Returns
    -------
    Tensor
        Of the dtype of ``x``; inf where an element is, -inf where all are, and of nothing. Its gradient is
        ``softmax(x)`` along the axes, NaN at an infinite result.

    Raises
    ------
    DTypeError
        If ``x`` is not float32 or float64.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.logsumexp(tg.tensor([1000.0, 1000.0]))
    tensor(1000.6932)
    """
    out = _C.logsumexp(x, axis, keepdims)
    return record(out, _logsumexp_gradient, (x,), x, out, axis, keepdims)


def _logsumexp_gradient(needs: Needs, grad: Tensor, x: Tensor, out: Tensor, axis: Axis, keepdims: bool) -> Gradients:
    shares = _C.exp(_C.subtract(x, with_axes(out, x.shape, axis, keepdims)))
    return (_C.multiply(shares, with_axes(grad, x.shape, axis, keepdims)),)


@in_float32
def cumsum(x: Tensor, axis: int = -1) -> Tensor:
    """Running sums ``y[i] = x[0] + ... + x[i]`` along one axis.

    Parameters
    ----------
    x
        Floating, integer or bool, of at least one dimension.
    axis
        The axis; negative ones count from the end.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``; int64 for integers and bools.

    Raises
    ------
    OutOfRangeError
        If the axis does not exist.

    Notes
    -----
    Added up one after the other, in double precision for float32 and with compensation for float64.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.cumsum(tg.tensor([1, 2, 3]))
    tensor([1, 3, 6])
    """
    return record(_C.cumsum(x, axis), _cumsum_gradient, (x,), axis)


def _cumsum_gradient(needs: Needs, grad: Tensor, axis: int) -> Gradients:
    return (_C.cumsum(grad, axis, True),)
