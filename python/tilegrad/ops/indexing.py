"""Reading and adding at places that index tensors choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .. import _C
from ..autograd import record
from .arguments import is_integer, require_tensors
from .from_data import tensor
from .subscript import _unstack, getitem

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["embedding", "masked_select", "nonzero", "one_hot", "scatter_add", "take", "take_along_axis"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


def _as_indices(op: str, indices: Any, argument: str = "indices") -> Tensor:
    """The indices as a tensor: arrays and lists of integers become one."""
    if isinstance(indices, _C.TensorBase):
        return cast("Tensor", indices)
    if not isinstance(indices, (int, list, tuple, np.ndarray, np.integer)):
        raise _C.DTypeError(f"{op}: {argument} must be an integer tensor, found {type(indices).__name__}")
    array = np.asarray(indices)
    if array.dtype.kind not in "biuf":  # of strings, of None
        raise _C.DTypeError(f"{op}: {argument} must be an integer tensor, found {indices!r:.60}")
    return tensor(array.astype(np.int64) if array.size == 0 else array)


def take(x: Tensor, indices: Tensor, axis: int | None = None) -> Tensor:
    """Slices of ``x`` along an axis: ``x[:, indices]`` for axis 1.

    Parameters
    ----------
    x
        Tensor of any dtype.
    indices
        int64, int32 or uint8 tensor of any shape; negative ones count from the end.
    axis
        The axis that is indexed; by default ``x`` is flattened first.

    Returns
    -------
    Tensor
        The shape of ``x`` with the axis replaced by the shape of ``indices``.

    Raises
    ------
    OutOfRangeError
        If an index is out of range; an IndexError that tells its position and value.
    DTypeError
        If the indices are not integers.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.take(tg.tensor([[1, 2, 3], [4, 5, 6]]), tg.tensor([2, 0]), axis=1)
    tensor([[3, 1],
            [6, 4]])
    """
    require_tensors("take", x=x)
    if axis is None:
        from .views import reshape

        return take(reshape(x, (-1,)), indices, 0)
    axis = _C.normalize_axis("take", axis, x.ndim)
    indices = _as_indices("take", indices)
    where = [indices if d == axis else None for d in range(x.ndim)]
    return record(_C.gather("take", x, where, False), _take_gradient, (x,), x.shape, axis, indices)


def _take_gradient(needs: Needs, grad: Tensor, shape: tuple[int, ...], axis: int, indices: Tensor) -> Gradients:
    out = _C.full(shape, 0, grad.dtype, grad.device)
    _C.scatter_add("take", out, [indices if d == axis else None for d in range(len(shape))], False, grad)
    return (out,)


def take_along_axis(x: Tensor, indices: Tensor, axis: int) -> Tensor:
    """One element per index: ``y[i, j] = x[i, indices[i, j]]`` for axis 1; what ``argsort`` and ``argmax`` return fits.

    Parameters
    ----------
    x
        Tensor of any dtype.
    indices
        int64, int32 or uint8 tensor with as many axes as ``x``; axes other than ``axis`` broadcast with those of ``x``.
        Negative ones count from the end.
    axis
        The axis that is indexed; negative ones count from the end.

    Returns
    -------
    Tensor
        A copy of the shape of ``indices``, as broadcast, and the dtype of ``x``. The gradients of elements taken more
        than once are added.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    OutOfRangeError
        If an index is out of range or the axis does not exist.
    DTypeError
        If the indices are not integers.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.take_along_axis(tg.tensor([[1, 2, 3], [4, 5, 6]]), tg.tensor([[2], [0]]), axis=1)
    tensor([[3],
            [4]])
    """
    require_tensors("take_along_axis", x=x)
    axis = _C.normalize_axis("take_along_axis", axis, x.ndim)
    indices = _as_indices("take_along_axis", indices)
    if indices.ndim == x.ndim:
        x, indices = _broadcast_but(x, indices, axis)
    out = _C.take_along_axis("take_along_axis", x, indices, axis)
    return record(out, _take_along_axis_gradient, (x,), x.shape, axis, indices)


def _broadcast_but(x: Tensor, indices: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Both, stretched to one shape along every axis but one."""
    from .views import broadcast_to

    shape = [max(a, b) if 1 in (a, b) and 0 not in (a, b) else a for a, b in zip(x.shape, indices.shape, strict=True)]
    for tensor_shape in (x.shape, indices.shape):
        if any(size not in (1, shape[d]) for d, size in enumerate(tensor_shape) if d != axis):
            return x, indices  # the native op says what is wrong
    sizes = [[*shape[:axis], t.shape[axis], *shape[axis + 1 :]] for t in (x, indices)]
    x = x if list(x.shape) == sizes[0] else broadcast_to(x, sizes[0])
    return x, indices if list(indices.shape) == sizes[1] else _C.broadcast_to(indices, tuple(sizes[1]))


