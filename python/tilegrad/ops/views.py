"""Shapes and views: ops that move no data where the strides allow it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import _C
from ..autograd import record
from .arguments import integers, require_tensors
from .broadcasting import sum_to

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "broadcast_to",
    "contiguous",
    "copy",
    "expand_dims",
    "permute",
    "reshape",
    "squeeze",
    "swapaxes",
    "transpose",
]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


def reshape(x: Tensor, shape: int | Sequence[int]) -> Tensor:
    """The same elements, row-major, in another shape; a view where the strides allow it.

    Parameters
    ----------
    x
        Any tensor.
    shape
        The new sizes, or one integer; one may be -1 and is inferred, unless the others multiply to 0.

    Returns
    -------
    Tensor
        Of that shape: a view where the strides allow it, as they do where ``x`` is contiguous, else a contiguous copy.

    Raises
    ------
    ShapeError
        If the number of elements differs, or a size is no integer (``n / 2`` is a float: write ``n // 2``).

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.reshape(tg.tensor([[1, 2], [3, 4]]), (-1,))
    tensor([1, 2, 3, 4])
    """
    try:
        y = _C.reshape(x, tuple(shape))  # type: ignore[arg-type]
    except TypeError:  # looked into when it has failed: reshape is too common to check twice
        require_tensors("reshape", x=x)
        y = _C.reshape(x, integers("reshape", "shape", shape))
    return record(y, _reshape_gradient, (x,), x.shape)


def _reshape_gradient(needs: Needs, grad: Tensor, shape: tuple[int, ...]) -> Gradients:
    return (_C.reshape(grad, shape),)


def permute(x: Tensor, axes: Sequence[int]) -> Tensor:
    """A view whose axis ``i`` is axis ``axes[i]`` of ``x``.

    Parameters
    ----------
    x
        Any tensor.
    axes
        Every axis of ``x`` once, in the new order; negative ones count from the end.

    Returns
    -------
    Tensor
        A view of the sizes ``x.shape[axes[i]]``.

    Raises
    ------
    ShapeError
        If ``axes`` does not name every axis once.
    OutOfRangeError
        If an axis does not exist; an IndexError.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.permute(tg.tensor([[1, 2], [3, 4]]), (1, 0))
    tensor([[1, 3],
            [2, 4]])
    """
    axes = axes if type(axes) is tuple else integers("permute", "axes", axes)
    return record(_C.permute(x, axes), _permute_gradient, (x,), axes)


def _permute_gradient(needs: Needs, grad: Tensor, axes: tuple[int, ...]) -> Gradients:
    inverse = [0] * len(axes)
    for position, axis in enumerate(axes):
        inverse[axis] = position
    return (_C.permute(grad, tuple(inverse)),)


def transpose(x: Tensor) -> Tensor:
    """A view with all axes in reverse order.

    Parameters
    ----------
    x
        Any tensor, [d₀, ..., dₙ].

    Returns
    -------
    Tensor
        A view [dₙ, ..., d₀]. A batch of matrices is transposed by ``swapaxes(x, -1, -2)``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.transpose(tg.tensor([[1, 2, 3]])).shape
    (3, 1)
    """
    require_tensors("transpose", x=x)
    return permute(x, tuple(range(x.ndim - 1, -1, -1)))


def swapaxes(x: Tensor, a: int, b: int) -> Tensor:
    """A view with two axes exchanged.

    Parameters
    ----------
    x
        Any tensor.
    a, b
        The axes, which may be the same; negative ones count from the end.

    Returns
    -------
    Tensor
        A view of as many axes.

    Raises
    ------
    OutOfRangeError
        If an axis does not exist.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.swapaxes(tg.tensor([[[1, 2, 3]]]), 0, 2).shape
    (3, 1, 1)
    """
    require_tensors("swapaxes", x=x)
    axes = list(range(x.ndim))
    a, b = _C.normalize_axis("swapaxes", a, x.ndim), _C.normalize_axis("swapaxes", b, x.ndim)
    axes[a], axes[b] = axes[b], axes[a]
    return permute(x, axes)


def expand_dims(x: Tensor, axis: int) -> Tensor:
    """A view with a new axis of size 1 at ``axis``.

    Parameters
    ----------
    x
        Any tensor.
    axis
        Where the new axis stands in the result, from ``-x.ndim - 1`` to ``x.ndim``; -1 is behind all others.

    Returns
    -------
    Tensor
        A view of one axis more.

    Raises
    ------
    OutOfRangeError
        If the axis is out of range.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.expand_dims(tg.tensor([1, 2]), 0).shape
    (1, 2)
    """
    return record(_C.expand_dims(x, axis), _reshape_gradient, (x,), x.shape)


def squeeze(x: Tensor, axis: int | None = None) -> Tensor:
    """A view without the given axis of size 1, or without all of them.

    Parameters
    ----------
    x
        Any tensor.
    axis
        One axis of size 1; negative ones count from the end. None for all of them, however many there are.

    Returns
    -------
    Tensor
        A view.

    Raises
    ------
    ShapeError
        If the axis has another size.
    OutOfRangeError
        If the axis does not exist.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.squeeze(tg.tensor([[[1, 2]]])).shape
    (2,)
    """
    out = _C.squeeze(x, axis)
    return record(out, _reshape_gradient, (x,), x.shape)


def broadcast_to(x: Tensor, shape: int | Sequence[int]) -> Tensor:
    """A view stretched to ``shape`` by NumPy's rule.

    Parameters
    ----------
    x
        Any tensor.
    shape
        At least as many sizes as ``x`` has axes. From the last axis backwards each size is that of ``x``, or that of
        ``x`` is 1 or missing.

    Returns
    -------
    Tensor
        A view of that shape, whose stretched axes have stride 0; it cannot be written to where elements share memory.
        Its gradient is summed over the stretched axes.

    Raises
    ------
    ShapeError
        If ``x`` does not broadcast to ``shape``, or a size is negative or no integer.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.broadcast_to(tg.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    sizes = integers("broadcast_to", "shape", shape)
    return record(_C.broadcast_to(x, sizes), _broadcast_to_gradient, (x,), x.shape)


def _broadcast_to_gradient(needs: Needs, grad: Tensor, shape: tuple[int, ...]) -> Gradients:
    return (sum_to(grad, shape),)


def copy(x: Tensor) -> Tensor:
    """A contiguous copy with memory of its own.

    Parameters
    ----------
    x
        Any tensor.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``, on its device. The gradient flows through.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([1, 2])
    >>> tg.copy(x).data_ptr() == x.data_ptr()
    False
    """
    return record(_C.copy(x), _identity_gradient, (x,))


def _identity_gradient(needs: Needs, grad: Tensor) -> Gradients:
    return (grad,)


def contiguous(x: Tensor) -> Tensor:
    """``x`` itself when its elements lie row-major without gaps, else a copy that does.

    Parameters
    ----------
    x
        Any tensor.

    Returns
    -------
    Tensor
        Itself or a copy, through which the gradient flows.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.contiguous(tg.tensor([[1, 2], [3, 4]]).permute(1, 0)).strides
    (2, 1)
    """
    require_tensors("contiguous", x=x)
    return x if x.is_contiguous() else copy(x)
