"""Elementwise arithmetic with NumPy's broadcasting.

Operands of one call have one dtype: nothing is converted silently, and a Python number takes the tensor's dtype.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _C
from ..autograd import record, record_shapes
from .broadcasting import sum_to

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "abs",
    "absolute",
    "add",
    "divide",
    "floor_divide",
    "multiply",
    "negative",
    "pow",
    "power",
    "reciprocal",
    "remainder",
    "rsqrt",
    "sign",
    "sqrt",
    "square",
    "subtract",
]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


def add(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Elementwise sum ``a + b``.

    Parameters
    ----------
    a, b
        Tensors of one dtype whose shapes broadcast, or one tensor and one Python number, which takes the tensor's
        dtype. Any dtype but bool; float16 and bfloat16 on a GPU alone.

    Returns
    -------
    Tensor
        Of the broadcast shape and the operands' dtype. Integers wrap around.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    DTypeError
        If the dtypes differ or are none of these, a floating number meets an integer tensor, or neither is a tensor.
    ArgumentError
        If a number does not fit in the dtype of an integer tensor.
    DeviceError
        If the tensors are on different devices.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.add(tg.tensor([1.0, 2.0]), 0.5)
    tensor([1.5, 2.5])
    """
    return record_shapes(_C.add(a, b), _add_gradient, (a, b))


def _add_gradient(needs: Needs, grad: Tensor, a: tuple[int, ...], b: tuple[int, ...]) -> Gradients:
    return sum_to(grad, a) if needs[0] else None, sum_to(grad, b) if needs[1] else None


