"""``x[key]`` and ``x[key] = value``, with NumPy's rules: the functions behind Tensor's brackets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from .. import _C
from ..autograd import grad_enabled, record, record_in_place
from .broadcasting import sum_to
from .from_data import tensor

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__: list[str] = []

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


class Selection(NamedTuple):
    """A key with arrays: first a view by integers, slices and None, then an index tensor for some axes of the view.

    ``in_front`` says that the axes of the index arrays come first in the result, because something else stands between
    them in the key.
    """

    view: tuple[Any, ...]
    indices: list[Tensor | None]
    in_front: bool


def getitem(x: Tensor, key: Any) -> Tensor:
    """The elements that ``key`` chooses: a view for integers, slices, None and Ellipsis, else a copy."""
    view = _C.basic_view("getitem", x, key)
    if view is not None:
        return cast("Tensor", record(view, _getitem_gradient, (x,), x.shape, key))
    chosen = _select("getitem", x, key)
    view = _C.basic_view("getitem", x, chosen.view)
    if all(index is None for index in chosen.indices):
        return cast("Tensor", record(view, _getitem_gradient, (x,), x.shape, chosen.view))
    out = _C.gather("getitem", view, chosen.indices, chosen.in_front)
    return record(out, _getitem_gradient, (x,), x.shape, chosen.view, chosen.in_front, *chosen.indices)


def _getitem_gradient(
    needs: Needs, grad: Tensor, shape: tuple[int, ...], view: Any, in_front: bool = False, *indices: Tensor | None
) -> Gradients:
    out = _C.full(shape, 0, grad.dtype, grad.device)
    place = _C.basic_view("getitem", out, view)
    if indices:
        _C.scatter_add("getitem", place, list(indices), in_front, grad)
    else:
        _C.assign("getitem", place, grad)
    return (out,)


def setitem(x: Tensor, key: Any, value: Any) -> None:
    """Writes ``value`` (a number, a tensor or what becomes one) into the elements that ``key`` chooses."""
    _C.check_in_place("setitem", x)
    if isinstance(value, (np.ndarray, list, tuple)):
        value = _from_data(value, x)
    if not isinstance(value, _C.TensorBase):
        value = _C.as_tensor_like("setitem", x, value)
    place = _C.basic_view("setitem", x, key)
    if place is not None:
        _C.assign("setitem", place, value)
        _record_setitem(x, value, key)
        return
    chosen = _select("setitem", x, key)
    place = _C.basic_view("setitem", x, chosen.view)
    if all(index is None for index in chosen.indices):
        _C.assign("setitem", place, value)
        _record_setitem(x, value, chosen.view)
    else:
        _C.scatter("setitem", place, chosen.indices, chosen.in_front, value)
        _record_setitem(x, value, chosen.view, chosen.in_front, *chosen.indices)


def _record_setitem(x: Tensor, value: Tensor, *saved: Any) -> None:
    if grad_enabled() and (x.requires_grad or value.requires_grad):
        record_in_place(x, _setitem_gradient, (x, value), value.shape, *saved)


def _setitem_gradient(
    needs: Needs,
    grad: Tensor,
    value_shape: tuple[int, ...],
    view: Any,
    in_front: bool = False,
    *indices: Tensor | None,
) -> Gradients:
    grad_x = grad_value = None
    if needs[0]:
        grad_x = _C.copy(grad)
        place = _C.basic_view("setitem", grad_x, view)
        if indices:
            _C.scatter("setitem", place, list(indices), in_front, _C.full((), 0, grad.dtype, grad.device))
        else:
            _C.assign("setitem", place, 0)
    if needs[1]:
        place = _C.basic_view("setitem", grad, view)
        if indices:
            place = _winners(_C.gather("setitem", place, list(indices), in_front), place, list(indices), in_front)
        grad_value = sum_to(place, value_shape)
    return grad_x, grad_value


def _winners(picked: Tensor, source: Tensor, indices: list[Tensor | None], in_front: bool) -> Tensor:
    """``picked`` with zeros for values that a later one overwrote, because an index came again."""
    numbers = _C.reshape(_C.arange(0, picked.size, 1, "int64", picked.device), picked.shape)
    last = _C.full(source.shape, 0, "int64", source.device)
    _C.scatter("setitem", last, indices, in_front, numbers)
    lost = _C.not_equal(_C.gather("setitem", last, indices, in_front), numbers)
    _C.give_up_recording("how the gradient of an assignment goes to repeated indices depends on values")
    if lost.any():
        picked = _C.copy(picked)
        where = list(_unstack(_C.nonzero(lost)))
        _C.scatter("setitem", picked, where, False, _C.full((), 0, picked.dtype, picked.device))
    return picked


def _unstack(rows: Tensor) -> list[Tensor]:
    return [_C.select(rows, 0, d) for d in range(rows.shape[0])]


def _from_data(value: Any, x: Tensor) -> Tensor:
    """Data on the right side of an assignment: arrays keep their dtype, Python numbers take the tensor's."""
    made = tensor(value)
    if not isinstance(value, np.ndarray) and made.dtype != x.dtype:
        if made.dtype.is_floating and not x.dtype.is_floating:
            raise _C.DTypeError(
                f"setitem: the value is floating and the tensor is {x.dtype.name}; these never mix silently: "
                "cast the tensor with .astype(tg.float32), or pass integers"
            )
        made = tensor(value, dtype=x.dtype)
    return made


