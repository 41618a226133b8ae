"""Matrix products."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _C
from ..autograd import is_recorded, record
from ..mixed_precision import in_16_bits
from .activation import gelu
from .broadcasting import sum_to

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["linear", "matmul"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


@in_16_bits
def matmul(a: Tensor, b: Tensor) -> Tensor:
    """The matrix product ``a @ b``, by NumPy's rule.

    ``out[..., m, n] = sum over k of a[..., m, k] * b[..., k, n]``. The axes before the last two are a batch and
    broadcast; a one-dimensional ``a`` is a row and a one-dimensional ``b`` a column, and that axis is not in the
    result. Transposed and otherwise strided views are read as they are, without a copy.

    Parameters
    ----------
    a : Tensor
        [..., M, K] or [K], float32 or float64.
    b : Tensor
        [..., K, N] or [K], of the same dtype.

    Returns
    -------
    Tensor
        [..., M, N], without M or N where the operand was one-dimensional.

    Raises
    ------
    ShapeError
        If an operand has no axes, the K differ, or the batch axes do not broadcast.
    DTypeError
        If an operand is not a tensor, or the dtypes differ or are not float32 or float64.

    Notes
    -----
    The order of each sum depends on K alone (docs/numerics.md), so a row of the result has the same bits whatever the
    other rows are.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.matmul(tg.tensor([[1.0, 2.0], [3.0, 4.0]]), tg.tensor([1.0, 10.0]))
    tensor([21., 43.])
    """
    return record(_C.matmul(a, b), _matmul_gradient, (a, b), a, b)


def _swap(x: Tensor) -> Tensor:
    """A view with the last two axes exchanged."""
    return _C.permute(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _matmul_gradient(needs: Needs, grad: Tensor, a: Tensor, b: Tensor) -> Gradients:
    a_shape, b_shape = a.shape, b.shape
    if b.ndim == 1:
        b = _C.expand_dims(b, 1)
        grad = _C.expand_dims(grad, grad.ndim)
    if a.ndim == 1:
        a = _C.expand_dims(a, 0)
        grad = _C.expand_dims(grad, grad.ndim - 1)
    da = db = None
    if needs[0]:
        da = _C.reshape(sum_to(_C.matmul(grad, _swap(b)), a), a_shape)
    if needs[1]:
        if b.ndim == 2:  # one product over all rows of the batch
            db = _C.matmul(_swap(_flatten(a)), _flatten(grad))
        else:
            db = sum_to(_C.matmul(_swap(a), grad), b)
        db = _C.reshape(db, b_shape)
    return da, db


def _flatten(x: Tensor) -> Tensor:
    """All axes but the last as one."""
    rows = 1
    for size in x.shape[:-1]:
        rows *= size
    return _C.reshape(x, (rows, x.shape[-1]))


@in_16_bits
def linear(x: Tensor, w: Tensor, b: Tensor | None = None, activation: str | None = None) -> Tensor:
    """The dense layer's function ``activation(x @ w + b)`` in one pass.

    Parameters
    ----------
    x : Tensor
        [..., in], float32 or float64.
    w : Tensor
        [in, out], of the same dtype.
    b : Tensor, optional
        [out], of the same dtype.
    activation : {"relu", "sigmoid", "tanh", "gelu"}, optional
        Applied to every output. The bits are those of the separate op.

    Returns
    -------
    Tensor
        [..., out]

    Raises
    ------
    ShapeError
        If w is not [in, out], the last axis of x is not in, or b is not [out].
    DTypeError
        If an operand is not a tensor, or the dtypes differ or are not float32 or float64.
    ArgumentError
        If the activation is unknown.

    Notes
    -----
    With g the gradient of the output (times the activation's derivative): dx = g wᵀ, dw = xᵀ g, db = sum of g.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x, w, b = tg.tensor([[1.0, 2.0]]), tg.tensor([[1.0, -1.0], [1.0, -1.0]]), tg.tensor([0.5, 0.5])
    >>> tg.linear(x, w, b, activation="relu")
    tensor([[3.5, 0. ]])
    """
    if activation is None:
        return record(_C.linear(x, w, b, "none"), _linear_gradient, (x, w, b), x, w)
    if activation == "gelu" and is_recorded(x, w, b):
        return gelu(linear(x, w, b))  # its slope needs the product that fusing would not keep
    out = _C.linear(x, w, b, activation)
    return record(out, _fused_gradient, (x, w, b), x, w, activation, out)


def _fused_gradient(needs: Needs, grad: Tensor, x: Tensor, w: Tensor, activation: str, out: Tensor) -> Gradients:
    return _linear_gradient(needs, _C.activation_backward(grad, out, activation), x, w)


def _linear_gradient(needs: Needs, grad: Tensor, x: Tensor, w: Tensor) -> Gradients:
    return _C.linear_backward(grad, x, w, needs)
