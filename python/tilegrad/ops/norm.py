"""Normalisation of channels over the batch, and of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import _C
from ..autograd import record
from ..mixed_precision import in_float32
from .arguments import integers

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["batch_norm", "layer_norm", "rms_norm"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


def batch_norm(
    x: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float | None = 0.1,
    eps: float = 1e-5,
    activation: str | None = None,
    num_batches_tracked: Tensor | None = None,
) -> Tensor:
    """Normalise every channel: ``(x - mean) / sqrt(var + eps) * gamma + beta``, then, if wanted, ReLU.

    While training, mean and (biased) variance are the batch's, and the running ones move towards them in place:
    ``running = (1 - momentum) * running + momentum * batch``, with the unbiased variance. Otherwise the running ones
    are used, and a sample's result does not depend on the others of its batch.

    Parameters
    ----------
    x
        Floating [..., C]: [N, C], [N, H, W, C], ...; the last axis is of channels. On a GPU of 16 bits too: what is
        computed, the parameters and the statistics are float32 then.
    gamma, beta
        Scale and shift [C]; None for 1 and 0. Gradients flow to them and ``x``.
    running_mean, running_var
        [C], contiguous; updated while training, without a gradient. None, while training, if they are not wanted.
    training
        Whether the statistics are the batch's.
    momentum
        How far the running statistics move, in PyTorch's sense. None makes them the averages over all batches, which
        ``num_batches_tracked`` counts.
    eps
        Added to the variance; positive.
    activation
        None or ``"relu"``.
    num_batches_tracked
        An int64 number, for ``momentum=None``: how many batches the running statistics have seen. One is added.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``.

    Raises
    ------
    ShapeError
        If ``x`` has fewer than two dimensions, another argument is not [C], or in training a channel has one value.
    DTypeError
        If the dtypes differ or are not floating.
    ArgumentError
        If ``eps`` is not positive, ``momentum`` is not from 0 to 1 or is None without a count, the activation is
        unknown, or running statistics are missing: one while training, any otherwise.

    Notes
    -----
    Sergey Ioffe and Christian Szegedy, Batch normalization: accelerating deep network training by reducing internal
    covariate shift, 2015.

    Examples
    --------
    >>> import tilegrad as tg
    >>> one, zero = tg.ones(1), tg.zeros(1)
    >>> mean, var = tg.zeros(1), tg.ones(1)
    >>> tg.batch_norm(tg.tensor([[1.0], [3.0]]), one, zero, mean, var, training=True)
    tensor([[-0.999995],
            [ 0.999995]])
    >>> mean, var
    (tensor([0.2]), tensor([1.1]))
    """
    if momentum is None and running_mean is not None and num_batches_tracked is None:
        raise _C.ArgumentError("batch_norm: momentum=None averages over all batches and needs num_batches_tracked")
    batches = num_batches_tracked if momentum is None else None
    out: Tensor
    out, mean, inverse = _C.batch_norm(
        x, gamma, beta, running_mean, running_var, batches, training, momentum or 0.0, eps, activation
    )
    saved = (x, gamma, beta, mean, inverse, training, activation)
    return record(out, _batch_norm_gradient, (x, gamma, beta), *saved)


def _batch_norm_gradient(
    needs: Needs,
    grad: Tensor,
    x: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    mean: Tensor,
    inverse: Tensor,
    training: bool,
    activation: str | None,
) -> Gradients:
    dx, dgamma, dbeta = _C.batch_norm_backward(x, gamma, beta, mean, inverse, grad, training, activation, needs[0])
    return dx, dgamma if needs[1] else None, dbeta if needs[2] else None


@in_float32
def layer_norm(
    x: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    eps: float = 1e-5,
    normalized_shape: int | Sequence[int] | None = None,
) -> Tensor:
    """Normalise every row: ``(x - mean) / sqrt(var + eps) * gamma + beta``.

    A row is what lies along the last axes of ``x``; mean and biased variance are its own.

    Parameters
    ----------
    x
        float32 or float64 [..., D], or [..., *normalized_shape]; on a GPU float16 and bfloat16 too, with float32
        parameters.
    gamma, beta
        Scale and shift of the elements of a row, of its shape and the dtype of ``x``; None for 1 and 0. Gradients
        flow to them and ``x``.
    eps
        Added to the variance; positive.
    normalized_shape
        The sizes of the axes that make a row. By default those of ``gamma`` or ``beta``, without them the last axis.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``.

    Raises
    ------
    ShapeError
        If the last axes of ``x`` are not those of ``normalized_shape``, ``gamma`` and ``beta``.
    DTypeError
        If the dtypes differ or are not floating.
    ArgumentError
        If ``eps`` is not positive.

    Notes
    -----
    Jimmy Lei Ba, Jamie Ryan Kiros and Geoffrey Hinton, Layer normalization, 2016.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.layer_norm(tg.tensor([[1.0, 3.0]]), tg.ones(2), tg.zeros(2))
    tensor([[-0.999995,  0.999995]])
    >>> tg.layer_norm(tg.tensor([[1.0, 3.0], [1.0, 3.0]]), normalized_shape=(2, 2))
    tensor([[-0.999995,  0.999995],
            [-0.999995,  0.999995]])
    """
    shape = _row_shape("layer_norm", normalized_shape, x, gamma, beta)
    out: Tensor
    out, mean, inverse = _C.layer_norm(x, gamma, beta, shape, eps)
    return record(out, _layer_norm_gradient, (x, gamma, beta), x, gamma, mean, inverse, shape)


def _layer_norm_gradient(
    needs: Needs,
    grad: Tensor,
    x: Tensor,
    gamma: Tensor | None,
    mean: Tensor,
    inverse: Tensor,
    shape: tuple[int, ...],
) -> Gradients:
    dx, dgamma, dbeta = _C.layer_norm_backward(x, gamma, mean, inverse, grad, shape, True, *needs)
    return dx, dgamma, dbeta


@in_float32
def rms_norm(
    x: Tensor,
    gamma: Tensor | None = None,
    eps: float | None = None,
    normalized_shape: int | Sequence[int] | None = None,
) -> Tensor:
    """Divide every row by its root mean square: ``x / sqrt(mean(x^2) + eps) * gamma``.

    Parameters
    ----------
    x, gamma, normalized_shape
        As for :func:`layer_norm`; errors likewise.
    eps
        Added to the mean square; positive. By default the dtype's epsilon: 2^-23 or 2^-52.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``.

    Notes
    -----
    Biao Zhang and Rico Sennrich, Root mean square layer normalization, 2019.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.rms_norm(tg.tensor([[1.0, 7.0]]))
    tensor([[0.2, 1.4]])
    """
    if eps is None:
        eps = 2.0**-52 if x.dtype == "float64" else 2.0**-23
    shape = _row_shape("rms_norm", normalized_shape, x, gamma)
    out: Tensor
    out, mean, inverse = _C.rms_norm(x, gamma, shape, eps)
    return record(out, _rms_norm_gradient, (x, gamma), x, gamma, mean, inverse, shape)


def _rms_norm_gradient(
    needs: Needs,
    grad: Tensor,
    x: Tensor,
    gamma: Tensor | None,
    mean: Tensor,
    inverse: Tensor,
    shape: tuple[int, ...],
) -> Gradients:
    dx, dgamma, _ = _C.layer_norm_backward(x, gamma, mean, inverse, grad, shape, False, needs[0], needs[1], False)
    return dx, dgamma


def _row_shape(op: str, shape: int | Sequence[int] | None, x: Tensor, *like: Tensor | None) -> tuple[int, ...]:
    """The axes that make a row: those that are given, those of a parameter, or the last of x."""
    if shape is not None:
        return integers(op, "normalized_shape", shape)
    return next((tensor.shape for tensor in like if tensor is not None), x.shape[-1:])
