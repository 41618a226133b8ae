"""Comparisons and logic, which give bools; and choices between elements: maximum, minimum, clip, where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _C
from ..autograd import record
from .broadcasting import shape_of, sum_to

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "clip",
    "equal",
    "greater",
    "greater_equal",
    "isfinite",
    "isnan",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "not_equal",
    "where",
]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


def equal(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Elementwise ``a == b``, as bools.

    Parameters
    ----------
    a, b
        Tensors of one dtype whose shapes broadcast, or one tensor and one Python number, which takes the tensor's
        dtype. Any dtype; float16 and bfloat16 on a GPU alone.

    Returns
    -------
    Tensor
        Bools of the broadcast shape, without a gradient. NaN is unequal to everything.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    DTypeError
        If the dtypes differ, a floating number meets an integer tensor, or neither is a tensor.
    ArgumentError
        If a number does not fit in the dtype of an integer or bool tensor.
    DeviceError
        If the tensors are on different devices.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.equal(tg.tensor([1, 2]), 2)
    tensor([False,  True])
    """
    return _C.equal(a, b)


def not_equal(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Elementwise ``a != b``, as bools.

    Parameters
    ----------
    a, b
        As for :func:`equal`; errors likewise.

    Returns
    -------
    Tensor
        Bools of the broadcast shape, without a gradient. NaN is unequal to everything.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.not_equal(tg.tensor([1, 2]), 2)
    tensor([ True, False])
    """
    return _C.not_equal(a, b)


def less(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Elementwise ``a < b``, as bools.

    Parameters
    ----------
    a, b
        As for :func:`equal`; errors likewise. False is less than True.

    Returns
    -------
    Tensor
        Bools of the broadcast shape, without a gradient; False where one is NaN.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.less(tg.tensor([1, 2]), 2)
    tensor([ True, False])
    """
    return _C.less(a, b)


def less_equal(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Elementwise ``a <= b``, as bools.

    Parameters
    ----------
    a, b
        As for :func:`less`; errors likewise.

    Returns
    -------
    Tensor
        Bools of the broadcast shape, without a gradient; False where one is NaN.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.less_equal(tg.tensor([1, 2, 3]), 2)
    tensor([ True,  True, False])
    """
    return _C.less_equal(a, b)


def greater(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Elementwise ``a > b``, as bools.

    Parameters
    ----------
    a, b
        As for :func:`less`; errors likewise.

    Returns
    -------
    Tensor
        Bools of the broadcast shape, without a gradient; False where one is NaN.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.greater(tg.tensor([1, 2, 3]), 2)
    tensor([False, False,  True])
    """
    return _C.greater(a, b)


def greater_equal(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Elementwise ``a >= b``, as bools.

    Parameters
    ----------
    a, b
        As for :func:`less`; errors likewise.

    Returns
    -------
    Tensor
        Bools of the broadcast shape, without a gradient; False where one is NaN.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.greater_equal(tg.tensor([1, 2, 3]), 2)
    tensor([False,  True,  True])
    """
    return _C.greater_equal(a, b)


def logical_and(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Whether both elements differ from zero, as bools.

    Parameters
    ----------
    a, b
        As for :func:`equal`; errors likewise. NaN differs from zero.

    Returns
    -------
    Tensor
        Bools of the broadcast shape, without a gradient.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.logical_and(tg.tensor([True, True, False]), tg.tensor([True, False, False]))
    tensor([ True, False, False])
    """
    return _C.logical_and(a, b)


def logical_or(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Whether an element of the two differs from zero, as bools.

    Parameters
    ----------
    a, b
        As for :func:`logical_and`; errors likewise.

    Returns
    -------
    Tensor
        Bools of the broadcast shape, without a gradient.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.logical_or(tg.tensor([True, True, False]), tg.tensor([True, False, False]))
    tensor([ True,  True, False])
    """
    return _C.logical_or(a, b)


def logical_xor(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Whether exactly one element of the two differs from zero, as bools.

    Parameters
    ----------
    a, b
        As for :func:`logical_and`; errors likewise.

    Returns
    -------
    Tensor
        Bools of the broadcast shape, without a gradient.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.logical_xor(tg.tensor([True, True, False]), tg.tensor([True, False, False]))
    tensor([False,  True, False])
    """
    return _C.logical_xor(a, b)


def logical_not(x: Tensor) -> Tensor:
    """Whether each element is zero, as bools.

    Parameters
    ----------
    x
        Of any shape and dtype, float16 and bfloat16 on a GPU alone. NaN is not zero.

    Returns
    -------
    Tensor
        Bools of the shape of ``x``, without a gradient.

    Raises
    ------
    DTypeError
        If ``x`` has 16 bits and is on the CPU.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.logical_not(tg.tensor([True, False]))
    tensor([False,  True])
    """
    return _C.logical_not(x)


def isnan(x: Tensor) -> Tensor:
    """Whether each element is NaN, as bools.

    Parameters
    ----------
    x
        float32 or float64 of any shape, on a GPU float16 and bfloat16 too.

    Returns
    -------
    Tensor
        Bools of the shape of ``x``, without a gradient.

    Raises
    ------
    DTypeError
        If ``x`` has another dtype: integers are never NaN.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.isnan(tg.tensor([1.0, float("nan")]))
    tensor([False,  True])
    """
    return _C.isnan(x)


def isfinite(x: Tensor) -> Tensor:
    """Whether each element is neither infinite nor NaN, as bools.

    Parameters
    ----------
    x
        float32 or float64 of any shape, on a GPU float16 and bfloat16 too.

    Returns
    -------
    Tensor
        Bools of the shape of ``x``, without a gradient.

    Raises
    ------
    DTypeError
        If ``x`` has another dtype: integers are always finite.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.isfinite(tg.tensor([1.0, float("inf")]))
    tensor([ True, False])
    """
    return _C.isfinite(x)


def maximum(a: Tensor | float, b: Tensor | float) -> Tensor:
    """The larger element of the two, and NaN where one is NaN.

    Parameters
    ----------
    a, b
        As for :func:`equal`; errors likewise.

    Returns
    -------
    Tensor
        Of the broadcast shape and the operands' dtype. Where both are equal, each gets half of the gradient.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.maximum(tg.tensor([1.0, 3.0]), 2)
    tensor([2., 3.])
    """
    return record(_C.maximum(a, b), _maximum_gradient, (a, b), a, b)


def _maximum_gradient(needs: Needs, grad: Tensor, a: Tensor, b: Tensor) -> Gradients:
    return (
        sum_to(_C.maximum_backward(grad, a, b), a) if needs[0] else None,
        sum_to(_C.maximum_backward(grad, b, a), b) if needs[1] else None,
    )


def minimum(a: Tensor | float, b: Tensor | float) -> Tensor:
    """The smaller element of the two, and NaN where one is NaN.

    Parameters
    ----------
    a, b
        As for :func:`equal`; errors likewise.

    Returns
    -------
    Tensor
        Of the broadcast shape and the operands' dtype. Where both are equal, each gets half of the gradient.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.minimum(tg.tensor([1.0, 3.0]), 2)
    tensor([1., 2.])
    """
    return record(_C.minimum(a, b), _minimum_gradient, (a, b), a, b)


def _minimum_gradient(needs: Needs, grad: Tensor, a: Tensor, b: Tensor) -> Gradients:
    return (
        sum_to(_C.minimum_backward(grad, a, b), a) if needs[0] else None,
        sum_to(_C.minimum_backward(grad, b, a), b) if needs[1] else None,
    )


def clip(x: Tensor, low: Tensor | float | None = None, high: Tensor | float | None = None) -> Tensor:
    """``min(max(x, low), high)``; NaN where one of them is.

    Parameters
    ----------
    x
        Of any shape and dtype, float16 and bfloat16 on a GPU alone.
    low, high
        The bounds: numbers, which take the dtype of ``x``, or tensors of that dtype that broadcast with it; None for no
        bound. Where ``low`` is above ``high``, the result is ``high``.

    Returns
    -------
    Tensor
        Of the broadcast shape and the dtype of ``x``. Where ``x`` lay outside a bound the gradient is that bound's, and
        that of ``x`` is 0.

    Raises
    ------
    ArgumentError
        If both bounds are None, or a number does not fit in the dtype of an integer tensor.
    ShapeError
        If the shapes do not broadcast.
    DTypeError
        If the dtypes differ, a floating bound meets an integer tensor, or ``x`` is no tensor.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.clip(tg.tensor([-1.0, 0.5, 2.0]), 0, 1)
    tensor([0. , 0.5, 1. ])
    """
    if low is None and high is None:
        raise _C.ArgumentError("clip: low and high are both None; give at least one bound")
    if high is None:
        out = _C.maximum(x, low)
    elif low is None:
        out = _C.minimum(x, high)
    else:
        out = _C.clip(x, low, high)
    return record(out, clip_gradient, (x, low, high), x, low, high)


def clip_gradient(
    needs: Needs, grad: Tensor, x: Tensor, low: Tensor | float | None, high: Tensor | float | None
) -> Gradients:
    # No x lies outside of itself: where there is no bound, nothing is held back.
    grad_x = _C.clip_backward(grad, x, x if low is None else low, x if high is None else high) if needs[0] else None
    raised = x if low is None else _C.maximum(x, low)
    too_high = None if high is None else _C.greater(raised, high)
    grad_low = grad_high = None
    if needs[1]:
        lifted = _C.where(_C.less(x, low), grad, 0.0)
        grad_low = lifted if too_high is None else _C.where(too_high, 0.0, lifted)
    if needs[2] and too_high is not None:
        grad_high = _C.where(too_high, grad, 0.0)
    return (
        None if grad_x is None else sum_to(grad_x, x),
        None if grad_low is None or low is None else sum_to(grad_low, low),
        None if grad_high is None or high is None else sum_to(grad_high, high),
    )


def where(condition: Tensor, a: Tensor | float, b: Tensor | float) -> Tensor:
    """Elements of ``a`` where the condition holds, of ``b`` elsewhere.

    Parameters
    ----------
    condition
        Bools, a tensor.
    a, b
        Tensors of one dtype, which may be any, or one tensor and one Python number, which takes the tensor's dtype. All
        three shapes broadcast.

    Returns
    -------
    Tensor
        A copy of the broadcast shape and the dtype of ``a`` and ``b``. Each gets the gradient of the elements taken
        from it.

    Raises
    ------
    DTypeError
        If the condition is not a bool tensor, the dtypes of ``a`` and ``b`` differ, or neither is a tensor.
    ShapeError
        If the shapes do not broadcast.
    ArgumentError
        If a number does not fit in the dtype of an integer tensor.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.where(tg.tensor([True, False]), tg.tensor([1.0, 2.0]), 0)
    tensor([1., 0.])
    """
    return record(_C.where(condition, a, b), _where_gradient, (a, b), condition, shape_of(a), shape_of(b))


def _where_gradient(needs: Needs, grad: Tensor, condition: Tensor, a: tuple[int, ...], b: tuple[int, ...]) -> Gradients:
    return (
        sum_to(_C.where(condition, grad, 0), a) if needs[0] else None,
        sum_to(_C.where(condition, 0, grad), b) if needs[1] else None,
    )
