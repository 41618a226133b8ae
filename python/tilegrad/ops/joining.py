"""Putting tensors together and taking them apart: concat, stack, split, pad, crop, flip, roll."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import _C
from ..autograd import record, record_shapes
from .arguments import integers, is_integer, require_tensors, tensors_of
from .subscript import getitem

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["concat", "crop", "flip", "pad", "roll", "split", "stack"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]
Widths = int | Sequence[int] | Sequence[Sequence[int]]  # as in numpy.pad


def concat(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """The tensors one behind the other along an axis.

    Parameters
    ----------
    tensors
        At least one, each with an axis; of one dtype, which may be any, and of one shape but for ``axis``.
    axis
        Where they are joined; negative ones count from the end.

    Returns
    -------
    Tensor
        A copy, also of a single tensor, whose axis is as long as theirs together. Each tensor gets its part of the
        gradient.

    Raises
    ------
    ShapeError, DTypeError, DeviceError
        If the tensors do not fit; the message tells which one.
    ArgumentError
        If there is none.
    OutOfRangeError
        If the axis does not exist.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.concat([tg.tensor([1, 2]), tg.tensor([3])])
    tensor([1, 2, 3])
    """
    tensors = tensors_of("concat", tensors)
    return record_shapes(_C.concat(tensors, axis), _concat_gradient, tensors, axis)


def _concat_gradient(needs: Needs, grad: Tensor, *kept: Any) -> Gradients:
    *shapes, axis = kept
    axis %= grad.ndim
    gradients: list[Tensor | None] = []
    start = 0
    for needed, shape in zip(needs, shapes, strict=True):
        gradients.append(_C.slice(grad, axis, start, shape[axis], 1) if needed else None)
        start += shape[axis]
    return tuple(gradients)


def stack(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """The tensors along a new axis.

    Parameters
    ----------
    tensors
        At least one; all of one shape and dtype, which may be any.
    axis
        Where the new axis stands in the result; -1 is behind all others.

    Returns
    -------
    Tensor
        A copy of one axis more. Each tensor gets its part of the gradient.

    Raises
    ------
    ShapeError, DTypeError, DeviceError
        If the tensors do not fit; the message tells which one.
    ArgumentError
        If there is none.
    OutOfRangeError
        If the axis is out of range.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.stack([tg.tensor([1, 2]), tg.tensor([3, 4])], axis=1)
    tensor([[1, 3],
            [2, 4]])
    """
    tensors = tensors_of("stack", tensors)
    return record(_C.stack(tensors, axis), _stack_gradient, tensors, axis)


def _stack_gradient(needs: Needs, grad: Tensor, axis: int) -> Gradients:
    return tuple(_C.select(grad, axis % grad.ndim, i) if needed else None for i, needed in enumerate(needs))


def split(x: Tensor, sizes: int | Sequence[int], axis: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive parts of ``x`` along an axis.

    Parameters
    ----------
    x
        Any tensor of at least one axis.
    sizes
        The size of each part, which sum to that of the axis; or one number, how many equal parts to make (as in NumPy).
    axis
        Where to cut; negative ones count from the end.

    Returns
    -------
    tuple of Tensor
        Views of ``x``, in their order.

    Raises
    ------
    ShapeError
        If the sizes do not sum to that of the axis, it cannot be divided evenly, or a size is negative or no integer.
    OutOfRangeError
        If the axis does not exist.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.split(tg.tensor([1, 2, 3]), [1, 2])
    (tensor([1]), tensor([2, 3]))
    """
    require_tensors("split", x=x)
    axis = _C.normalize_axis("split", axis, x.ndim)
    length = x.shape[axis]
    lengths = integers("split", "sizes", sizes)
    if is_integer(sizes):
        (count,) = lengths
        if count < 1 or length % count:
            raise _C.ShapeError(f"split: axis {axis} of size {length} cannot be cut into {count} equal parts")
        lengths = (length // count,) * count
    if any(size < 0 for size in lengths) or sum(lengths) != length:
        raise _C.ShapeError(f"split: sizes {list(lengths)} do not sum to {length}, the size of axis {axis}")
    parts = []
    start = 0
    for size in lengths:
        parts.append(getitem(x, (slice(None),) * axis + (slice(start, start + size),)))
        start += size
    return tuple(parts)


def _widths(op: str, x: Tensor, widths: Any) -> list[tuple[int, int]]:
    """(before, behind) of every axis, from NumPy's shorthands."""
    if is_integer(widths):
        pairs: list[Any] = [(widths, widths)] * x.ndim
    else:
        pairs = list(widths) if hasattr(widths, "__len__") else [widths]
        if len(pairs) == 2 and all(is_integer(w) for w in pairs):
            pairs = [tuple(pairs)] * x.ndim
    if len(pairs) != x.ndim or not all(_is_pair(pair) for pair in pairs):
        raise _C.ShapeError(
            f"{op}: widths must be a number, (before, behind), or such a pair for each of the {x.ndim} axes of "
            f"{list(x.shape)}, found {widths}"
        )
    if any(w < 0 for p in pairs for w in p):
        raise _C.ArgumentError(f"{op}: widths must not be negative, found {widths}")
    return [(int(a), int(b)) for a, b in pairs]


def _is_pair(value: Any) -> bool:
    return hasattr(value, "__len__") and len(value) == 2 and all(is_integer(number) for number in value)


def pad(x: Tensor, widths: Widths, mode: str = "constant", value: float = 0) -> Tensor:
    """``x`` with a border.

    Parameters
    ----------
    x
        Any tensor.
    widths
        One number for all borders, (before, behind) for all axes, or such a pair for each axis.
    mode
        ``"constant"`` (``value``), ``"edge"`` (the outermost elements again) or ``"reflect"`` (mirrored at them,
        without repeating them).
    value
        What a constant border holds: a number, which takes the dtype of ``x``, or a tensor of one element and that
        dtype, which gets no gradient.

    Returns
    -------
    Tensor
        Of the dtype of ``x``, each axis longer by its two widths. The gradients of repeated and mirrored elements go to
        where they came from.

    Raises
    ------
    ShapeError
        If the widths do not fit the axes, or an axis is too short to reflect, or empty and without an edge.
    ArgumentError
        If a width is negative, the mode unknown, or ``value`` does not fit in the dtype.
    DTypeError
        If ``value`` is neither, or floating where ``x`` is not.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.pad(tg.tensor([1, 2, 3]), (1, 2))
    tensor([0, 1, 2, 3, 0, 0])
    >>> tg.pad(tg.tensor([1, 2, 3]), 2, mode="reflect")
    tensor([3, 2, 1, 2, 3, 2, 1])
    """
    require_tensors("pad", x=x)
    pairs = _widths("pad", x, widths)
    if mode == "constant":
        out = _C.full([a + size + b for (a, b), size in zip(pairs, x.shape, strict=True)], 0, x.dtype, x.device, "pad")
        if value != 0:
            _C.assign("pad", out, value)
        key = tuple(slice(a, a + size) for (a, _), size in zip(pairs, x.shape, strict=True))
        _C.assign("pad", _C.basic_view("pad", out, key), x)
        return record(out, _pad_gradient, (x,), key)
    if mode not in ("edge", "reflect"):
        raise _C.ArgumentError(f"pad: mode must be 'constant', 'edge' or 'reflect', found {mode!r}")
    from .from_data import tensor
    from .indexing import take

    for axis, ((before, behind), size) in enumerate(zip(pairs, x.shape, strict=True)):
        if before == behind == 0:
            continue
        if size == 0 or (mode == "reflect" and max(before, behind) >= size):
            raise _C.ShapeError(f"pad: axis {axis} of size {size} is too short for {mode} borders {(before, behind)}")
        places = range(-before, size + behind)
        if mode == "edge":
            indices = [min(max(i, 0), size - 1) for i in places]
        else:
            indices = [size - 1 - abs(size - 1 - abs(i)) for i in places]
        x = take(x, tensor(indices, dtype="int64", device=x.device), axis)
    return x


def _pad_gradient(needs: Needs, grad: Tensor, key: tuple[slice, ...]) -> Gradients:
    return (_C.basic_view("pad", grad, key),)


def crop(x: Tensor, widths: Widths) -> Tensor:
    """A view of ``x`` without a border: what undoes :func:`pad`.

    Parameters
    ----------
    x
        Any tensor.
    widths
        How much to take away, written as for :func:`pad`.

    Returns
    -------
    Tensor
        A view, each axis shorter by its two widths.

    Raises
    ------
    ShapeError
        If the widths do not fit the axes or leave less than nothing.
    ArgumentError
        If a width is negative.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.crop(tg.tensor([1, 2, 3, 4]), (1, 0))
    tensor([2, 3, 4])
    """
    require_tensors("crop", x=x)
    pairs = _widths("crop", x, widths)
    for axis, ((before, behind), size) in enumerate(zip(pairs, x.shape, strict=True)):
        if before + behind > size:
            raise _C.ShapeError(f"crop: borders {(before, behind)} are wider than axis {axis} of size {size}")
    return getitem(x, tuple(slice(a, size - b) for (a, b), size in zip(pairs, x.shape, strict=True)))


def _axes(op: str, x: Tensor, axis: int | Sequence[int] | None) -> list[int]:
    if axis is None:
        return list(range(x.ndim))
    return [_C.normalize_axis(op, a, x.ndim) for a in integers(op, "axis", axis)]


def flip(x: Tensor, axis: int | Sequence[int] | None = None) -> Tensor:
    """The elements in reverse order along some axes.

    Parameters
    ----------
    x
        Any tensor.
    axis
        One axis, several, or None for all; negative ones count from the end.

    Returns
    -------
    Tensor
        A view of the shape of ``x``, whose strides along these axes are negative.

    Raises
    ------
    OutOfRangeError
        If an axis does not exist.
    ShapeError
        If an axis is no integer.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.flip(tg.tensor([1, 2, 3]))
    tensor([3, 2, 1])
    """
    require_tensors("flip", x=x)
    reversed_axes = _axes("flip", x, axis)
    return getitem(x, tuple(slice(None, None, -1) if d in reversed_axes else slice(None) for d in range(x.ndim)))


def roll(x: Tensor, shift: int, axis: int = 0) -> Tensor:
    """The elements moved along an axis by ``shift`` places; what leaves at the end enters at the start.

    Parameters
    ----------
    x
        Any tensor of at least one axis.
    shift
        How far towards the end; negative for towards the start, and more than the size of the axis for several rounds.
    axis
        One axis; negative ones count from the end.

    Returns
    -------
    Tensor
        A copy of the shape and dtype of ``x``.

    Raises
    ------
    OutOfRangeError
        If the axis does not exist.
    ArgumentError
        If ``shift`` is no integer.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.roll(tg.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    require_tensors("roll", x=x)
    axis = _C.normalize_axis("roll", axis, x.ndim)
    if not is_integer(shift):
        raise _C.ArgumentError(f"roll: shift must be an integer, found {shift!r}")
    shift = operator.index(shift)
    size = x.shape[axis]
    if size == 0 or shift % size == 0:
        return concat([x], axis)
    before = (slice(None),) * axis
    cut = size - shift % size
    return concat([getitem(x, (*before, slice(cut, None))), getitem(x, (*before, slice(None, cut)))], axis)
