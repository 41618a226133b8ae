"""Losses of elements against targets of the same shape: value and gradients come from one pass; nothing broadcasts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import _C
from ..autograd import grad_enabled, record
from ..mixed_precision import in_float32
from .arguments import require_tensors
from .losses import scaled

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "hinge_loss",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "smooth_l1_loss",
]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


def _paired(
    native: Callable[..., Any],
    rule: Any,
    x: Tensor,
    target: Tensor,
    reduction: str,
    delta: float = 0.0,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
) -> Tensor:
    require_tensors(native.__name__, x=x, target=target)
    on = grad_enabled()
    loss: Tensor
    loss, gradient, target_gradient = native(
        x, target, weight, pos_weight, delta, reduction, on and x.requires_grad, on and target.requires_grad
    )
    return record(loss, rule, (x, target), gradient, target_gradient)


@in_float32
def mse_loss(x: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Squared error ``(x - target)^2``.

    Parameters
    ----------
    x, target
        float32 or float64, of one shape and dtype: nothing broadcasts. Gradients flow to both.
    reduction
        ``"mean"`` over all elements, ``"sum"`` or ``"none"``: a loss for every element.

    Returns
    -------
    Tensor
        One number, or a loss for every element, of the dtype of ``x``.

    Raises
    ------
    ShapeError
        If the shapes differ, or there are no elements and a mean is asked for.
    DTypeError
        If the dtypes differ or are not float32 or float64.
    ArgumentError
        For another ``reduction``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.mse_loss(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 4.0]))
    tensor(2.)
    """
    return _paired(_C.mse_loss, _mse_loss_gradient, x, target, reduction)


def _mse_loss_gradient(needs: Needs, grad: Tensor, by_x: Tensor | None, by_target: Tensor | None) -> Gradients:
    return scaled(grad, by_x), scaled(grad, by_target)


@in_float32
def l1_loss(x: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Absolute error ``|x - target|``, whose gradient at 0 is 0.

    Parameters
    ----------
    x, target, reduction
        As for :func:`mse_loss`; errors likewise.

    Returns
    -------
    Tensor
        As for :func:`mse_loss`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.l1_loss(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 4.0]))
    tensor(1.)
    """
    return _paired(_C.l1_loss, _l1_loss_gradient, x, target, reduction)


def _l1_loss_gradient(needs: Needs, grad: Tensor, by_x: Tensor | None, by_target: Tensor | None) -> Gradients:
    return scaled(grad, by_x), scaled(grad, by_target)


@in_float32
def huber_loss(x: Tensor, target: Tensor, delta: float = 1.0, reduction: str = "mean") -> Tensor:
    """With ``d = x - target``: ``d^2 / 2`` where ``|d| <= delta``, ``delta (|d| - delta / 2)`` beyond.

    Parameters
    ----------
    x, target, reduction
        As for :func:`mse_loss`; errors likewise.
    delta
        Where the parabola becomes a line; positive.

    Returns
    -------
    Tensor
        As for :func:`mse_loss`.

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
    return _paired(_C.huber_loss, _huber_loss_gradient, x, target, reduction, delta)


def _huber_loss_gradient(needs: Needs, grad: Tensor, by_x: Tensor | None, by_target: Tensor | None) -> Gradients:
    return scaled(grad, by_x), scaled(grad, by_target)


