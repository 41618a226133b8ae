"""Elementwise arithmetic with NumPy's broadcasting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _C
from ..autograd import record
from .broadcasting import sum_to

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["add", "multiply", "negative"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


def add(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Elementwise sum ``a + b``.

    Parameters
    ----------
    a, b
        Tensors of one numeric dtype whose shapes broadcast, or one tensor and one Python number, which takes the
        tensor's dtype.

    Returns
    -------
    Tensor
        Of the broadcast shape.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    DTypeError
        If the dtypes differ, or neither is a tensor.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.add(tg.tensor([1.0, 2.0]), 0.5)
    tensor([1.5, 2.5])
    """
    return record(_C.add(a, b), _add_gradient, (a, b), a, b)


def _add_gradient(needs: Needs, grad: Tensor, a: Tensor, b: Tensor) -> Gradients:
    return sum_to(grad, a) if needs[0] else None, sum_to(grad, b) if needs[1] else None


def multiply(a: Tensor | float, b: Tensor | float) -> Tensor:
    """Elementwise product ``a * b``; operands as for :func:`add`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.multiply(tg.tensor([1.0, 2.0]), 3)
    tensor([3., 6.])
    """
    return record(_C.multiply(a, b), _multiply_gradient, (a, b), a, b)


def _multiply_gradient(needs: Needs, grad: Tensor, a: Tensor, b: Tensor) -> Gradients:
    return (
        sum_to(_C.multiply(grad, b), a) if needs[0] else None,
        sum_to(_C.multiply(grad, a), b) if needs[1] else None,
    )


def negative(x: Tensor) -> Tensor:
    """Elementwise ``-x``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.negative(tg.tensor([1.0, -2.0]))
    tensor([-1.,  2.])
    """
    return record(_C.negative(x), _negative_gradient, (x,))


def _negative_gradient(needs: Needs, grad: Tensor) -> Gradients:
    return (_C.negative(grad),)