def _select(op: str, x: Tensor, key: Any) -> Selection:
    items = [_item(op, item, x.device) for item in (key if isinstance(key, tuple) else (key,))]
    used = sum(_axes_used(item) for item in items)
    if used > x.ndim:
        raise _C.OutOfRangeError(
            f"{op}: {used} indices are too many for the {x.ndim} axes of {x.dtype.name} {list(x.shape)}"
        )
    if sum(item is Ellipsis for item in items) > 1:
        raise _C.OutOfRangeError(f"{op}: a key may hold one Ellipsis, found {sum(i is Ellipsis for i in items)}")
    has_arrays = any(isinstance(item, _C.TensorBase) for item in items)
    view: list[Any] = []
    indices: list[Tensor | None] = []
    axis = 0
    places = []  # in the key, of index arrays
    for position, item in enumerate(items):
        if item is Ellipsis:
            rest = x.ndim - used
            view += [slice(None)] * rest
            indices += [None] * rest
            axis += rest
        elif item is None:
            view.append(None)
            indices.append(None)
        elif isinstance(item, slice):
            view.append(item)
            indices.append(None)
            axis += 1
        elif isinstance(item, int) and not has_arrays:
            view.append(item)
            axis += 1
        else:
            places.append(position)
            if isinstance(item, int):
                found = [_C.full((), item, "int64", x.device)]
            elif item.dtype == "bool":
                found = _mask_indices(op, x, item, axis)
            else:
                found = [item]
            if not (isinstance(item, _C.TensorBase) and item.dtype == "bool" and item.ndim == 0):
                view += [slice(None)] * len(found)
                axis += len(found)
            else:
                view.append(None)
            indices += found
    in_front = bool(places) and places[-1] - places[0] + 1 != len(places)
    indices += [None] * (x.ndim - axis)
    return Selection(tuple(view), indices, in_front)


def _item(op: str, item: Any, device: str) -> Any:
    """An int, a slice, None, Ellipsis, or an index or mask tensor (of lists and arrays: on the device)."""
    if item is None or item is Ellipsis or isinstance(item, slice):
        return item
    if isinstance(item, (bool, np.bool_)):
        return _C.full((), bool(item), "bool", device)
    if isinstance(item, (int, np.integer)):
        return int(item)
    if isinstance(item, (list, tuple, np.ndarray)):
        array = np.asarray(item)
        item = tensor(
            array.astype(np.int64) if array.size == 0 and not isinstance(item, np.ndarray) else array, device=device
        )
    if not isinstance(item, _C.TensorBase):
        raise _C.DTypeError(
            f"{op}: a key holds integers, slices, None, Ellipsis and integer or bool arrays, found "
            f"{type(item).__name__}"
        )
    if item.dtype.is_floating:
        raise _C.DTypeError(
            f"{op}: index arrays must be int64, int32, uint8 or bool, found {item.dtype.name} {list(item.shape)}"
        )
    return int(item) if item.ndim == 0 and item.dtype != "bool" else item.detach()


def _axes_used(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    if isinstance(item, _C.TensorBase) and item.dtype == "bool":
        return int(item.ndim)
    return 1


def _mask_indices(op: str, x: Tensor, mask: Tensor, axis: int) -> list[Tensor]:
    """The coordinates of a mask's true elements, one index tensor for each of its axes."""
    if mask.ndim == 0:  # index 0 of an axis of size 1, or nothing
        return _unstack(_C.nonzero(_C.reshape(mask, (1,))))
    shape = x.shape[axis : axis + mask.ndim]
    if mask.shape != shape:
        raise _C.OutOfRangeError(
            f"{op}: a mask of shape {list(mask.shape)} does not fit the axes {list(shape)} that it indexes, "
            f"from axis {axis} of {x.dtype.name} {list(x.shape)}"
        )
    return _unstack(_C.nonzero(mask))
