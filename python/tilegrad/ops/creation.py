"""New tensors of shapes: filled, counted up, or left as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _C
from .arguments import require_tensors, sizes_of

if TYPE_CHECKING:
    from ..tensor import Tensor

    DTypeLike = Any
    Shape = int | Sequence[int]

__all__ = [
    "arange", "empty", "empty_like", "eye", "full", "full_like", "linspace", "ones", "ones_like", "zeros", "zeros_like",
]  # fmt: skip


def empty(shape: Shape, dtype: DTypeLike = "float32", device: str | None = None) -> Tensor:
    """A tensor whose elements are not initialised.

    Parameters
    ----------
    shape
        The sizes: one integer, or a sequence of integers, which is empty for a single number.
    dtype
        A tilegrad dtype such as ``tg.float32``, its name, or a NumPy dtype.
    device
        ``"cpu"`` (also None), ``"cuda"`` or ``"cuda:1"`` and so on.

    Returns
    -------
    Tensor
        Contiguous, of that shape; without a gradient.

    Raises
    ------
    ShapeError
        If a size is negative or no integer, or the sizes are not one argument.
    DTypeError
        If there is no such dtype.
    DeviceError
        If there is no such device.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.empty((2, 3)).shape
    (2, 3)
    """
    return _C.empty(sizes_of("empty", shape, dtype), dtype, device, "empty")


def full(
    shape: Shape,
    value: float,
    dtype: DTypeLike = "float32",
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor filled with one number.

    Parameters
    ----------
    shape, dtype, device
        As for :func:`empty`; errors likewise.
    value
        A Python number, which takes the dtype.
    requires_grad
        Whether a gradient is to be collected in ``.grad``; for floating tensors alone.

    Returns
    -------
    Tensor
        Contiguous, of that shape.

    Raises
    ------
    DTypeError
        If ``value`` is floating and the dtype is not, or ``requires_grad`` is set for a dtype that is not floating.
    ArgumentError
        If ``value`` does not fit in an integer or bool dtype.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.full((2,), 7, dtype="int64")
    tensor([7, 7])
    """
    return _filled("full", shape, value, dtype, device, requires_grad)


def _filled(op: str, shape: Shape, value: float, dtype: DTypeLike, device: str | None, requires_grad: bool) -> Tensor:
    out = _C.full(sizes_of(op, shape, dtype), value, dtype, device, op)
    return type(out)(out, True) if requires_grad else out


