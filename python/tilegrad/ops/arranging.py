"""Tensors cut into parts, repeated and laid out anew: made of views, concatenation and products."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import _C
from ..autograd import record
from .arguments import renamed, require_tensors
from .comparison import where
from .elementwise import multiply
from .joining import split
from .reduce import sum
from .views import broadcast_to, expand_dims, permute, reshape

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "chunk", "diagonal", "masked_fill", "meshgrid", "moveaxis", "outer", "repeat", "tile", "trace", "unbind",
]  # fmt: skip

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


_MOST = 2**63 - 1


def _count(op: str, name: str, value: Any, least: int) -> int:
    try:
        count = operator.index(value)
    except TypeError:
        count = least - 1
    if count < least or isinstance(value, bool):
        raise _C.ArgumentError(f"{op}: {name} must be an integer from {least} up, found {value!r}")
    if count > _MOST:
        raise _C.ArgumentError(f"{op}: {name} {count} does not fit in 64 bits")
    return count


def chunk(x: Tensor, chunks: int, axis: int = 0) -> tuple[Tensor, ...]:
    """A tensor cut along an axis in at most ``chunks`` parts of one size, the last perhaps smaller.

    Each has ``ceil(size / chunks)`` elements, as in PyTorch, so there may be fewer than ``chunks``; :func:`split` takes
    sizes instead.

    Parameters
    ----------
    x
        Any tensor of at least one axis.
    chunks
        How many parts at most; a positive integer.
    axis
        Where to cut; negative ones count from the end.

    Returns
    -------
    tuple of Tensor
        Views of ``x``. An axis of size 0 gives ``chunks`` of them, all empty.

    Raises
    ------
    ArgumentError
        If ``chunks`` is no positive integer.
    OutOfRangeError
        If the axis does not exist.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.chunk(tg.arange(5), 2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    require_tensors("chunk", x=x)
    count = _count("chunk", "chunks", chunks, 1)
    size = x.shape[_C.normalize_axis("chunk", axis, x.ndim)]
    part = -(-size // count)
    return split(x, [min(part, size - start) for start in range(0, size, part)] if size else [0] * count, axis)


def unbind(x: Tensor, axis: int = 0) -> tuple[Tensor, ...]:
    """A tensor taken apart along an axis, which :func:`stack` undoes.

    Parameters
    ----------
    x
        Any tensor of at least one axis.
    axis
        The axis that goes; negative ones count from the end.

    Returns
    -------
    tuple of Tensor
        Views ``x[i]`` (for axis 0), one for each index along the axis, without that axis.

    Raises
    ------
    OutOfRangeError
        If the axis does not exist.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.unbind(tg.tensor([[1, 2], [3, 4]]), axis=1)
    (tensor([1, 3]), tensor([2, 4]))
    """
    require_tensors("unbind", x=x)
    axis = _C.normalize_axis("unbind", axis, x.ndim)
    return tuple(x[(slice(None),) * axis + (i,)] for i in range(x.shape[axis]))


def moveaxis(x: Tensor, source: int, destination: int) -> Tensor:
    """A view of ``x`` whose axis ``source`` stands at ``destination``; the others keep their order.

    Parameters
    ----------
    x
        Any tensor.
    source, destination
        Where the axis is and where it is to be; negative ones count from the end.

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
    >>> tg.moveaxis(tg.zeros((2, 3, 4)), 1, -1).shape  # [N, C, L] to [N, L, C]
    (2, 4, 3)
    """
    require_tensors("moveaxis", x=x)
    source = _C.normalize_axis("moveaxis", source, x.ndim)
    destination = _C.normalize_axis("moveaxis", destination, x.ndim)
    axes = [axis for axis in range(x.ndim) if axis != source]
    axes.insert(destination, source)
    return permute(x, axes)


def tile(x: Tensor, reps: int | Sequence[int]) -> Tensor:
    """``x`` laid side by side ``reps`` times along each axis.

    Parameters
    ----------
    x
        Any tensor.
    reps
        How often, for each axis from the last one backwards; missing axes of ``x``, or missing numbers, count as 1.

    Returns
    -------
    Tensor
        Of sizes ``x.shape[i] * reps[i]``.

    Raises
    ------
    ArgumentError
        If a number is negative or no integer.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.tile(tg.tensor([1, 2]), (2, 2))
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    require_tensors("tile", x=x)
    counts = [_count("tile", "reps", r, 0) for r in (reps if isinstance(reps, (tuple, list)) else (reps,))]
    rank = max(len(counts), x.ndim)
    counts = [1] * (rank - len(counts)) + counts
    shape = (1,) * (rank - x.ndim) + x.shape
    # Each axis becomes a pair: how often, and what; the first of them is stretched.
    pairs = [size for one in shape for size in (1, one)]
    stretched = [size for count, one in zip(counts, shape, strict=True) for size in (count, one)]
    whole = [count * one for count, one in zip(counts, shape, strict=True)]
    return reshape(broadcast_to(reshape(x, pairs), stretched), whole)


def repeat(x: Tensor, repeats: int, axis: int | None = None) -> Tensor:
    """Each element ``repeats`` times in a row along ``axis``, or of the flattened tensor for None.

    As ``numpy.repeat`` and ``torch.repeat_interleave``; PyTorch's ``Tensor.repeat`` is :func:`tile`.

    Parameters
    ----------
    x
        Any tensor.
    repeats
        How often; an integer, 0 for none.
    axis
        Negative ones count from the end; None flattens ``x`` first.

    Returns
    -------
    Tensor
        The size of the axis is multiplied by ``repeats``. The gradient of an element is the sum of those of its
        repetitions.

    Raises
    ------
    ArgumentError
        If ``repeats`` is negative or no integer.
    OutOfRangeError
        If the axis does not exist.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.repeat(tg.tensor([1, 2]), 3)
    tensor([1, 1, 1, 2, 2, 2])
    """
    require_tensors("repeat", x=x)
    count = _count("repeat", "repeats", repeats, 0)
    if axis is None:
        x, axis = reshape(x, (x.size,)), 0
    axis = _C.normalize_axis("repeat", axis, x.ndim)
    wide = expand_dims(x, axis + 1)
    stretched = broadcast_to(wide, (*x.shape[: axis + 1], count, *x.shape[axis + 1 :]))
    return reshape(stretched, (*x.shape[:axis], x.shape[axis] * count, *x.shape[axis + 1 :]))


def meshgrid(*axes: Tensor, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Coordinates of a grid: one view for each vector, of the shape of the whole grid.

    Parameters
    ----------
    axes
        Vectors [n₀], [n₁], ... of one dtype.
    indexing : {"ij", "xy"}
        "ij" gives shape [n₀, n₁, ...]; "xy" exchanges the first two axes, as a picture's columns and rows.

    Returns
    -------
    tuple of Tensor
        The k-th has the value ``axes[k][i_k]`` at the place (i₀, i₁, ...).

    Raises
    ------
    ShapeError
        If one is no vector.
    ArgumentError
        If no vector is given, or ``indexing`` is something else.

    Examples
    --------
    >>> import tilegrad as tg
    >>> rows, columns = tg.meshgrid(tg.arange(2), tg.arange(3))
    >>> rows
    tensor([[0, 0, 0],
            [1, 1, 1]])
    """
    if indexing not in ("ij", "xy"):
        raise _C.ArgumentError(f"meshgrid: indexing must be 'ij' or 'xy', found {indexing!r}")
    if not axes:
        raise _C.ArgumentError("meshgrid: at least one vector is needed, found none")
    for position, axis in enumerate(axes):
        require_tensors("meshgrid", **{f"axes[{position}]": axis})
        if axis.ndim != 1:
            raise _C.ShapeError(f"meshgrid: axes[{position}] must be a vector, found {list(axis.shape)}")
        if axis.dtype != axes[0].dtype:
            raise _C.DTypeError(
                f"meshgrid: all vectors must have one dtype, found {axes[0].dtype.name} and {axis.dtype.name}; cast "
                "with .astype()"
            )
    order = list(range(len(axes)))
    if indexing == "xy" and len(axes) > 1:
        order[0], order[1] = 1, 0
    shape = [axes[k].shape[0] for k in order]
    return tuple(
        broadcast_to(reshape(axis, [axis.shape[0] if k == own else 1 for k in order]), shape)
        for own, axis in enumerate(axes)
    )


def outer(a: Tensor, b: Tensor) -> Tensor:
    """Every product of elements of two vectors, ``y[i, j] = a[i] * b[j]``.

    Parameters
    ----------
    a
        [n], of any dtype that :func:`multiply` takes.
    b
        [m], of the same dtype.

    Returns
    -------
    Tensor
        [n, m], of that dtype. Integers wrap around.

    Raises
    ------
    ShapeError
        If one is no vector.
    DTypeError
        If the dtypes differ or are bool, or one is no tensor.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.outer(tg.tensor([1, 2]), tg.tensor([3, 4, 5]))
    tensor([[ 3,  4,  5],
            [ 6,  8, 10]])
    """
    require_tensors("outer", a=a, b=b)
    for name, x in (("a", a), ("b", b)):
        if x.ndim != 1:
            raise _C.ShapeError(f"outer: {name} must be a vector, found {list(x.shape)}; flatten() it first")
    try:
        return multiply(expand_dims(a, 1), b)
    except _C.TilegradError as error:
        raise renamed(error, "outer") from None


def masked_fill(x: Tensor, mask: Tensor, value: float) -> Tensor:
    """``x`` with a number in place of the elements where ``mask`` holds.

    Parameters
    ----------
    x
        Any tensor.
    mask
        Bools that broadcast with ``x``.
    value
        A number, which takes the dtype of ``x``.

    Returns
    -------
    Tensor
        A copy of the broadcast shape and the dtype of ``x``. The gradient is 0 where the mask holds.

    Raises
    ------
    DTypeError
        If the mask is no bool tensor, ``value`` is no number, or it is floating and ``x`` is not.
    ArgumentError
        If ``value`` does not fit in the dtype of ``x``.
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.masked_fill(tg.tensor([1.0, 2.0]), tg.tensor([True, False]), float("-inf"))
    tensor([-inf,   2.])
    """
    require_tensors("masked_fill", x=x, mask=mask)
    if isinstance(value, _C.TensorBase):
        raise _C.DTypeError("masked_fill: value must be a number, found a tensor; where() takes tensors on both sides")
    try:
        return where(mask, _C.as_tensor_like("masked_fill", x, value), x)
    except _C.TilegradError as error:
        raise renamed(error, "masked_fill") from None


def diagonal(x: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """A view of the elements whose indices along two axes are the same but for ``offset``: the last axis of the result.

    Parameters
    ----------
    x
        At least two axes.
    offset
        How far above the main diagonal; below it where negative.
    axis1, axis2
        The rows and the columns; negative ones count from the end.

    Returns
    -------
    Tensor
        A view [..., n]: the other axes in their order, then that of the diagonal, which has no elements where
        ``offset`` lies beyond the corners.

    Raises
    ------
    ShapeError
        If ``x`` has fewer than two axes.
    ArgumentError
        If the axes are the same.
    OutOfRangeError
        If an axis does not exist.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.diagonal(tg.tensor([[1, 2, 3], [4, 5, 6]]), offset=1)
    tensor([2, 6])
    """
    out = _C.diagonal(x, offset, axis1, axis2)
    return record(out, _diagonal_gradient, (x,), x.shape, offset, axis1, axis2)


def _diagonal_gradient(
    needs: Needs, grad: Tensor, shape: tuple[int, ...], offset: int, axis1: int, axis2: int
) -> Gradients:
    out = _C.full(shape, 0, grad.dtype, grad.device)
    _C.copy_into(grad, _C.diagonal(out, offset, axis1, axis2))
    return (out,)


def trace(x: Tensor) -> Tensor:
    """The sum of the main diagonal of a matrix, ``sum over i of x[i, i]``.

    Parameters
    ----------
    x
        [n, m] of any dtype that :func:`sum` takes.

    Returns
    -------
    Tensor
        One number, of the dtype of ``x``; int64 for integers and bools.

    Raises
    ------
    ShapeError
        If ``x`` is no matrix.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.trace(tg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    require_tensors("trace", x=x)
    if x.ndim != 2:
        raise _C.ShapeError(f"trace: x must be a matrix, found {list(x.shape)}")
    return sum(diagonal(x))