@in_float32
def smooth_l1_loss(x: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """With ``d = x - target``: ``d^2 / (2 beta)`` where ``|d| <= beta``, ``|d| - beta / 2`` beyond.

    It is ``huber_loss(x, target, beta) / beta``, whose slope far away is 1.

    Parameters
    ----------
    x, target, reduction
        As for :func:`mse_loss`; errors likewise.
    beta
        Where the parabola becomes a line; 0 leaves :func:`l1_loss`.

    Returns
    -------
    Tensor
        As for :func:`mse_loss`.

    Raises
    ------
    ArgumentError
        If ``beta`` is negative.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.smooth_l1_loss(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 4.0]), reduction="none", beta=0.5)
    tensor([0.  , 1.75])
    """
    return _paired(_C.smooth_l1_loss, _smooth_l1_loss_gradient, x, target, reduction, beta)


def _smooth_l1_loss_gradient(needs: Needs, grad: Tensor, by_x: Tensor | None, by_target: Tensor | None) -> Gradients:
    return scaled(grad, by_x), scaled(grad, by_target)


@in_float32
def hinge_loss(x: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """The hinge loss of two classes, ``max(0, margin - target * x) ** p``.

    Parameters
    ----------
    x
        Scores, float32 or float64, any real numbers.
    target
        -1 or 1, of the shape and dtype of ``x``: nothing broadcasts. Gradients flow to both.
    p
        1, or 2 for the squared hinge.
    margin
        The score that is enough.
    reduction
        As for :func:`mse_loss`; errors likewise.

    Returns
    -------
    Tensor
        As for :func:`mse_loss`.

    Raises
    ------
    ArgumentError
        If ``p`` is neither 1 nor 2.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.hinge_loss(tg.tensor([0.25, -2.0, 3.0]), tg.tensor([1.0, 1.0, 1.0]), reduction="none")
    tensor([0.75, 3.  , 0.  ])
    """
    if p not in (1, 2):
        raise _C.ArgumentError(f"hinge_loss: p must be 1 or 2, found {p!r}")
    native = _C.hinge_loss if p == 1 else _C.squared_hinge_loss
    return _paired(native, _hinge_loss_gradient, x, target, reduction, margin)


def _hinge_loss_gradient(needs: Needs, grad: Tensor, by_x: Tensor | None, by_target: Tensor | None) -> Gradients:
    return scaled(grad, by_x), scaled(grad, by_target)


@in_float32
def binary_cross_entropy(x: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean") -> Tensor:
    """``-t log(x) - (1 - t) log(1 - x)`` of probabilities ``x``, whose logarithms end at -100.

    For the output of a sigmoid :func:`binary_cross_entropy_with_logits` is exact where this one is cut off.

    Parameters
    ----------
    x
        Probabilities from 0 to 1, float32 or float64.
    target
        Probabilities ``t``, usually 0 or 1, of the shape and dtype of ``x``: nothing broadcasts. Gradients flow to
        both.
    weight
        What each loss is multiplied by, a tensor of the dtype of ``x``: of its shape, of its last axis, or one number.
        It gets no gradient.
    reduction
        As for :func:`mse_loss`; errors likewise. The mean is over all elements, whatever their weight.

    Returns
    -------
    Tensor
        As for :func:`mse_loss`.

    Raises
    ------
    OutOfRangeError
        If an element of ``x`` is not from 0 to 1: it is named with its place, and nothing has been computed.
    ShapeError
        If the shapes do not fit.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.binary_cross_entropy(tg.tensor([0.5, 0.0]), tg.tensor([1.0, 1.0]), reduction="none")
    tensor([  0.6931472, 100.       ])
    """
    return _paired(_C.binary_cross_entropy, _binary_cross_entropy_gradient, x, target, reduction, weight=weight)


def _binary_cross_entropy_gradient(
    needs: Needs, grad: Tensor, by_x: Tensor | None, by_target: Tensor | None
) -> Gradients:
    return scaled(grad, by_x), scaled(grad, by_target)


@in_float32
def binary_cross_entropy_with_logits(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """``-w t log(p) - (1 - t) log(1 - p)`` with ``p = sigmoid(logits)``, as ``max(x, 0) - x t + log(1 + exp(-|x|))``.

    Parameters
    ----------
    logits
        float32 or float64, any real numbers.
    target
        Probabilities ``t``, usually 0 or 1, of the shape and dtype of ``logits``: nothing broadcasts. Gradients flow to
        both.
    weight
        What each loss is multiplied by, a tensor of the dtype of ``logits``: of their shape, of their last axis, or one
        number.
    reduction
        As for :func:`mse_loss`; errors likewise. The mean is over all elements, whatever their weight.
    pos_weight
        ``w``, how much more a positive counts than a negative (1 if None): of the same shapes as ``weight``. Above 1 it
        raises the recall, below 1 the precision. Neither weight gets a gradient.

    Returns
    -------
    Tensor
        As for :func:`mse_loss`.

    Raises
    ------
    ShapeError
        If the shapes do not fit.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.binary_cross_entropy_with_logits(tg.tensor([0.0, 1000.0]), tg.tensor([1.0, 1.0]), reduction="none")
    tensor([0.6931472, 0.       ])
    """
    return _paired(
        _C.binary_cross_entropy_with_logits,
        _binary_cross_entropy_with_logits_gradient,
        logits,
        target,
        reduction,
        weight=weight,
        pos_weight=pos_weight,
    )


def _binary_cross_entropy_with_logits_gradient(
    needs: Needs, grad: Tensor, by_x: Tensor | None, by_target: Tensor | None
) -> Gradients:
    return scaled(grad, by_x), scaled(grad, by_target)
