"""The tensor: its methods are the functions of :mod:`tilegrad.ops`, its operators are in :mod:`tilegrad.operators`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _C, ops
from . import random as _random
from .operators import Operators
from .ops.creation import check_device

if TYPE_CHECKING:
    from collections.abc import Sequence

    DTypeLike = Any
    Axis = int | Sequence[int] | None

__all__ = ["Tensor"]


class Tensor(Operators):
    """A strided array of numbers with, if wanted, a gradient.

    Made by :func:`tilegrad.tensor` and its relatives, and by every op. Shapes broadcast as in NumPy; dtypes never mix
    silently; a Python number takes the tensor's dtype.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    tensor([2., 4., 6.])
    """

    __slots__ = ()

    def __repr__(self) -> str:
        if self.dtype == _C.bfloat16:
            values, suffix = self.detach().astype("float32").numpy(), ", dtype=bfloat16"
        else:
            values = self.numpy()
            plain = self.dtype in (_C.float32, _C.int64) or self.dtype == "bool"
            suffix = "" if plain else f", dtype={self.dtype.name}"
        if self.requires_grad:
            suffix += ", requires_grad=True"
        text = np.array2string(values, separator=", ", prefix="tensor(")
        return f"tensor({text}{suffix})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array: np.ndarray[Any, Any] = self.numpy()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"a {self.dtype.name} tensor cannot become {dtype} without a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __bool__(self) -> bool:
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.is_floating or self.ndim != 0:
            raise TypeError(f"only a 0-d integer tensor is an index, found {self.dtype.name} {list(self.shape)}")
        return int(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __copy__(self) -> Tensor:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise _C.AutogradError("copy: the tensor is the result of a recorded op; copy its detach(), or clone() it")
        made = type(self)(_C.copy(self), self.requires_grad)
        memo[id(self)] = made
        return made

    def tolist(self) -> Any:
        """The elements as nested Python lists, or one Python number."""
        return (self.detach().astype("float32") if self.dtype == _C.bfloat16 else self).numpy().tolist()

    # Dtype, device and gradient.

    def astype(self, dtype: DTypeLike) -> Tensor:
        """See :func:`tilegrad.astype`."""
        return ops.astype(self, dtype)

    def to(self, device_or_dtype: DTypeLike) -> Tensor:
        """The tensor on a device (``"cpu"``) or, as :meth:`astype`, in a dtype; itself where it is so already."""
        if isinstance(device_or_dtype, str) and device_or_dtype.split(":")[0] in ("cpu", "cuda"):
            check_device(device_or_dtype)
            return self
        return ops.astype(self, device_or_dtype)

    def cpu(self) -> Tensor:
        """The tensor in CPU memory; itself where it is there already."""
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Sets ``requires_grad``; returns the tensor."""
        self.requires_grad = requires_grad
        return self

    # Shapes.

    def reshape(self, *shape: Any) -> Tensor:
        """See :func:`tilegrad.reshape`; sizes may be given one by one or as a sequence."""
        return ops.reshape(self, _sizes(shape))

    def flatten(self, start_axis: int = 0) -> Tensor:
        """One axis in place of all from ``start_axis`` on; a view where the strides allow it."""
        start = _C.normalize_axis("flatten", start_axis, self.ndim) if self.ndim else 0
        return ops.reshape(self, (*self.shape[:start], math.prod(self.shape[start:])))

    def permute(self, *axes: Any) -> Tensor:
        """See :func:`tilegrad.permute`; axes may be given one by one or as a sequence."""
        return ops.permute(self, _sizes(axes))

    def transpose(self, *axes: Any) -> Tensor:
        """All axes in reverse order, or as :meth:`permute` where axes are given."""
        return ops.permute(self, _sizes(axes)) if axes else ops.transpose(self)

    @property
    def T(self) -> Tensor:  # noqa: N802 - NumPy's name
        """A view with all axes in reverse order."""
        return ops.transpose(self)

    def swapaxes(self, a: int, b: int) -> Tensor:
        """See :func:`tilegrad.swapaxes`."""
        return ops.swapaxes(self, a, b)

    def expand_dims(self, axis: int) -> Tensor:
        """See :func:`tilegrad.expand_dims`."""
        return ops.expand_dims(self, axis)

    def squeeze(self, axis: int | None = None) -> Tensor:
        """See :func:`tilegrad.squeeze`."""
        return ops.squeeze(self, axis)

    def broadcast_to(self, *shape: Any) -> Tensor:
        """See :func:`tilegrad.broadcast_to`; sizes may be given one by one or as a sequence."""
        return ops.broadcast_to(self, _sizes(shape))

    def contiguous(self) -> Tensor:
        """See :func:`tilegrad.contiguous`."""
        return ops.contiguous(self)

    def clone(self) -> Tensor:
        """A copy with memory of its own."""
        return ops.copy(self)

    def copy(self) -> Tensor:
        """A copy with memory of its own."""
        return ops.copy(self)

    # Elements along an axis.

    def take(self, indices: Tensor, axis: int | None = None) -> Tensor:
        """See :func:`tilegrad.take`."""
        return ops.take(self, indices, axis)

    def sort(self, axis: int = -1, descending: bool = False) -> Tensor:
        """See :func:`tilegrad.sort`."""
        return ops.sort(self, axis, descending)

    def argsort(self, axis: int = -1, descending: bool = False) -> Tensor:
        """See :func:`tilegrad.argsort`."""
        return ops.argsort(self, axis, descending)

    def topk(self, k: int, axis: int = -1, largest: bool = True) -> tuple[Tensor, Tensor]:
        """See :func:`tilegrad.topk`."""
        return ops.topk(self, k, axis, largest)

    def nonzero(self) -> tuple[Tensor, ...]:
        """See :func:`tilegrad.nonzero`."""
        return ops.nonzero(self)

    def split(self, sizes: int | Sequence[int], axis: int = 0) -> tuple[Tensor, ...]:
        """See :func:`tilegrad.split`."""
        return ops.split(self, sizes, axis)

    def flip(self, axis: Axis = None) -> Tensor:
        """See :func:`tilegrad.flip`."""
        return ops.flip(self, axis)

    # Functions of each element.

    def abs(self) -> Tensor:
        """See :func:`tilegrad.absolute`."""
        return ops.absolute(self)

    def exp(self) -> Tensor:
        """See :func:`tilegrad.exp`."""
        return ops.exp(self)

    def expm1(self) -> Tensor:
        """See :func:`tilegrad.expm1`."""
        return ops.expm1(self)

    def log(self) -> Tensor:
        """See :func:`tilegrad.log`."""
        return ops.log(self)

    def log1p(self) -> Tensor:
        """See :func:`tilegrad.log1p`."""
        return ops.log1p(self)

    def sqrt(self) -> Tensor:
        """See :func:`tilegrad.sqrt`."""
        return ops.sqrt(self)

    def rsqrt(self) -> Tensor:
        """See :func:`tilegrad.rsqrt`."""
        return ops.rsqrt(self)

    def square(self) -> Tensor:
        """See :func:`tilegrad.square`."""
        return ops.square(self)

    def reciprocal(self) -> Tensor:
        """See :func:`tilegrad.reciprocal`."""
        return ops.reciprocal(self)

    def sin(self) -> Tensor:
        """See :func:`tilegrad.sin`."""
        return ops.sin(self)

    def cos(self) -> Tensor:
        """See :func:`tilegrad.cos`."""
        return ops.cos(self)

    def tanh(self) -> Tensor:
        """See :func:`tilegrad.tanh`."""
        return ops.tanh(self)

    def erf(self) -> Tensor:
        """See :func:`tilegrad.erf`."""
        return ops.erf(self)

    def sigmoid(self) -> Tensor:
        """See :func:`tilegrad.sigmoid`."""
        return ops.sigmoid(self)

    def relu(self) -> Tensor:
        """See :func:`tilegrad.relu`."""
        return ops.relu(self)

    def gelu(self) -> Tensor:
        """See :func:`tilegrad.gelu`."""
        return ops.gelu(self)

    def silu(self) -> Tensor:
        """See :func:`tilegrad.silu`."""
        return ops.silu(self)

    def softplus(self) -> Tensor:
        """See :func:`tilegrad.softplus`."""
        return ops.softplus(self)

    def sign(self) -> Tensor:
        """See :func:`tilegrad.sign`."""
        return ops.sign(self)

    def floor(self) -> Tensor:
        """See :func:`tilegrad.floor`."""
        return ops.floor(self)

    def ceil(self) -> Tensor:
        """See :func:`tilegrad.ceil`."""
        return ops.ceil(self)

    def round(self) -> Tensor:
        """See :func:`tilegrad.round`."""
        return ops.round(self)

    def isnan(self) -> Tensor:
        """See :func:`tilegrad.isnan`."""
        return ops.isnan(self)

    def isfinite(self) -> Tensor:
        """See :func:`tilegrad.isfinite`."""
        return ops.isfinite(self)

    def pow(self, exponent: Tensor | float) -> Tensor:
        """See :func:`tilegrad.power`."""
        return ops.power(self, exponent)

    def clip(self, low: Tensor | float | None = None, high: Tensor | float | None = None) -> Tensor:
        """See :func:`tilegrad.clip`."""
        return ops.clip(self, low, high)

    # Reductions.

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.sum`."""
        return ops.sum(self, axis, keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.mean`."""
        return ops.mean(self, axis, keepdims)

    def prod(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.prod`."""
        return ops.prod(self, axis, keepdims)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.max`."""
        return ops.max(self, axis, keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.min`."""
        return ops.min(self, axis, keepdims)

    def any(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.any`."""
        return ops.any(self, axis, keepdims)

    def all(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.all`."""
        return ops.all(self, axis, keepdims)

    def argmax(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.argmax`."""
        return ops.argmax(self, axis, keepdims)

    def argmin(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.argmin`."""
        return ops.argmin(self, axis, keepdims)

    def var(self, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.var`."""
        return ops.var(self, axis, correction, keepdims)

    def std(self, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.std`."""
        return ops.std(self, axis, correction, keepdims)

    def norm(self, axis: Axis = None, ord: float = 2, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.norm`."""
        return ops.norm(self, axis, ord, keepdims)

    def cumsum(self, axis: int = -1) -> Tensor:
        """See :func:`tilegrad.cumsum`."""
        return ops.cumsum(self, axis)

    def softmax(self, axis: int = -1) -> Tensor:
        """See :func:`tilegrad.softmax`."""
        return ops.softmax(self, axis)

    def log_softmax(self, axis: int = -1) -> Tensor:
        """See :func:`tilegrad.log_softmax`."""
        return ops.log_softmax(self, axis)

    def logsumexp(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.logsumexp`."""
        return ops.logsumexp(self, axis, keepdims)

    # Products.

    def matmul(self, other: Tensor) -> Tensor:
        """See :func:`tilegrad.matmul`."""
        return ops.matmul(self, other)

    def dot(self, other: Tensor) -> Tensor:
        """See :func:`tilegrad.matmul`."""
        return ops.matmul(self, other)

    # Random numbers.

    def uniform_(self, low: float = 0.0, high: float = 1.0, generator: _random.Generator | None = None) -> Tensor:
        """Fills the tensor with uniform numbers in [low, high); see :func:`tilegrad.uniform`."""
        return _random.uniform_(self, low, high, generator)

    def normal_(self, mean: float = 0.0, std: float = 1.0, generator: _random.Generator | None = None) -> Tensor:
        """Fills the tensor with normal numbers; see :func:`tilegrad.normal`."""
        return _random.normal_(self, mean, std, generator)


def _sizes(values: tuple[Any, ...]) -> Sequence[int]:
    return values[0] if len(values) == 1 and isinstance(values[0], (tuple, list)) else values


_C.set_tensor_class(Tensor)
