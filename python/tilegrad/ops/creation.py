"""New tensors from data, numbers and shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _C
from ..autograd import record
from .arguments import require_tensor, sizes_of

if TYPE_CHECKING:
    from ..tensor import Tensor

    DTypeLike = Any
    Shape = int | Sequence[int]

__all__ = [
    "arange", "empty", "empty_like", "eye", "from_dlpack", "from_numpy", "full", "full_like", "linspace", "ones",
    "ones_like", "tensor", "tril", "triu", "zeros", "zeros_like",
]  # fmt: skip


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
    wanted = None if dtype is None else parse_dtype(dtype)
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


def parse_dtype(dtype: DTypeLike) -> _C.DType:
    """The tilegrad dtype for a tilegrad dtype, a name or a NumPy dtype."""
    return _C.dtype(dtype)


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
    return _C.empty(sizes_of("empty", shape, dtype), dtype, device)


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
    out = _C.full(sizes_of(op, shape, dtype), value, dtype, device)
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
    require_tensor("empty_like", x)
    return _C.empty(x.shape, x.dtype if dtype is None else dtype, x.device)


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
    require_tensor("full_like", x)
    return _C.full(x.shape, value, x.dtype if dtype is None else dtype, x.device)


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
    require_tensor("zeros_like", x)
    return full_like(x, 0, dtype)


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
    require_tensor("ones_like", x)
    return full_like(x, 1, dtype)


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
    require_tensor("tril", x)
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
    require_tensor("triu", x)
    return record(_C.band("triu", x, k, _FAR), _band_gradient, (x,), k, _FAR)


def _band_gradient(needs: tuple[bool, ...], grad: Tensor, least: int, most: int) -> tuple[Tensor | None, ...]:
    return (_C.band("tril", grad, least, most),)