def _take_along_axis_gradient(
    needs: Needs, grad: Tensor, shape: tuple[int, ...], axis: int, indices: Tensor
) -> Gradients:
    out = _C.full(shape, 0, grad.dtype, grad.device)
    _C.scatter_add_along_axis("take_along_axis", out, indices, axis, grad)
    return (out,)


def scatter_add(x: Tensor, indices: Tensor, values: Tensor, axis: int = 0) -> Tensor:
    """A copy of ``x`` with slices added to it: ``y[indices[i]] += values[i]`` for every ``i``, in ascending order.

    Indices may come more than once. The order of the additions is fixed, so the result has the same bits for any number
    of threads.

    Parameters
    ----------
    x
        Tensor of any dtype but bool, float16 and bfloat16.
    indices
        int64, int32 or uint8 tensor; negative ones count from the end.
    values
        Tensor of ``x``'s dtype whose shape broadcasts to that of ``take(x, indices, axis)``.
    axis
        The axis of ``x`` that is indexed; negative ones count from the end.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``; integers wrap around. Gradients flow to ``x`` and ``values``.

    Raises
    ------
    OutOfRangeError
        If an index is out of range or the axis does not exist.
    ShapeError, DTypeError
        If the values do not fit, or the indices are not integers.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.scatter_add(tg.zeros(3), tg.tensor([0, 2, 0]), tg.tensor([1.0, 2.0, 3.0]))
    tensor([4., 0., 2.])
    """
    require_tensors("scatter_add", x=x, values=values)
    axis = _C.normalize_axis("scatter_add", axis, x.ndim)
    indices = _as_indices("scatter_add", indices)
    out = _C.copy(x)
    _C.scatter_add("scatter_add", out, [indices if d == axis else None for d in range(x.ndim)], False, values)
    return record(out, _scatter_add_gradient, (x, values), axis, indices, values.shape)


def _scatter_add_gradient(needs: Needs, grad: Tensor, axis: int, indices: Tensor, values: tuple[int, ...]) -> Gradients:
    from .broadcasting import sum_to

    grad_values = None
    if needs[1]:
        where = [indices if d == axis else None for d in range(grad.ndim)]
        grad_values = sum_to(_C.gather("scatter_add", grad, where, False), values)
    return grad if needs[0] else None, grad_values


def embedding(weight: Tensor, indices: Tensor, padding_idx: int | None = None) -> Tensor:
    """Rows of a table: ``y[..., :] = weight[indices[...], :]``.

    Parameters
    ----------
    weight
        ``[W, F]``, a row of F features for each of W words.
    indices
        int64, int32 or uint8 tensor of any shape, from 0 to W - 1.
    padding_idx
        A word that stands for nothing, from -W to W - 1: no gradient reaches its row. Its values are read as they are.

    Returns
    -------
    Tensor
        The shape of ``indices`` with F behind it.

    Raises
    ------
    OutOfRangeError
        If an index is negative or not below W, or ``padding_idx`` is out of range.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.embedding(tg.tensor([[1.0, 2.0], [3.0, 4.0]]), tg.tensor([1, 1, 0]))
    tensor([[3., 4.],
            [3., 4.],
            [1., 2.]])
    """
    indices = _as_indices("embedding", indices)
    out = _C.embedding(weight, indices)
    if padding_idx is not None:
        if not is_integer(padding_idx):
            raise _C.DTypeError(f"embedding: padding_idx must be an integer or None, found {padding_idx!r:.60}")
        words = weight.shape[0]
        if not -words <= padding_idx < words:
            raise _C.OutOfRangeError(
                f"embedding: padding_idx must be from {-words} to {words - 1}, as weight has {words} rows, "
                f"found {padding_idx}"
            )
        padding_idx %= words
    return record(out, _embedding_gradient, (weight,), weight.shape, indices, padding_idx)


