"""Activation functions, element by element; bounds on their errors are in docs/numerics.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _C
from ..autograd import record
from .broadcasting import shape_of, sum_to

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["add_relu", "gelu", "log_sigmoid", "mish", "relu", "sigmoid", "silu", "softplus", "tanh"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


def relu(x: Tensor) -> Tensor:
    """``max(x, 0)``; NaN passes through. The gradient at 0 is 0.

    Parameters
    ----------
    x
        float32 or float64 of any shape, on a GPU float16 and bfloat16 too.

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
    >>> tg.relu(tg.tensor([1.0, -2.0]))
    tensor([1., 0.])
    """
    y = _C.relu(x)
    return record(y, _relu_gradient, (x,), y)


def _relu_gradient(needs: Needs, grad: Tensor, y: Tensor) -> Gradients:
    return (_C.activation_backward(grad, y, "relu"),)


def add_relu(a: Tensor | float, b: Tensor | float) -> Tensor:
    """``relu(a + b)`` in one pass: a bias, or the end of a residual block.

    Parameters
    ----------
    a, b
        float32 or float64 tensors of one dtype whose shapes broadcast, or one tensor and one Python number.

    Returns
    -------
    Tensor
        Of the broadcast shape. The bits are those of ``relu(add(a, b))``.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    DTypeError
        If the dtypes differ or are not floating.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.add_relu(tg.tensor([[1.0, -3.0]]), tg.tensor([1.0, 2.0]))
    tensor([[2., 0.]])
    """
    y = _C.add_relu(a, b)
    return record(y, _add_relu_gradient, (a, b), y, shape_of(a), shape_of(b))


def _add_relu_gradient(needs: Needs, grad: Tensor, y: Tensor, a: tuple[int, ...], b: tuple[int, ...]) -> Gradients:
    slope = _C.activation_backward(grad, y, "relu")
    return sum_to(slope, a) if needs[0] else None, sum_to(slope, b) if needs[1] else None


def sigmoid(x: Tensor) -> Tensor:
    """``1 / (1 + exp(-x))``, without overflow.

    Parameters
    ----------
    x
        As for :func:`relu`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``, from 0 to 1.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.sigmoid(tg.tensor([0.0, 1.0]))
    tensor([0.5      , 0.7310586])
    """
    y = _C.sigmoid(x)
    return record(y, _sigmoid_gradient, (x,), y)


def _sigmoid_gradient(needs: Needs, grad: Tensor, y: Tensor) -> Gradients:
    return (_C.activation_backward(grad, y, "sigmoid"),)


def tanh(x: Tensor) -> Tensor:
    """Hyperbolic tangent ``(exp(x) - exp(-x)) / (exp(x) + exp(-x))``, without overflow.

    Parameters
    ----------
    x
        As for :func:`relu`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``, from -1 to 1.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.tanh(tg.tensor([0.0, 1.0]))
    tensor([0.       , 0.7615942])
    """
    y = _C.tanh(x)
    return record(y, _tanh_gradient, (x,), y)


def _tanh_gradient(needs: Needs, grad: Tensor, y: Tensor) -> Gradients:
    return (_C.activation_backward(grad, y, "tanh"),)


def silu(x: Tensor) -> Tensor:
    """``x * sigmoid(x)``, also called swish.

    Parameters
    ----------
    x
        As for :func:`relu`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``; NaN at -inf.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.silu(tg.tensor([0.0, 1.0]))
    tensor([0.       , 0.7310586])
    """
    return record(_C.silu(x), _silu_gradient, (x,), x)


def _silu_gradient(needs: Needs, grad: Tensor, x: Tensor) -> Gradients:
    return (_C.silu_backward(grad, x),)


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """``x`` times the normal distribution function of ``x``: ``x * (1 + erf(x / sqrt(2))) / 2``.

    Parameters
    ----------
    x
        As for :func:`relu`; errors likewise.
    approximate
        ``"none"`` for the formula above; ``"tanh"`` for ``x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x ** 3))) / 2``.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``; NaN at -inf.

    Raises
    ------
    ArgumentError
        If ``approximate`` is neither.

    Notes
    -----
    Hendrycks and Gimpel, "Gaussian error linear units", 2016.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.gelu(tg.tensor([0.0, 1.0]))
    tensor([0.       , 0.8413448])
    """
    if approximate == "none":
        return record(_C.gelu(x), _gelu_gradient, (x,), x)
    if approximate == "tanh":
        return record(_C.gelu_tanh(x), _gelu_tanh_gradient, (x,), x)
    raise _C.ArgumentError(f'gelu: approximate must be "none" or "tanh", found {approximate!r}')


def _gelu_gradient(needs: Needs, grad: Tensor, x: Tensor) -> Gradients:
    return (_C.gelu_backward(grad, x),)


def _gelu_tanh_gradient(needs: Needs, grad: Tensor, x: Tensor) -> Gradients:
    return (_C.gelu_tanh_backward(grad, x),)


def softplus(x: Tensor) -> Tensor:
    """``log(1 + exp(x))``, without overflow.

    Parameters
    ----------
    x
        As for :func:`relu`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``, not negative.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.softplus(tg.tensor([0.0, 100.0]))
    tensor([  0.6931472, 100.       ])
    """
    return record(_C.softplus(x), _softplus_gradient, (x,), x)


def _softplus_gradient(needs: Needs, grad: Tensor, x: Tensor) -> Gradients:
    return (_C.softplus_backward(grad, x),)


def log_sigmoid(x: Tensor) -> Tensor:
    """``log(sigmoid(x))``, exact also where the sigmoid is nearly 0 or 1.

    Parameters
    ----------
    x
        As for :func:`relu`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``, not positive.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.log_sigmoid(tg.tensor([0.0, -100.0]))
    tensor([  -0.6931472, -100.       ])
    """
    return record(_C.log_sigmoid(x), _log_sigmoid_gradient, (x,), x)


def _log_sigmoid_gradient(needs: Needs, grad: Tensor, x: Tensor) -> Gradients:
    return (_C.log_sigmoid_backward(grad, x),)


def mish(x: Tensor) -> Tensor:
    """``x * tanh(softplus(x))``.

    Parameters
    ----------
    x
        As for :func:`relu`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``; NaN at -inf.

    Notes
    -----
    Diganta Misra, "Mish: a self regularized non-monotonic activation function", 2019.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.mish(tg.tensor([0.0, 1.0]))
    tensor([0.        , 0.86509836])
    """
    return record(_C.mish(x), _mish_gradient, (x,), x)


def _mish_gradient(needs: Needs, grad: Tensor, x: Tensor) -> Gradients:
    return (_C.mish_backward(grad, x),)
