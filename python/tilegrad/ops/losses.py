"""Losses: value and gradient come from one pass over the data. Losses never broadcast."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import _C
from ..autograd import grad_enabled, record

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["binary_cross_entropy_with_logits", "cross_entropy", "huber_loss", "l1_loss", "mse_loss"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


def cross_entropy(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """Softmax cross-entropy of logits against labels.

    With ``p = softmax(logits)`` a row's loss is ``-sum_c a[c] log(p[c])``, where for a label ``t``
    ``a[c] = (1 - s) w[t] [c = t] + s w[c] / C`` and for soft targets ``a[c] = w[c] ((1 - s) target[c] + s / C)``, ``s``
    being the label smoothing and ``w`` the class weights (1 if None).

    Parameters
    ----------
    logits
        Floating [..., C], any real numbers.
    target
        Labels [...] of int64, int32 or uint8, from 0 to C - 1; or weights of the classes [..., C] (one-hot or soft
        labels) of the dtype of ``logits``.
    weight
        Class weights [C].
    ignore_index
        Rows with this label count nothing: neither in the loss nor in the mean, and their gradient is 0.
    label_smoothing
        From 0 to 1.
    reduction
        ``"mean"``: the sum over the rows divided by the sum of ``w[t]`` of the rows that count (by the number of rows
        for soft targets); ``"sum"``; or ``"none"``: a loss for every row.

    Returns
    -------
    Tensor
        One number, or [...] for ``reduction="none"``. The mean over rows that are all ignored is NaN.

    Raises
    ------
    OutOfRangeError
        If a label is out of range: it is named with its row, and nothing has been computed.
    ShapeError
        If the shapes do not fit, or the batch is empty and a mean is asked for.
    DTypeError
        If the dtypes do not fit.
    ArgumentError
        For another ``reduction``, a ``label_smoothing`` out of range, or ``ignore_index`` with soft targets.

    Notes
    -----
    Gradients flow to the logits alone. As softmax, a row with an infinite largest logit gives NaN.

    Examples
    --------
    >>> import tilegrad as tg
    >>> logits = tg.tensor([[0.0, 0.0], [0.0, 1000.0]], requires_grad=True)
    >>> loss = tg.cross_entropy(logits, tg.tensor([0, 1]))
    >>> loss.backward()
    >>> logits.grad
    tensor([[-0.25,  0.25],
            [ 0.  ,  0.  ]])
    """
    loss, gradient = _C.cross_entropy(
        logits, target, weight, ignore_index, label_smoothing, reduction, logits.requires_grad and grad_enabled()
    )
    return record(loss, _cross_entropy_gradient, (logits,), gradient)


def _cross_entropy_gradient(needs: Needs, grad: Tensor, gradient: Tensor) -> Gradients:
    return (_scaled(grad, gradient),)


def _scaled(grad: Tensor, gradient: Tensor) -> Tensor:
    """The gradient of the loss, which is one number or one a row, times that by the loss's inputs."""
    if 0 < grad.ndim < gradient.ndim:
        grad = _C.reshape(grad, (*grad.shape, 1))
    return _C.multiply(gradient, grad)


def _paired(
    native: Callable[..., Any], x: Tensor, target: Tensor, reduction: str, rule: Any, delta: float = 0.0
) -> Tensor:
    on = grad_enabled()
    loss: Tensor
    loss, gradient, target_gradient = native(
        x, target, delta, reduction, on and x.requires_grad, on and target.requires_grad
    )
    return record(loss, rule, (x, target), gradient, target_gradient)


def _paired_gradients(grad: Tensor, gradient: Tensor | None, target_gradient: Tensor | None) -> Gradients:
    return (
        None if gradient is None else _scaled(grad, gradient),
        None if target_gradient is None else _scaled(grad, target_gradient),
    )


def mse_loss(x: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Squared error ``(x - target)^2``.

    Parameters
    ----------
    x, target
        Floating, of one shape and dtype: nothing broadcasts.
    reduction
        ``"mean"`` over all elements, ``"sum"`` or ``"none"``: a loss for every element.

    Raises
    ------
    ShapeError
        If the shapes differ, or there are no elements and a mean is asked for.
    DTypeError
        If the dtypes differ or are not floating.
    ArgumentError
        For another ``reduction``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.mse_loss(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 4.0]))
    tensor(2.)
    """
    return _paired(_C.mse_loss, x, target, reduction, _mse_loss_gradient)


def _mse_loss_gradient(needs: Needs, grad: Tensor, by_x: Tensor | None, by_target: Tensor | None) -> Gradients:
    return _paired_gradients(grad, by_x, by_target)


def l1_loss(x: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Absolute error ``|x - target|``, whose gradient at 0 is 0; arguments as for :func:`mse_loss`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.l1_loss(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 4.0]))
    tensor(1.)
    """
    return _paired(_C.l1_loss, x, target, reduction, _l1_loss_gradient)


def _l1_loss_gradient(needs: Needs, grad: Tensor, by_x: Tensor | None, by_target: Tensor | None) -> Gradients:
    return _paired_gradients(grad, by_x, by_target)


def huber_loss(x: Tensor, target: Tensor, delta: float = 1.0, reduction: str = "mean") -> Tensor:
    """With ``d = x - target``: ``d^2 / 2`` where ``|d| <= delta``, ``delta (|d| - delta / 2)`` beyond.

    Parameters
    ----------
    x, target, reduction
        As for :func:`mse_loss`.
    delta
        Where the parabola becomes a line; positive.

    Raises
    ------
    ArgumentError
        If ``delta`` is not positive.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.huber_loss(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 4.0]), reduction="none")
    tensor([0. , 1.5])
    """
    return _paired(_C.huber_loss, x, target, reduction, _huber_loss_gradient, delta)


def _huber_loss_gradient(needs: Needs, grad: Tensor, by_x: Tensor | None, by_target: Tensor | None) -> Gradients:
    return _paired_gradients(grad, by_x, by_target)


def binary_cross_entropy_with_logits(logits: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """``-t log(p) - (1 - t) log(1 - p)`` with ``p = sigmoid(logits)``, as ``max(x, 0) - x t + log(1 + exp(-|x|))``.

    Parameters
    ----------
    logits
        Floating, any real numbers.
    target
        Probabilities, usually 0 or 1, of the shape and dtype of ``logits``: nothing broadcasts.
    reduction
        As for :func:`mse_loss`; errors likewise.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.binary_cross_entropy_with_logits(tg.tensor([0.0, 1000.0]), tg.tensor([1.0, 1.0]), reduction="none")
    tensor([0.6931472, 0.       ])
    """
    return _paired(
        _C.binary_cross_entropy_with_logits, logits, target, reduction, _binary_cross_entropy_with_logits_gradient
    )


def _binary_cross_entropy_with_logits_gradient(
    needs: Needs, grad: Tensor, by_x: Tensor | None, by_target: Tensor | None
) -> Gradients:
    return _paired_gradients(grad, by_x, by_target)
