"""The parts of matrices on one side of a diagonal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _C
from ..autograd import record

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["tril", "triu"]


_FAR = 1 << 62  # beyond every diagonal


def tril(x: Tensor, k: int = 0) -> Tensor:
    """``x [..., rows, columns]`` with zeros above diagonal ``k``.

    Parameters
    ----------
    x
        [..., rows, columns] of any dtype.
    k
        The last diagonal that is kept: 0 the main one, positive ones above it, negative ones below.

    Returns
    -------
    Tensor
        A copy of the shape and dtype of ``x``. Its gradient is cut to the same triangle.

    Raises
    ------
    ShapeError
        If ``x`` has fewer than two axes.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.tril(tg.ones((2, 2)))
    tensor([[1., 0.],
            [1., 1.]])
    """
    return record(_C.band("tril", x, -_FAR, k), _band_gradient, (x,), -_FAR, k)


def triu(x: Tensor, k: int = 0) -> Tensor:
    """``x [..., rows, columns]`` with zeros below diagonal ``k``.

    Parameters
    ----------
    x
        [..., rows, columns] of any dtype.
    k
        The first diagonal that is kept, as for :func:`tril`.

    Returns
    -------
    Tensor
        A copy of the shape and dtype of ``x``. Its gradient is cut to the same triangle.

    Raises
    ------
    ShapeError
        If ``x`` has fewer than two axes.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.triu(tg.ones((2, 2)))
    tensor([[1., 1.],
            [0., 1.]])
    """
    return record(_C.band("triu", x, k, _FAR), _band_gradient, (x,), k, _FAR)


def _band_gradient(needs: tuple[bool, ...], grad: Tensor, least: int, most: int) -> tuple[Tensor | None, ...]:
    return (_C.band("tril", grad, least, most),)