def zeros(shape: Shape, dtype: DTypeLike = "float32", device: str | None = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros.

    Parameters
    ----------
    shape, dtype, device, requires_grad
        As for :func:`full`; errors likewise.

    Returns
    -------
    Tensor
        Contiguous, of that shape.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.zeros(2)
    tensor([0., 0.])
    """
    return _filled("zeros", shape, 0, dtype, device, requires_grad)


def ones(shape: Shape, dtype: DTypeLike = "float32", device: str | None = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones.

    Parameters
    ----------
    shape, dtype, device, requires_grad
        As for :func:`full`; errors likewise.

    Returns
    -------
    Tensor
        Contiguous, of that shape.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.ones(2)
    tensor([1., 1.])
    """
    return _filled("ones", shape, 1, dtype, device, requires_grad)


def empty_like(x: Tensor, dtype: DTypeLike = None) -> Tensor:
    """A tensor of the shape of another, whose elements are not initialised.

    Parameters
    ----------
    x
        Any tensor; its values are not read.
    dtype
        By default that of ``x``.

    Returns
    -------
    Tensor
        Contiguous, of the shape of ``x``, on its device; without a gradient.

    Raises
    ------
    DTypeError
        If ``x`` is no tensor, or there is no such dtype.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.empty_like(tg.zeros((2, 3))).shape
    (2, 3)
    """
    require_tensors("empty_like", x=x)
    return _C.empty(x.shape, x.dtype if dtype is None else dtype, x.device, "empty_like")


def full_like(x: Tensor, value: float, dtype: DTypeLike = None) -> Tensor:
    """A tensor of the shape of another, filled with one number.

    Parameters
    ----------
    x, dtype
        As for :func:`empty_like`; errors likewise.
    value
        As for :func:`full`; errors likewise.

    Returns
    -------
    Tensor
        Contiguous, of the shape of ``x``, on its device; without a gradient.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.full_like(tg.zeros(2), 7)
    tensor([7., 7.])
    """
    return _filled_like("full_like", x, value, dtype)


def _filled_like(op: str, x: Tensor, value: float, dtype: DTypeLike) -> Tensor:
    require_tensors(op, x=x)
    return _C.full(x.shape, value, x.dtype if dtype is None else dtype, x.device, op)


def zeros_like(x: Tensor, dtype: DTypeLike = None) -> Tensor:
    """Zeros of the shape of another tensor.

    Parameters
    ----------
    x, dtype
        As for :func:`empty_like`; errors likewise.

    Returns
    -------
    Tensor
        Contiguous, of the shape of ``x``, on its device; without a gradient.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.zeros_like(tg.ones(2))
    tensor([0., 0.])
    """
    return _filled_like("zeros_like", x, 0, dtype)


def ones_like(x: Tensor, dtype: DTypeLike = None) -> Tensor:
    """Ones of the shape of another tensor.

    Parameters
    ----------
    x, dtype
        As for :func:`empty_like`; errors likewise.

    Returns
    -------
    Tensor
        Contiguous, of the shape of ``x``, on its device; without a gradient.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.ones_like(tg.zeros(2))
    tensor([1., 1.])
    """
    return _filled_like("ones_like", x, 1, dtype)


def arange(
    start: float, stop: float | None = None, step: float = 1, dtype: DTypeLike = None, device: str | None = None
) -> Tensor:
    """The numbers ``start + i * step`` up to but without ``stop``; ``arange(stop)`` starts at 0.

    Parameters
    ----------
    start, stop, step
        Python numbers; ``step`` may be negative.
    dtype
        float32, float64, int64, int32 or uint8; by default int64 where all three are integers, else float32. Floating
        elements are computed in double and rounded once.
    device
        As for :func:`empty`.

    Returns
    -------
    Tensor
        [n] with n = ceil((stop - start) / step), or 0 where that is negative.

    Raises
    ------
    ArgumentError
        If ``step`` is 0, or an element or their number does not fit or is not finite.
    DTypeError
        If a number is floating and the dtype is not, or the dtype is another.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.arange(2, 8, 2)
    tensor([2, 4, 6])
    """
    if stop is None:
        start, stop = 0, start
    if dtype is None:
        dtype = "float32" if any(isinstance(v, (float, np.floating)) for v in (start, stop, step)) else "int64"
    return _C.arange(start, stop, step, dtype, device)


def linspace(
    start: float, stop: float, num: int = 50, dtype: DTypeLike = "float32", device: str | None = None
) -> Tensor:
    """``num`` evenly spaced numbers from ``start`` to ``stop``, both included.

    Parameters
    ----------
    start, stop
        The first number and the last; ``stop`` may be below ``start``.
    num
        How many; of one, it is ``start``.
    dtype
        float32 or float64. Elements are computed in double and rounded once.
    device
        As for :func:`empty`.

    Returns
    -------
    Tensor
        [num], at distances of ``(stop - start) / (num - 1)``; the last is ``stop`` exactly, as rounded to the dtype.

    Raises
    ------
    ArgumentError
        If ``num`` is negative.
    DTypeError
        If the dtype is not float32 or float64.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.linspace(0, 1, 5)
    tensor([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    return _C.linspace(start, stop, num, dtype, device)


def eye(n: int, m: int | None = None, k: int = 0, dtype: DTypeLike = "float32", device: str | None = None) -> Tensor:
    """``[n, m]`` with ones on a diagonal, zeros elsewhere.

    Parameters
    ----------
    n, m
        Rows and columns; by default as many columns as rows.
    k
        Which diagonal: 0 the main one, positive ones above it, negative ones below. Beyond the corners nothing is 1.
    dtype, device
        As for :func:`empty`.

    Returns
    -------
    Tensor
        [n, m], without a gradient.

    Raises
    ------
    ShapeError
        If a size is negative.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return _C.eye(n, n if m is None else m, k, dtype, device)
