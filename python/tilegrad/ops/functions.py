"""Elementary functions of every element, and rounding. Bounds on their errors are in docs/numerics.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _C
from ..autograd import record

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["ceil", "cos", "erf", "exp", "expm1", "floor", "log", "log1p", "round", "sin"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


def exp(x: Tensor) -> Tensor:
    """Elementwise ``e ** x``.

    Parameters
    ----------
    x
        float32 or float64 of any shape, on a GPU float16 and bfloat16 too.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``; infinite where it overflows.

    Raises
    ------
    DTypeError
        If ``x`` has another dtype.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.exp(tg.tensor([0.0, 1.0]))
    tensor([1.       , 2.7182817])
    """
    y = _C.exp(x)
    return record(y, _exp_gradient, (x,), y)


def _exp_gradient(needs: Needs, grad: Tensor, y: Tensor) -> Gradients:
    return (_C.multiply(grad, y),)


def expm1(x: Tensor) -> Tensor:
    """Elementwise ``e ** x - 1``, exact also where ``x`` is small.

    Parameters
    ----------
    x
        As for :func:`exp`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``, from -1 up.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.expm1(tg.tensor([1e-10, 1.0]))
    tensor([1.0000000e-10, 1.7182819e+00])
    """
    y = _C.expm1(x)
    return record(y, _expm1_gradient, (x,), y)


def _expm1_gradient(needs: Needs, grad: Tensor, y: Tensor) -> Gradients:
    return (_C.multiply(grad, _C.add(y, 1)),)


def log(x: Tensor) -> Tensor:
    """Elementwise natural logarithm.

    Parameters
    ----------
    x
        As for :func:`exp`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``; -inf at 0, NaN below.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.log(tg.tensor([1.0, 10.0]))
    tensor([0.       , 2.3025851])
    """
    return record(_C.log(x), _log_gradient, (x,), x)


def _log_gradient(needs: Needs, grad: Tensor, x: Tensor) -> Gradients:
    return (_C.divide(grad, x),)


def log1p(x: Tensor) -> Tensor:
    """Elementwise ``log(1 + x)``, exact also where ``x`` is small.

    Parameters
    ----------
    x
        As for :func:`exp`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``; -inf at -1, NaN below.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.log1p(tg.tensor([1e-10, 1.0]))
    tensor([1.000000e-10, 6.931472e-01])
    """
    return record(_C.log1p(x), _log1p_gradient, (x,), x)


def _log1p_gradient(needs: Needs, grad: Tensor, x: Tensor) -> Gradients:
    return (_C.divide(grad, _C.add(x, 1)),)


def sin(x: Tensor) -> Tensor:
    """Elementwise sine of an angle in radians.

    Parameters
    ----------
    x
        float32 or float64 of any shape.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``; NaN for infinite angles.

    Raises
    ------
    DTypeError
        If ``x`` has another dtype.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.sin(tg.tensor([0.0, 1.0]))
    tensor([0.        , 0.84147096])
    """
    return record(_C.sin(x), _sin_gradient, (x,), x)


def _sin_gradient(needs: Needs, grad: Tensor, x: Tensor) -> Gradients:
    return (_C.multiply(grad, _C.cos(x)),)


def cos(x: Tensor) -> Tensor:
    """Elementwise cosine of an angle in radians.

    Parameters
    ----------
    x
        As for :func:`sin`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``; NaN for infinite angles.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.cos(tg.tensor([0.0, 1.0]))
    tensor([1.       , 0.5403023])
    """
    return record(_C.cos(x), _cos_gradient, (x,), x)


def _cos_gradient(needs: Needs, grad: Tensor, x: Tensor) -> Gradients:
    return (_C.negative(_C.multiply(grad, _C.sin(x))),)


def erf(x: Tensor) -> Tensor:
    """Elementwise error function, ``2 / sqrt(pi)`` times the integral of ``exp(-t ** 2)`` from 0 to ``x``.

    Parameters
    ----------
    x
        As for :func:`exp`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``, from -1 to 1.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.erf(tg.tensor([0.0, 1.0]))
    tensor([0.       , 0.8427008])
    """
    return record(_C.erf(x), _erf_gradient, (x,), x)


def _erf_gradient(needs: Needs, grad: Tensor, x: Tensor) -> Gradients:
    return (_C.erf_backward(grad, x),)


def floor(x: Tensor) -> Tensor:
    """The largest integer not above each element, as a floating number.

    Parameters
    ----------
    x
        As for :func:`exp`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``; NaN and infinities stay. Its gradient is zero.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.floor(tg.tensor([1.5, -1.5]))
    tensor([ 1., -2.])
    """
    return record(_C.floor(x), _flat_gradient, (x,), x.shape)


def ceil(x: Tensor) -> Tensor:
    """The smallest integer not below each element, as a floating number.

    Parameters
    ----------
    x
        As for :func:`exp`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``; NaN and infinities stay. Its gradient is zero.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.ceil(tg.tensor([1.5, -1.5]))
    tensor([ 2., -1.])
    """
    return record(_C.ceil(x), _flat_gradient, (x,), x.shape)


def round(x: Tensor) -> Tensor:
    """The nearest integer, halves to even, as a floating number.

    Parameters
    ----------
    x
        As for :func:`exp`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``; NaN and infinities stay. Its gradient is zero.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.round(tg.tensor([0.5, 1.5, -1.2]))
    tensor([ 0.,  2., -1.])
    """
    return record(_C.round(x), _flat_gradient, (x,), x.shape)


def _flat_gradient(needs: Needs, grad: Tensor, shape: tuple[int, ...]) -> Gradients:
    return (_C.full(shape, 0, grad.dtype, grad.device),)