def _embedding_gradient(
    needs: Needs, grad: Tensor, shape: tuple[int, ...], indices: Tensor, padding_idx: int | None
) -> Gradients:
    (out,) = _take_gradient(needs, grad, shape, 0, indices)
    if out is not None and padding_idx is not None:
        _C.fill_(_C.slice(out, 0, padding_idx, 1, 1), 0)
    return (out,)


def one_hot(indices: Tensor, num_classes: int, dtype: Any = "float32") -> Tensor:
    """Rows of zeros with a 1 at each index: ``y[..., k] = (indices[...] == k)``.

    Parameters
    ----------
    indices
        int64, int32 or uint8 tensor of any shape, from 0 to ``num_classes - 1``.
    num_classes
        The size of the new last axis; not negative.
    dtype
        Of the result; any.

    Returns
    -------
    Tensor
        [..., num_classes] on the device of ``indices``, without a gradient.

    Raises
    ------
    OutOfRangeError
        If an index is negative or not below ``num_classes``.
    DTypeError
        If the indices are not integers, or there is no such dtype.
    ArgumentError
        If ``num_classes`` is negative.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.one_hot(tg.tensor([2, 0]), 3)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    return _C.one_hot(_as_indices("one_hot", indices), num_classes, dtype)


def nonzero(x: Tensor) -> tuple[Tensor, ...]:
    """The coordinates of all elements that are not zero, in row-major order.

    Parameters
    ----------
    x
        float32, float64, integer or bool, of at least one axis. NaN is not zero.

    Returns
    -------
    tuple of Tensor
        An int64 vector [n] for each axis, where n elements are not zero; without a gradient. ``x[nonzero(x)]`` are the
        elements.

    Raises
    ------
    ShapeError
        If ``x`` has no axes.
    DTypeError
        If ``x`` is float16 or bfloat16.

    Examples
    --------
    >>> import tilegrad as tg
    >>> rows, columns = tg.nonzero(tg.tensor([[0, 5], [7, 0]]))
    >>> rows, columns
    (tensor([0, 1]), tensor([1, 0]))
    """
    return tuple(_unstack(_C.nonzero(x)))


def masked_select(x: Tensor, mask: Tensor) -> Tensor:
    """The elements of ``x`` where ``mask`` is true, in row-major order.

    Parameters
    ----------
    x
        Any tensor.
    mask
        Bools that broadcast with ``x``.

    Returns
    -------
    Tensor
        A copy [n], where n bools of the broadcast shape are true. The gradient goes back to the elements that were
        chosen.

    Raises
    ------
    DTypeError
        If the mask is no bool tensor.
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.masked_select(tg.tensor([1.0, 2.0, 3.0]), tg.tensor([True, False, True]))
    tensor([1., 3.])
    """
    from .views import broadcast_to

    require_tensors("masked_select", x=x, mask=mask)
    if mask.dtype != "bool":
        raise _C.DTypeError(f"masked_select: mask must be bool, found {mask.dtype.name} {list(mask.shape)}")
    if x.shape != mask.shape:
        shape = _C.broadcast_shapes("masked_select", x.shape, mask.shape)
        x, mask = broadcast_to(x, shape), _C.broadcast_to(mask, shape)
    if x.ndim == 0:
        x, mask = x.reshape((1,)), _C.reshape(mask, (1,))
    return getitem(x, mask)
