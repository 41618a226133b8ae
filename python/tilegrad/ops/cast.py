"""Conversions between dtypes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _C
from ..autograd import record

if TYPE_CHECKING:
    from ..tensor import Tensor

    DTypeLike = Any

__all__ = ["astype"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


def astype(x: Tensor, dtype: DTypeLike) -> Tensor:
    """``x`` in another dtype; ``x`` itself where it has that dtype already.

    Parameters
    ----------
    x
        Any tensor.
    dtype
        A tilegrad dtype, its name, or a NumPy dtype.

    Returns
    -------
    Tensor
        Floating numbers are rounded to the nearest, ties to even. Floating to integer truncates, saturates at the ends
        of the range and takes NaN to 0. Integer to integer keeps the low bits. To bool is whether an element differs
        from 0.

    Raises
    ------
    DTypeError
        If ``dtype`` names no dtype.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.astype(tg.tensor([1.7, -300.0]), "uint8")
    tensor([1, 0], dtype=uint8)
    """
    y = _C.astype(x, dtype)
    if y.dtype == x.dtype:
        return x
    return record(y, _astype_gradient, (x,), x.dtype) if y.dtype.is_floating else y


def _astype_gradient(needs: Needs, grad: Tensor, dtype: Any) -> Gradients:
    return (_C.astype(grad, dtype),)
