"""Batch and layer normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _C
from ..autograd import record

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["batch_norm", "layer_norm"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


def batch_norm(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
    activation: str | None = None,
) -> Tensor:
    """Normalise every channel: ``(x - mean) / sqrt(var + eps) * gamma + beta``, then, if wanted, ReLU.

    While training, mean and (biased) variance are the batch's, and the running ones move towards them in place:
    ``running = (1 - momentum) * running + momentum * batch``, with the unbiased variance. Otherwise the running ones
    are used, and a sample's result does not depend on the others of its batch.

    Parameters
    ----------
    x
        Floating [..., C]: [N, C], [N, H, W, C], ...; the last axis is of channels.
    gamma, beta
        Scale and shift [C].
    running_mean, running_var
        [C]; updated while training. None, while training, if they are not wanted.
    training
        Whether the statistics are the batch's.
    momentum
        How far the running statistics move, in PyTorch's sense.
    eps
        Added to the variance.
    activation
        None or ``"relu"``.

    Raises
    ------
    ShapeError
        If ``x`` has fewer than two dimensions, another argument is not [C], or in training a channel has one value.
    DTypeError
        If the dtypes differ or are not floating.
    ArgumentError
        If ``eps`` is not positive, ``momentum`` is not from 0 to 1, or the activation is unknown.

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
    out: Tensor
    out, mean, inverse = _C.batch_norm(x, gamma, beta, running_mean, running_var, training, momentum, eps, activation)
    saved = (x, gamma, beta, mean, inverse, training, activation)
    return record(out, _batch_norm_gradient, (x, gamma, beta), *saved)


def _batch_norm_gradient(
    needs: Needs,
    grad: Tensor,
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    mean: Tensor,
    inverse: Tensor,
    training: bool,
    activation: str | None,
) -> Gradients:
    dx, dgamma, dbeta = _C.batch_norm_backward(x, gamma, beta, mean, inverse, grad, training, activation, needs[0])
    return dx, dgamma if needs[1] else None, dbeta if needs[2] else None


def layer_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    """Normalise every row: ``(x - mean) / sqrt(var + eps) * gamma + beta``.

    Mean and biased variance are those of the row, along the last axis.

    Parameters
    ----------
    x
        Floating [..., D] of at least two dimensions.
    gamma, beta
        Scale and shift [D].
    eps
        Added to the variance; positive.

    Raises
    ------
    ShapeError
        If ``x`` has fewer than two dimensions, or ``gamma`` or ``beta`` is not [D].
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
    """
    out: Tensor
    out, mean, inverse = _C.layer_norm(x, gamma, beta, eps)
    return record(out, _layer_norm_gradient, (x, gamma, beta), x, gamma, mean, inverse)


def _layer_norm_gradient(
    needs: Needs, grad: Tensor, x: Tensor, gamma: Tensor, mean: Tensor, inverse: Tensor
) -> Gradients:
    dx, dgamma, dbeta = _C.layer_norm_backward(x, gamma, mean, inverse, grad, needs[0])
    return dx, dgamma if needs[1] else None, dbeta if needs[2] else None
