"""Dropout: elements or whole channels set to zero at random."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import _C
from ..autograd import record
from ..generator import source_of
from ..mixed_precision import in_float32
from .arguments import number_of, require_tensors

if TYPE_CHECKING:
    from ..generator import Generator
    from ..tensor import Tensor

__all__ = ["alpha_dropout", "dropout", "spatial_dropout"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


@in_float32
def dropout(x: Tensor, p: float, training: bool, generator: Generator | None = None) -> Tensor:
    """Sets each element to zero with probability ``p`` and divides the others by ``1 - p``.

    The expected value stays that of ``x``, so nothing is to be done at inference: with ``training=False``, or ``p=0``,
    ``x`` itself is returned.

    Parameters
    ----------
    x
        float32 or float64, of any shape.
    p
        The share that is set to zero, at least 0 and below 1; to the nearest multiple of 2^-32.
    training
        Whether to drop anything.
    generator
        By default the one that :func:`tilegrad.manual_seed` sets. The mask depends on its state alone.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``; ``x`` itself where nothing is dropped. The gradient of a dropped element is 0,
        that of another divided by ``1 - p``.

    Raises
    ------
    ArgumentError
        If ``p`` is out of range.
    DTypeError
        If ``x`` is no tensor, or elements are dropped and it is neither float32 nor float64.

    Notes
    -----
    Source: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout", JMLR 15, 2014, in its inverted form.

    Examples
    --------
    >>> import tilegrad as tg
    >>> y = tg.dropout(tg.ones(1000), 0.5, training=True)
    >>> sorted(set(y.tolist()))
    [0.0, 2.0]
    """
    return _drop("dropout", _C.dropout, _dropout_gradient, x, p, training, generator)


def _dropout_gradient(needs: Needs, grad: Tensor, mask: Tensor, scale: float) -> Gradients:
    return (_C.masked_scale(grad, mask, scale),)


@in_float32
def spatial_dropout(x: Tensor, p: float, training: bool, generator: Generator | None = None) -> Tensor:
    """Dropout of whole channels: neighbouring pixels carry the same information, so they go together.

    Parameters
    ----------
    x
        [N, ..., C] float32 or float64, with at least one axis between samples and channels.
    p
        The share of channels of each sample that is set to zero, at least 0 and below 1.
    training
        Whether to drop anything.
    generator
        By default the one that :func:`tilegrad.manual_seed` sets.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``, what is kept divided by ``1 - p``; ``x`` itself where nothing is dropped.

    Raises
    ------
    ArgumentError
        If ``p`` is out of range.
    ShapeError
        If channels are dropped and ``x`` has fewer than three axes.
    DTypeError
        If ``x`` is no tensor, or channels are dropped and it is neither float32 nor float64.

    Notes
    -----
    Source: Tompson, Goroshin, Jain, LeCun and Bregler, "Efficient object localization using convolutional networks",
    CVPR 2015.

    Examples
    --------
    >>> import tilegrad as tg
    >>> y = tg.spatial_dropout(tg.ones((1, 2, 2, 8)), 0.5, training=True).numpy()
    >>> bool((y == y[:, :1, :1]).all())
    True
    """
    return _drop("spatial_dropout", _C.spatial_dropout, _spatial_dropout_gradient, x, p, training, generator)


def _spatial_dropout_gradient(needs: Needs, grad: Tensor, mask: Tensor, scale: float) -> Gradients:
    return (_C.masked_scale(grad, mask, scale),)


@in_float32
def alpha_dropout(x: Tensor, p: float, training: bool, generator: Generator | None = None) -> Tensor:
    """Dropout for networks of :func:`selu`, which keeps a mean of 0 and a variance of 1.

    With probability ``p`` an element becomes ``a = -1.7580993408473766``, selu's limit far below zero; then all are
    scaled by ``s = ((1 - p) (1 + p a^2)) ** -0.5`` and shifted by ``-s p a``.

    Parameters
    ----------
    x
        float32 or float64, of any shape.
    p
        The share that is dropped, at least 0 and below 1.
    training
        Whether to drop anything.
    generator
        By default the one that :func:`tilegrad.manual_seed` sets. The mask is that of :func:`dropout`.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``; ``x`` itself where nothing is dropped. The gradient of a dropped element is 0,
        that of another multiplied by ``s``.

    Raises
    ------
    ArgumentError
        If ``p`` is out of range.
    DTypeError
        If ``x`` is no tensor, or elements are dropped and it is neither float32 nor float64.

    Notes
    -----
    Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", 2017.

    Examples
    --------
    >>> import tilegrad as tg
    >>> y = tg.alpha_dropout(tg.randn(10000, generator=tg.Generator(1)), 0.2, True, tg.Generator(2))
    >>> abs(y.mean().item()) < 0.05, round(y.var().item(), 1)
    (True, 1.0)
    """
    return _drop("alpha_dropout", _C.alpha_dropout, _alpha_dropout_gradient, x, p, training, generator)


def _alpha_dropout_gradient(needs: Needs, grad: Tensor, mask: Tensor, scale: float) -> Gradients:
    return (_C.masked_scale(grad, mask, scale),)


def _drop(
    op: str,
    native: Callable[[Tensor, float, Tensor], tuple[Any, ...]],
    rule: Callable[..., Any],
    x: Tensor,
    p: float,
    training: bool,
    generator: Generator | None,
) -> Tensor:
    require_tensors(op, x=x)
    if not 0 <= number_of(op, "p", p) < 1:
        raise _C.ArgumentError(
            f"{op}: p must be at least 0 and below 1 (the share of elements set to zero), found {p:g}"
        )
    if not training or p == 0:
        return x
    source = source_of(op, generator)
    with source._lock:
        y, mask, *slope = native(x, p, source._state_on(x.device))
    result: Tensor = record(y, rule, (x,), mask, *(slope or (1 / (1 - p),)))
    return result
