"""New tensors of what exists already: lists, numbers, NumPy arrays, other libraries' arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _C

if TYPE_CHECKING:
    from ..tensor import Tensor

    DTypeLike = Any

__all__ = ["from_dlpack", "from_numpy", "tensor"]


def tensor(data: Any, dtype: DTypeLike = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of ``data``.

    Parameters
    ----------
    data
        A number, (nested) lists of numbers, a NumPy array, a tensor, or anything ``numpy.asarray`` understands.
    dtype
        The element type; by default that of the data, where Python floats are float32 and Python integers int64, and
        NumPy's smaller integers widen to int32, uint32 to int64.
        Arrays and tensors are cast as by :func:`astype`; Python integers must fit.
    device
        ``"cpu"``, ``"cuda"`` or ``"cuda:1"`` and so on; by default that of a tensor, and the CPU for anything else.
    requires_grad
        Whether a gradient is to be collected in ``.grad``; for floating tensors alone.

    Returns
    -------
    Tensor
        A contiguous copy of the shape of the data, in no graph: no gradient flows back to a tensor that it copies.

    Raises
    ------
    DTypeError
        If the data has no tilegrad dtype (strings, objects, complex numbers), or ``requires_grad`` is set for a dtype
        that is not floating.
    ShapeError
        If nested lists do not have one shape.
    ArgumentError
        If a Python integer, or one of a uint64 array, does not fit in the dtype.
    DeviceError
        If there is no such device.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.tensor([[1, 2], [3, 4]], dtype="float32")
    tensor([[1., 2.],
            [3., 4.]])
    """
    if isinstance(data, _C.TensorBase):
        out = _C.copy(data) if device is None else _on(device, _C.copy(data))
        if dtype is not None:
            out = out.astype(dtype).detach()
        return type(out)(out, requires_grad)
    wanted = None if dtype is None else _C.dtype(dtype)
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise _C.ShapeError(f"tensor: the nested lists do not have one shape ({error})") from None
    if not hasattr(data, "dtype"):
        if array.dtype == np.float64 and (wanted is None or wanted == _C.float32):
            array = array.astype(np.float32)
        if wanted is not None:
            _check_range(array, wanted)
    if array.dtype == np.uint64:
        if wanted is not None and wanted.is_floating:
            array = array.astype(np.float64)
        else:
            _check_range(array, _C.int64)
    if array.dtype.kind not in "fiub":
        raise _C.DTypeError(f"tensor: data of NumPy dtype {array.dtype} has no tilegrad dtype; numbers and booleans do")
    out = _C.copy(_C.from_numpy(_writeable(array)))
    if wanted is not None and out.dtype != wanted:
        out = out.astype(wanted).detach()
    out = _on(device, out)
    return type(out)(out, requires_grad)


def _check_range(array: np.ndarray[Any, Any], dtype: _C.DType) -> None:
    """Raise where an integer does not fit in an integer dtype."""
    if array.dtype.kind not in "iu" or array.size == 0 or dtype.is_floating or dtype == _C.bool:
        return
    range_of = np.iinfo(dtype.name)
    for value in (int(array.min()), int(array.max())):
        if not range_of.min <= value <= range_of.max:
            raise _C.ArgumentError(f"tensor: the number {value} does not fit in {dtype.name}")


def _on(device: str | None, x: Tensor) -> Tensor:
    return x if device is None else _C.to_device(x, device)


def _writeable(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array, or a native, aligned and writeable copy of it in a dtype that tensors have."""
    kinds: dict[str, dict[int, Any]] = {
        "i": {4: np.int32, 8: np.int64},
        "u": {1: np.uint8},
        "f": {2: np.float16, 4: np.float32, 8: np.float64},
    }
    if array.dtype.kind == "b":
        native: Any = np.bool_
    else:
        native = kinds[array.dtype.kind].get(array.dtype.itemsize)
        if native is None:  # smaller integers fit in int32, larger unsigned ones in int64
            if array.dtype.kind == "f":
                raise _C.DTypeError(f"tensor: NumPy dtype {array.dtype} has no tilegrad dtype")
            native = np.int32 if array.dtype.itemsize < 4 else np.int64
    strides_fit = all(stride % array.itemsize == 0 for stride in array.strides)
    if array.dtype != native or not array.flags.writeable or not array.flags.aligned or not strides_fit:
        return array.astype(native)
    return array


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor that shares the array's memory: a change on one side shows on the other.

    Parameters
    ----------
    array
        float16, float32, float64, int64, int32, uint8 or bool of any shape and strides, writeable and in native byte
        order.

    Returns
    -------
    Tensor
        On the CPU, of the array's shape, strides and dtype; it keeps the array's memory alive.

    Raises
    ------
    ArgumentError
        If the array is read-only, not aligned, or its strides are not whole elements.
    DTypeError
        If it is no array, or its dtype has no tilegrad dtype.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> a = np.zeros(2, dtype=np.float32)
    >>> t = tg.from_numpy(a)
    >>> a[0] = 5
    >>> t
    tensor([5., 0.])
    """
    return _C.from_numpy(array)


def from_dlpack(source: Any) -> Tensor:
    """A tensor that shares the memory of any object with ``__dlpack__`` (PyTorch, JAX, NumPy, ...).

    Parameters
    ----------
    source
        Anything on the CPU or a CUDA device, of a dtype that tilegrad has.

    Returns
    -------
    Tensor
        Where the source is, of its shape, strides and dtype; it keeps the source's memory alive. No gradient flows
        through.

    Raises
    ------
    DTypeError
        If ``source`` has no ``__dlpack__``, or its dtype has no tilegrad dtype.
    ArgumentError
        If the memory is said to be read-only.
    DeviceError
        If the memory is neither the CPU's nor that of a CUDA device that this build reaches.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> tg.from_dlpack(np.ones(2, dtype=np.float32))
    tensor([1., 1.])
    """
    return _C.from_dlpack(source)
