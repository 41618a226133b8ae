"""Activation functions made of pieces, element by element; bounds on their errors are in docs/numerics.md."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from .. import _C
from ..autograd import record
from .arguments import number_of
from .broadcasting import sum_to
from .reduce import max as largest
from .views import reshape

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["elu", "hard_sigmoid", "hard_swish", "leaky_relu", "maxout", "prelu", "relu6", "selu", "step"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


def step(x: Tensor) -> Tensor:
    """Heaviside's step: 0 where ``x < 0``, 1 where ``x >= 0``; NaN passes through.

    Parameters
    ----------
    x
        float32 or float64 of any shape, on a GPU float16 and bfloat16 too.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``. Its gradient is zero everywhere.

    Raises
    ------
    DTypeError
        If ``x`` has another dtype.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.step(tg.tensor([-2.0, 0.0, 3.0]))
    tensor([0., 1., 1.])
    """
    return record(_C.step(x), _step_gradient, (x,), x.shape)


def _step_gradient(needs: Needs, grad: Tensor, shape: tuple[int, ...]) -> Gradients:
    return (_C.full(shape, 0, grad.dtype, grad.device),)


def relu6(x: Tensor) -> Tensor:
    """``min(max(x, 0), 6)``; NaN passes through. The gradient at 0 and 6 is 0.

    Parameters
    ----------
    x
        As for :func:`step`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.relu6(tg.tensor([-1.0, 2.0, 8.0]))
    tensor([0., 2., 6.])
    """
    y = _C.relu6(x)
    return record(y, _relu6_gradient, (x,), y)


def _relu6_gradient(needs: Needs, grad: Tensor, y: Tensor) -> Gradients:
    return (_C.relu6_backward(grad, y),)


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """``x`` where it is positive, ``negative_slope * x`` elsewhere.

    Parameters
    ----------
    x
        As for :func:`step`.
    negative_slope
        A number. For one that is learnt see :func:`prelu`.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``.

    Raises
    ------
    DTypeError
        If ``x`` has another dtype, or ``negative_slope`` is not a number.

    Notes
    -----
    The gradient at 0 is ``negative_slope``. Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network
    acoustic models", 2013.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.leaky_relu(tg.tensor([-2.0, 3.0]), 0.5)
    tensor([-1.,  3.])
    """
    slope = number_of("leaky_relu", "negative_slope", negative_slope, "; prelu takes a tensor")
    return record(_C.leaky_relu(x, slope), _leaky_relu_gradient, (x,), x, slope)


def _leaky_relu_gradient(needs: Needs, grad: Tensor, x: Tensor, slope: float) -> Gradients:
    return (_C.leaky_relu_backward(grad, x, slope),)


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    """:func:`leaky_relu` with a slope that is learnt: ``x`` where it is positive, ``slope * x`` elsewhere.

    Parameters
    ----------
    x
        float32 or float64 [..., C], on a GPU float16 and bfloat16 too.
    slope
        One number ([] or [1]) or one for each channel [C], of the dtype of ``x``; it has a gradient too.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``.

    Raises
    ------
    ShapeError
        If ``slope`` is neither one number nor [C].
    DTypeError
        If the dtypes differ or are not floating.

    Notes
    -----
    He, Zhang, Ren and Sun, "Delving deep into rectifiers", 2015.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.prelu(tg.tensor([[-2.0, -2.0]]), tg.tensor([0.5, 0.25]))
    tensor([[-1. , -0.5]])
    """
    return record(_C.prelu(x, slope), _prelu_gradient, (x, slope), x, slope)


def _prelu_gradient(needs: Needs, grad: Tensor, x: Tensor, slope: Tensor) -> Gradients:
    return (
        _C.leaky_relu_backward(grad, x, slope) if needs[0] else None,
        sum_to(_C.leaky_relu_backward_slope(grad, x), slope) if needs[1] else None,
    )


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """``x`` where it is positive, ``alpha * (exp(x) - 1)`` elsewhere.

    Parameters
    ----------
    x
        As for :func:`step`.
    alpha
        A number: minus the limit far below zero.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``. Its gradient at 0 is ``alpha``.

    Raises
    ------
    DTypeError
        If ``x`` has another dtype, or ``alpha`` is not a number.

    Notes
    -----
    Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential linear units", 2016.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.elu(tg.tensor([-100.0, 2.0]), alpha=0.5)
    tensor([-0.5,  2. ])
    """
    number = number_of("elu", "alpha", alpha)
    return record(_C.elu(x, number), _elu_gradient, (x,), x, number)


def _elu_gradient(needs: Needs, grad: Tensor, x: Tensor, alpha: float) -> Gradients:
    return (_C.elu_backward(grad, x, alpha),)


def selu(x: Tensor) -> Tensor:
    """``scale * elu(x, alpha)`` that keeps a mean of 0 and a variance of 1.

    ``alpha = 1.6732632423543772`` and ``scale = 1.0507009873554805`` are the numbers for which a normally distributed
    input of mean 0 and variance 1 gives an output of mean 0 and variance 1.

    Parameters
    ----------
    x
        As for :func:`step`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``. Its gradient at 0 is ``scale * alpha``.

    Notes
    -----
    Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", 2017. Weights are to be drawn with
    variance 1 / fan-in, and dropout is :func:`alpha_dropout`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.selu(tg.tensor([-1.0, 1.0]))
    tensor([-1.1113307,  1.050701 ])
    """
    return record(_C.selu(x), _selu_gradient, (x,), x)


def _selu_gradient(needs: Needs, grad: Tensor, x: Tensor) -> Gradients:
    return (_C.selu_backward(grad, x),)


def hard_sigmoid(x: Tensor) -> Tensor:
    """``relu6(x + 3) / 6``: a line from 0 at -3 to 1 at 3. The gradient at both ends is 0.

    Parameters
    ----------
    x
        As for :func:`step`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``, from 0 to 1.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.hard_sigmoid(tg.tensor([-4.0, 0.0, 1.5]))
    tensor([0.  , 0.5 , 0.75])
    """
    return record(_C.hard_sigmoid(x), _hard_sigmoid_gradient, (x,), x)


def _hard_sigmoid_gradient(needs: Needs, grad: Tensor, x: Tensor) -> Gradients:
    return (_C.hard_sigmoid_backward(grad, x),)


def hard_swish(x: Tensor) -> Tensor:
    """``x * hard_sigmoid(x)``: 0 below -3, ``x`` above 3, a parabola between.

    Parameters
    ----------
    x
        As for :func:`step`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``. Its gradient is 0 at -3 and 1 at 3.

    Notes
    -----
    Howard et al., "Searching for MobileNetV3", 2019.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.hard_swish(tg.tensor([-4.0, 3.0, 1.5]))
    tensor([0.   , 3.   , 1.125])
    """
    return record(_C.hard_swish(x), _hard_swish_gradient, (x,), x)


def _hard_swish_gradient(needs: Needs, grad: Tensor, x: Tensor) -> Gradients:
    return (_C.hard_swish_backward(grad, x),)


def maxout(x: Tensor, pieces: int) -> Tensor:
    """The largest of every ``pieces`` neighbours along the last axis: ``y[..., u] = max(x[..., u k : (u + 1) k])``.

    After a linear layer each output is a convex function of its input, made of ``k = pieces`` linear pieces.

    Parameters
    ----------
    x
        float32 or float64 [..., units * pieces].
    pieces
        How many linear pieces a unit has; divides the size of the last axis.

    Returns
    -------
    Tensor
        [..., units]. The gradient goes to the piece that was the largest, the first of equal ones.

    Raises
    ------
    ArgumentError
        If ``pieces`` is not a positive integer.
    ShapeError
        If it does not divide the last axis.

    Notes
    -----
    Goodfellow, Warde-Farley, Mirza, Courville and Bengio, "Maxout networks", 2013.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.maxout(tg.tensor([[1.0, 5.0, -2.0, -3.0]]), 2)
    tensor([[ 5., -2.]])
    """
    try:
        count = operator.index(pieces)
    except TypeError:
        count = 0
    if count < 1 or isinstance(pieces, bool):
        raise _C.ArgumentError(f"maxout: pieces must be a positive integer, found {pieces!r}")
    if not isinstance(x, _C.TensorBase) or not x.dtype.is_floating:
        found = x.dtype.name if isinstance(x, _C.TensorBase) else type(x).__name__
        raise _C.DTypeError(f"maxout: x must be a floating tensor, found {found}")
    if not x.ndim or x.shape[-1] % count:
        raise _C.ShapeError(f"maxout: pieces={count} must divide the last axis of x, found {list(x.shape)}")
    return largest(reshape(x, (*x.shape[:-1], x.shape[-1] // count, count)), axis=-1)
