"""Softmax along an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _C
from ..autograd import record

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["log_softmax", "softmax"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """``exp(x) / sum(exp(x))`` along an axis: positive numbers that sum to 1.

    Computed as ``exp(x - m) / sum(exp(x - m))`` with ``m = max(x)``, so nothing overflows. Where the largest element is
    infinite (of either sign) or NaN the result is NaN.

    Parameters
    ----------
    x
        float32 or float64 of at least one dimension, on a GPU float16 and bfloat16 too.
    axis
        The axis along which the numbers sum to 1; negative ones count from the end.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``.

    Raises
    ------
    OutOfRangeError
        If the axis does not exist.
    DTypeError
        If ``x`` has another dtype.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.softmax(tg.tensor([0.0, 0.0]))
    tensor([0.5, 0.5])
    """
    out = _C.softmax(x, axis)
    return record(out, _softmax_gradient, (x,), out, axis)


def _softmax_gradient(needs: Needs, grad: Tensor, out: Tensor, axis: int) -> Gradients:
    return (_C.softmax_backward(out, grad, axis),)


def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """``log(softmax(x))`` along an axis, as ``(x - m) - log(sum(exp(x - m)))`` with ``m = max(x)``.

    Parameters
    ----------
    x, axis
        As for :func:`softmax`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``, not positive. NaN where :func:`softmax` is.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.log_softmax(tg.tensor([0.0, 1000.0]))
    tensor([-1000.,     0.])
    """
    out = _C.log_softmax(x, axis)
    return record(out, _log_softmax_gradient, (x,), out, axis)


def _log_softmax_gradient(needs: Needs, grad: Tensor, out: Tensor, axis: int) -> Gradients:
    return (_C.log_softmax_backward(out, grad, axis),)
