"""Limiting gradients before a step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .. import _C
from .given import given_tensors

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["clip_grad_norm_", "clip_grad_value_"]


def _gradients(owner: str, parameters: Tensor | Iterable[Tensor]) -> list[Any]:
    return [tensor.grad for tensor in given_tensors(owner, parameters) if tensor.grad is not None]


def clip_grad_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float) -> Tensor:
    """Scales all gradients together so that their norm, as one vector, is at most ``max_norm``.

    Optimizers do the same within their step when they are made with ``clip_norm``, without writing the gradients.

    Parameters
    ----------
    parameters
        One tensor, or several of one dtype; those without a gradient do not count.
    max_norm
        The largest norm, at least 0.

    Returns
    -------
    Tensor
        The norm before, float64 of no dimensions. If it is NaN or infinite, so become the gradients where they were.

    Raises
    ------
    ArgumentError
        If ``max_norm`` is negative or NaN.

    Examples
    --------
    >>> import tilegrad as tg
    >>> from tilegrad.optim import clip_grad_norm_
    >>> x = tg.tensor([3.0, 4.0], requires_grad=True)
    >>> x.grad = tg.tensor([3.0, 4.0])
    >>> clip_grad_norm_(x, 1.0).item()
    5.0
    >>> [round(value, 6) for value in x.grad.tolist()]
    [0.6, 0.8]
    """
    gradients = _gradients("clip_grad_norm_", parameters)
    clip = _C.empty((2,), _C.float64, gradients[0].device if gradients else "cpu")
    _C.gradient_norm(clip, gradients, max_norm)
    _C.scale_all(clip, gradients)
    norm: Tensor = _C.select(clip, 0, 0)
    return norm


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limits every element of every gradient to ``[-clip_value, clip_value]``, in place; NaN stays NaN.

    Parameters
    ----------
    parameters
        One tensor, or several; those without a gradient are passed over.
    clip_value
        The bound, from 0; infinity changes nothing.

    Raises
    ------
    ArgumentError
        If ``clip_value`` is negative or NaN, or one of ``parameters`` is no tensor.

    Examples
    --------
    >>> import tilegrad as tg
    >>> from tilegrad.optim import clip_grad_value_
    >>> x = tg.tensor([3.0, -4.0], requires_grad=True)
    >>> x.grad = tg.tensor([3.0, -4.0])
    >>> clip_grad_value_(x, 3.5)
    >>> x.grad
    tensor([ 3. , -3.5])
    """
    _C.clip_all(_gradients("clip_grad_value_", parameters), clip_value)