def subtract(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Elementwise difference ``a - b``.

    Parameters
    ----------
    a, b
        As for :func:`add`; errors likewise.

    Returns
    -------
    Tensor
        Of the broadcast shape and the operands' dtype. Integers wrap around.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.subtract(1, tg.tensor([1.0, 2.0]))
    tensor([ 0., -1.])
    """
    return record_shapes(_C.subtract(a, b), _subtract_gradient, (a, b))


def _subtract_gradient(needs: Needs, grad: Tensor, a: tuple[int, ...], b: tuple[int, ...]) -> Gradients:
    return sum_to(grad, a) if needs[0] else None, _C.negative(sum_to(grad, b)) if needs[1] else None


def multiply(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Elementwise product ``a * b``.

    Parameters
    ----------
    a, b
        As for :func:`add`; errors likewise.

    Returns
    -------
    Tensor
        Of the broadcast shape and the operands' dtype. Integers wrap around.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.multiply(tg.tensor([1.0, 2.0]), 3)
    tensor([3., 6.])
    """
    out = _C.multiply(a, b)
    return record_shapes(out, _multiply_gradient, (a, b), None if b.__class__ in _NUMBERS else a, b)


_NUMBERS = frozenset({int, float})  # beside one of these the other operand's values are not kept


def _multiply_gradient(
    needs: Needs, grad: Tensor, a_shape: tuple[int, ...], b_shape: tuple[int, ...], a: Tensor, b: Tensor
) -> Gradients:
    return (
        sum_to(_C.multiply(grad, b), a_shape) if needs[0] else None,
        sum_to(_C.multiply(grad, a), b_shape) if needs[1] else None,
    )


def divide(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Elementwise quotient ``a / b`` of floating tensors.

    Parameters
    ----------
    a, b
        As for :func:`add`, but floating; errors likewise.

    Returns
    -------
    Tensor
        Of the broadcast shape and the operands' dtype. Over zero it is infinite, and NaN for zero over zero.

    Raises
    ------
    DTypeError
        If the tensors are integers: cast them, or use :func:`floor_divide`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.divide(tg.tensor([1.0, 2.0]), 4)
    tensor([0.25, 0.5 ])
    """
    out = _C.divide(a, b)
    return record_shapes(out, _divide_gradient, (a, b), None if b.__class__ in _NUMBERS else a, b)


def _divide_gradient(
    needs: Needs, grad: Tensor, a_shape: tuple[int, ...], b_shape: tuple[int, ...], a: Tensor, b: Tensor
) -> Gradients:
    grad_a = _C.divide(grad, b)
    grad_b = _C.negative(_C.multiply(grad_a, _C.divide(a, b))) if needs[1] else None
    return sum_to(grad_a, a_shape) if needs[0] else None, sum_to(grad_b, b_shape) if grad_b is not None else None


def floor_divide(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Elementwise quotient rounded towards minus infinity, Python's ``a // b``.

    Integers divided by zero give 0, and the least integer over -1 wraps around to itself. Floating numbers divided by
    zero give what :func:`divide` does.

    Parameters
    ----------
    a, b
        As for :func:`add`; errors likewise.

    Returns
    -------
    Tensor
        Of the broadcast shape and the operands' dtype. Its gradient is zero.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.floor_divide(tg.tensor([7, -7]), 2)
    tensor([ 3, -4])
    """
    return record_shapes(_C.floor_divide(a, b), _flat_gradient, (a, b))


def _flat_gradient(needs: Needs, grad: Tensor, *shapes: tuple[int, ...]) -> Gradients:
    """The gradient of functions of steps."""
    return tuple(
        _C.full(shape, 0, grad.dtype, grad.device) if need else None for need, shape in zip(needs, shapes, strict=True)
    )


def remainder(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Elementwise ``a - b * floor(a / b)``, exact and with the sign of ``b``: Python's ``a % b``.

    Integers modulo zero give 0; floating numbers modulo zero give NaN.

    Parameters
    ----------
    a, b
        As for :func:`add`; errors likewise.

    Returns
    -------
    Tensor
        Of the broadcast shape and the operands' dtype. Its gradient is 1 by ``a`` and ``-floor(a / b)`` by ``b``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.remainder(tg.tensor([7, -7]), 3)
    tensor([1, 2])
    """
    return record(_C.remainder(a, b), _remainder_gradient, (a, b), a, b)


def _remainder_gradient(needs: Needs, grad: Tensor, a: Tensor, b: Tensor) -> Gradients:
    return (
        sum_to(grad, a) if needs[0] else None,
        _C.negative(sum_to(_C.multiply(grad, _C.floor_divide(a, b)), b)) if needs[1] else None,
    )


def power(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Elementwise power ``a ** b``, also as ``tg.pow``.

    Floating numbers follow IEEE 754's ``pow`` (``x ** 0`` is 1, a negative base to a fraction is NaN). Integers wrap
    around; a negative exponent leaves the integer part of the reciprocal, so 0 for all bases but 1 and -1. With the
    exponents 2 and 3, as Python integers, the result is a product of two or three factors.

    Parameters
    ----------
    a, b
        Base and exponent, as for :func:`add`; errors likewise.

    Returns
    -------
    Tensor
        Of the broadcast shape and the operands' dtype. Its gradient by ``a`` is ``b * a ** (b - 1)``, 0 where ``b`` is
        0; by ``b`` it is ``a ** b * log(a)``, 0 where ``a`` is 0 and ``b`` is not negative, and NaN where ``a`` is
        negative.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.power(tg.tensor([2.0, 3.0]), 3)
    tensor([ 8., 27.])
    """
    if b.__class__ is int and b == 2:
        return square(a)  # type: ignore[arg-type]
    if b.__class__ is int and b == 3:
        return record(_C.cube(a), _cube_gradient, (a,), a)  # type: ignore[arg-type]
    return record(_C.power(a, b), _power_gradient, (a, b), a, b)


pow = power


def _power_gradient(needs: Needs, grad: Tensor, a: Tensor, b: Tensor) -> Gradients:
    return (
        sum_to(_C.power_backward_base(grad, a, b), a) if needs[0] else None,
        sum_to(_C.power_backward_exponent(grad, a, b), b) if needs[1] else None,
    )


def _cube_gradient(needs: Needs, grad: Tensor, x: Tensor) -> Gradients:
    return (_C.cube_backward(grad, x),)


def negative(x: Tensor) -> Tensor:
    """Elementwise ``-x``.

    Parameters
    ----------
    x
        Of any shape; float32, float64, int64 or int32, on a GPU float16 and bfloat16 too.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``. The least integer wraps around to itself.

    Raises
    ------
    DTypeError
        If ``x`` has another dtype, as the unsigned uint8.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.negative(tg.tensor([1.0, -2.0]))
    tensor([-1.,  2.])
    """
    return record(_C.negative(x), _negative_gradient, (x,))


def _negative_gradient(needs: Needs, grad: Tensor) -> Gradients:
    return (_C.negative(grad),)


def absolute(x: Tensor) -> Tensor:
    """Elementwise ``|x|``, also as ``tg.abs``; the gradient at 0 is 0. The least integer wraps around to itself.

    Parameters
    ----------
    x
        Of any shape; any dtype but bool, float16 and bfloat16 on a GPU alone.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``.

    Raises
    ------
    DTypeError
        If ``x`` has another dtype.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.absolute(tg.tensor([1.0, -2.0]))
    tensor([1., 2.])
    """
    return record(_C.absolute(x), _absolute_gradient, (x,), x)


abs = absolute


def _absolute_gradient(needs: Needs, grad: Tensor, x: Tensor) -> Gradients:
    return (_C.absolute_backward(grad, x),)


def sign(x: Tensor) -> Tensor:
    """Elementwise sign: -1, 0 or 1, and NaN for NaN.

    Parameters
    ----------
    x
        As for :func:`absolute`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``. Its gradient is zero.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.sign(tg.tensor([3.0, -2.0, 0.0]))
    tensor([ 1., -1.,  0.])
    """
    return record(_C.sign(x), _flat_gradient, (x,), x.shape)


def square(x: Tensor) -> Tensor:
    """Elementwise ``x * x``.

    Parameters
    ----------
    x
        As for :func:`absolute`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``. Integers wrap around.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.square(tg.tensor([3.0, -2.0]))
    tensor([9., 4.])
    """
    return record(_C.square(x), _square_gradient, (x,), x)


def _square_gradient(needs: Needs, grad: Tensor, x: Tensor) -> Gradients:
    return (_C.multiply(_C.multiply(grad, x), 2),)


def sqrt(x: Tensor) -> Tensor:
    """Elementwise square root, correctly rounded.

    Parameters
    ----------
    x
        float32 or float64 of any shape, on a GPU float16 and bfloat16 too.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``; NaN for negative numbers. Its gradient at 0 is infinite.

    Raises
    ------
    DTypeError
        If ``x`` has another dtype.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.sqrt(tg.tensor([9.0, 4.0]))
    tensor([3., 2.])
    """
    y = _C.sqrt(x)
    return record(y, _sqrt_gradient, (x,), y)


def _sqrt_gradient(needs: Needs, grad: Tensor, y: Tensor) -> Gradients:
    return (_C.sqrt_backward(grad, y),)


def rsqrt(x: Tensor) -> Tensor:
    """Elementwise ``1 / sqrt(x)``.

    Parameters
    ----------
    x
        As for :func:`sqrt`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``; infinite at 0, NaN for negative numbers.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.rsqrt(tg.tensor([4.0, 16.0]))
    tensor([0.5 , 0.25])
    """
    y = _C.rsqrt(x)
    return record(y, _rsqrt_gradient, (x,), y)


def _rsqrt_gradient(needs: Needs, grad: Tensor, y: Tensor) -> Gradients:
    return (_C.rsqrt_backward(grad, y),)


def reciprocal(x: Tensor) -> Tensor:
    """Elementwise ``1 / x``.

    Parameters
    ----------
    x
        As for :func:`sqrt`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``; infinite at 0.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.reciprocal(tg.tensor([4.0, 0.5]))
    tensor([0.25, 2.  ])
    """
    y = _C.reciprocal(x)
    return record(y, _reciprocal_gradient, (x,), y)


def _reciprocal_gradient(needs: Needs, grad: Tensor, y: Tensor) -> Gradients:
    return (_C.reciprocal_backward(grad, y),)
