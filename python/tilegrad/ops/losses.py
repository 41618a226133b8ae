"""Losses of rows: of scores or probabilities of classes. Value and gradient come from one pass; nothing broadcasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _C
from ..autograd import grad_enabled, record
from ..mixed_precision import in_float32
from .arguments import require_tensors

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["cross_entropy", "kl_div", "multi_margin_loss", "nll_loss"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


@in_float32
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
    Gradients flow to the logits and to soft targets that want them; class weights get none. As softmax, a row with an
    infinite largest logit gives NaN.

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
    require_tensors("cross_entropy", logits=logits, target=target)
    on = grad_enabled()
    loss: Tensor
    loss, gradient, target_gradient = _C.cross_entropy(
        logits,
        target,
        weight,
        ignore_index,
        label_smoothing,
        reduction,
        on and logits.requires_grad,
        on and target.requires_grad,
    )
    return record(loss, _cross_entropy_gradient, (logits, target), gradient, target_gradient)


def _cross_entropy_gradient(
    needs: Needs, grad: Tensor, gradient: Tensor | None, target_gradient: Tensor | None
) -> Gradients:
    return scaled(grad, gradient), scaled(grad, target_gradient)


@in_float32
def nll_loss(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood ``-w[t] x[t]`` of labels ``t``, given the logarithms of the classes' probabilities.

    ``nll_loss(log_softmax(logits), target)`` is ``cross_entropy(logits, target)``.

    Parameters
    ----------
    x
        Floating [..., C], logarithms of probabilities, as :func:`log_softmax` gives.
    target
        Labels [...] of int64, int32 or uint8, from 0 to C - 1.
    weight
        Class weights ``w`` [C]; they get no gradient.
    ignore_index
        Rows with this label count nothing: neither in the loss nor in the mean, and their gradient is 0.
    reduction
        ``"mean"``: the sum over the rows divided by the sum of ``w[t]`` of the rows that count; ``"sum"``; or
        ``"none"``: a loss for every row.

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
        For another ``reduction``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nll_loss(tg.tensor([[-1.0, -2.0], [-3.0, -0.5]]), tg.tensor([0, 0]))
    tensor(2.)
    """
    require_tensors("nll_loss", x=x, target=target)
    want = x.requires_grad and grad_enabled()
    loss: Tensor
    loss, gradient, _ = _C.nll_loss(x, target, weight, ignore_index, reduction, want)
    return record(loss, _nll_loss_gradient, (x,), gradient)


def _nll_loss_gradient(needs: Needs, grad: Tensor, gradient: Tensor) -> Gradients:
    return (scaled(grad, gradient),)


@in_float32
def multi_margin_loss(
    x: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The multi-class hinge loss of scores: ``w[t] * sum over j != t of max(0, x[j] - x[t] + margin) ** p``.

    A class adds nothing once its score is lower than that of the label ``t`` by the margin. The sum is not divided by
    the number of classes, as it is in PyTorch.

    Parameters
    ----------
    x
        Floating [..., C], any real numbers.
    target
        Labels [...] of int64, int32 or uint8, from 0 to C - 1.
    p
        1, or 2 for the squared hinge.
    margin
        By how much the score of the label is to be above the others.
    weight
        Class weights ``w`` [C]; they get no gradient.
    reduction
        ``"mean"`` over the rows, ``"sum"`` or ``"none"``: a loss for every row.

    Returns
    -------
    Tensor
        One number, or [...] for ``reduction="none"``.

    Raises
    ------
    OutOfRangeError
        If a label is out of range: it is named with its row, and nothing has been computed.
    ShapeError
        If the shapes do not fit, or the batch is empty and a mean is asked for.
    DTypeError
        If the dtypes do not fit.
    ArgumentError
        If ``p`` is neither 1 nor 2, or for another ``reduction``.

    Notes
    -----
    Weston and Watkins, "Support vector machines for multi-class pattern recognition", 1999.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.multi_margin_loss(tg.tensor([[8.0, 14.0, 9.5, 10.0]]), tg.tensor([3]))
    tensor(5.5)
    """
    require_tensors("multi_margin_loss", x=x, target=target)
    want = x.requires_grad and grad_enabled()
    loss: Tensor
    loss, gradient, _ = _C.multi_margin_loss(x, target, p, margin, weight, reduction, want)
    return record(loss, _multi_margin_loss_gradient, (x,), gradient)


def _multi_margin_loss_gradient(needs: Needs, grad: Tensor, gradient: Tensor) -> Gradients:
    return (scaled(grad, gradient),)


@in_float32
def kl_div(x: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """The Kullback-Leibler divergence KL(target || exp(x)): the cross-entropy of both less the entropy of the target.

    A row's loss is ``sum_c target[c] (log(target[c]) - x[c])``: what it costs to code the target with the distribution
    ``exp(x)`` instead of its own. Mind the order, which is PyTorch's: the prediction comes first, as logarithms, the
    true distribution second, as probabilities.

    Parameters
    ----------
    x
        Floating [..., C], logarithms of probabilities, as :func:`log_softmax` gives.
    target
        Probabilities of that shape and dtype, or with ``log_target`` their logarithms. What has probability 0 adds 0.
    reduction
        ``"mean"`` over the rows, which for [N, C] is PyTorch's ``"batchmean"`` (its ``"mean"`` divides by C too, and
        gives no divergence); ``"batchmean"``: the sum over N; ``"sum"``; or ``"none"``: a loss for every row, which is
        the divergence of that row's distributions (PyTorch's ``"none"`` gives the terms of its sum, [..., C]).
    log_target
        Whether ``target`` holds logarithms.

    Returns
    -------
    Tensor
        One number, or [...] for ``reduction="none"``.

    Raises
    ------
    ShapeError
        If the shapes differ, or the batch is empty and a mean is asked for.
    DTypeError
        If the dtypes differ or are not floating.
    ArgumentError
        For another ``reduction``.

    Notes
    -----
    Gradients flow to both; that of a target of probability 0 is 0.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.kl_div(tg.log(tg.tensor([[0.25, 0.75]])), tg.tensor([[1.0, 0.0]]))
    tensor(1.3862944)
    """
    require_tensors("kl_div", x=x, target=target)
    on = grad_enabled()
    loss: Tensor
    loss, gradient, target_gradient = _C.kl_div(
        x, target, reduction, log_target, on and x.requires_grad, on and target.requires_grad
    )
    return record(loss, _kl_div_gradient, (x, target), gradient, target_gradient)


def _kl_div_gradient(needs: Needs, grad: Tensor, gradient: Tensor | None, target_gradient: Tensor | None) -> Gradients:
    return scaled(grad, gradient), scaled(grad, target_gradient)


def scaled(grad: Tensor, gradient: Tensor | None) -> Tensor | None:
    """The gradient of the loss, which is one number or one a row, times that by one of the loss's inputs."""
    if gradient is None:
        return None
    if 0 < grad.ndim < gradient.ndim:
        grad = _C.reshape(grad, (*grad.shape, 1))
    product: Tensor = _C.scaled_gradient(gradient, grad)
    return product
