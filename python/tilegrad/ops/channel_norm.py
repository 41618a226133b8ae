"""Normalisation of groups of channels of each sample, and of channels by their neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _C
from ..autograd import grad_enabled, record
from ..mixed_precision import in_float32

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["group_norm", "instance_norm", "local_response_norm"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


@in_float32
def group_norm(
    x: Tensor, num_groups: int, gamma: Tensor | None = None, beta: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Normalise groups of channels of each sample: ``(x - mean) / sqrt(var + eps) * gamma + beta``.

    Mean and biased variance are over a sample's C / G neighbouring channels at all its places, so no sample depends on
    the others of its batch, and there is nothing to keep for inference.

    Parameters
    ----------
    x
        float32 or float64 [N, ..., C], channels last; on a GPU float16 and bfloat16 too, with float32 parameters.
    num_groups
        G, how many groups the channels make; divides C. 1 normalises all channels together, C each on its own.
    gamma, beta
        Scale and shift [C], of the dtype of ``x``; None for 1 and 0. Gradients flow to them and ``x``.
    eps
        Added to the variance; positive.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``.

    Raises
    ------
    ArgumentError
        If ``num_groups`` does not divide the channels, or ``eps`` is not positive.
    ShapeError
        If ``x`` has fewer than two dimensions, or ``gamma`` or ``beta`` is not [C].
    DTypeError
        If the dtypes differ or are not floating.

    Notes
    -----
    Yuxin Wu and Kaiming He, Group normalization, 2018.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.group_norm(tg.tensor([[1.0, 3.0, -5.0, 5.0]]), num_groups=2)
    tensor([[-0.999995  ,  0.999995  , -0.99999976,  0.99999976]])
    """
    return _group_norm("group_norm", x, num_groups, gamma, beta, eps)


@in_float32
def instance_norm(x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """Normalise each channel of each sample: :func:`group_norm` with as many groups as channels.

    Parameters
    ----------
    x
        As for :func:`group_norm`, with more than one place.
    gamma, beta, eps
        As for :func:`group_norm`; errors likewise.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``.

    Raises
    ------
    ShapeError
        If a channel of a sample has one value, which normalised would be 0.

    Notes
    -----
    Ulyanov, Vedaldi and Lempitsky, Instance normalization, 2016.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.instance_norm(tg.tensor([[[1.0], [3.0]]]))
    tensor([[[-0.999995],
             [ 0.999995]]])
    """
    if x.ndim > 1 and x.size and x.size == x.shape[0] * x.shape[-1]:
        raise _C.ShapeError(
            f"instance_norm: each channel of a sample needs more than one value, found x {list(x.shape)}"
        )
    channels = x.shape[-1] if x.ndim else 0
    return _group_norm("instance_norm", x, max(channels, 1), gamma, beta, eps)


def _group_norm(op: str, x: Tensor, groups: int, gamma: Tensor | None, beta: Tensor | None, eps: float) -> Tensor:
    out: Tensor
    out, mean, inverse = _C.group_norm(op, x, groups, gamma, beta, eps)
    return record(out, _group_norm_gradient, (x, gamma, beta), x, groups, gamma, mean, inverse)


def _group_norm_gradient(
    needs: Needs, grad: Tensor, x: Tensor, groups: int, gamma: Tensor | None, mean: Tensor, inverse: Tensor
) -> Gradients:
    dx, dgamma, dbeta = _C.group_norm_backward(x, groups, gamma, mean, inverse, grad, *needs)
    return dx, dgamma, dbeta


@in_float32
def local_response_norm(x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Damp each channel where its neighbours are large: ``y[c] = x[c] / (k + alpha / size * sum x[i]^2) ** beta``.

    The sum is over the ``size`` channels from ``c - size // 2`` on, at the same place; those beyond the first and the
    last channel count as 0.

    Parameters
    ----------
    x
        float32 or float64 [..., C], channels last.
    size
        How many channels are summed over; positive.
    alpha, beta, k
        Constants of the formula. ``alpha`` is divided by ``size``, as in PyTorch; AlexNet's paper does not, so its
        constants n = 5, alpha = 1e-4, k = 2 are ``size=5, alpha=5e-4, k=2`` here.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``. Where ``k`` and all that is summed are 0, NaN.

    Raises
    ------
    ArgumentError
        If ``size`` is not positive.
    ShapeError
        If ``x`` has no axis of channels.
    DTypeError
        If ``x`` is not float32 or float64.

    Notes
    -----
    Krizhevsky, Sutskever and Hinton, ImageNet classification with deep convolutional neural networks, 2012.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.local_response_norm(tg.tensor([[1.0, 2.0, 0.0]]), size=2, alpha=2.0, beta=1.0)
    tensor([[0.5       , 0.33333334, 0.        ]])
    """
    want = x.requires_grad and grad_enabled()
    out: Tensor
    out, sums = _C.local_response_norm(x, size, alpha, beta, k, want)
    return record(out, _local_response_norm_gradient, (x,), x, sums, size, alpha, beta, k)


def _local_response_norm_gradient(
    needs: Needs, grad: Tensor, x: Tensor, sums: Tensor, size: int, alpha: float, beta: float, k: float
) -> Gradients:
    return (_C.local_response_norm_backward(x, sums, grad, size, alpha, beta, k),)
