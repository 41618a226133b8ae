"""What a tensor becomes (text, Python numbers, NumPy arrays, other dtypes, copies) and what it tells of itself."""

# self is always a Tensor: these classes have no other subclass.
# mypy: disable-error-code="arg-type,return-value"

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _C, ops
from .hooks import HookHandle, add_hook
from .operators import Operators
from .ops.transfer import names_device

if TYPE_CHECKING:
    from collections.abc import Callable

    from .tensor import Tensor

    DTypeLike = Any

__all__ = ["Conversions"]


class _Casts(Operators):
    """The dtypes by their names. A class of its own: in another, these names would hide Python's types."""

    __slots__ = ()

    def float(self) -> Tensor:
        """The tensor in float32."""
        return ops.astype(self, _C.float32)

    def double(self) -> Tensor:
        """The tensor in float64."""
        return ops.astype(self, _C.float64)

    def half(self) -> Tensor:
        """The tensor in float16."""
        return ops.astype(self, _C.float16)

    def int(self) -> Tensor:
        """The tensor in int32."""
        return ops.astype(self, _C.int32)

    def long(self) -> Tensor:
        """The tensor in int64."""
        return ops.astype(self, _C.int64)

    def bool(self) -> Tensor:
        """The tensor in bool: whether each element is not zero."""
        return ops.astype(self, _C.bool)


class Conversions(_Casts):
    """What tensors have besides operators and ops."""

    __slots__ = ()

    def __repr__(self) -> str:
        if self.dtype == _C.bfloat16:
            values, suffix = self.detach().astype("float32").cpu().numpy(), ", dtype=bfloat16"
        else:
            values = self.detach().cpu().numpy()
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
        if self.size != 1:
            raise _C.ShapeError(
                f"bool: {self.dtype.name} {list(self.shape)} does not have exactly one element, so it is neither true "
                "nor false; use .any() or .all()"
            )
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

    def __copy__(self) -> Any:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if not self.is_leaf:
            raise _C.AutogradError("copy: the tensor is the result of a recorded op; copy its detach(), or clone() it")
        made = type(self)(_C.copy(self), self.requires_grad)
        memo[id(self)] = made
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        if not self.is_leaf:
            raise _C.AutogradError("pickle: the tensor is the result of a recorded op; pickle its detach()")
        wide = self.detach()
        if self.dtype == _C.bfloat16:
            wide = wide.astype("float32")  # NumPy has no bfloat16
        return _rebuilt, (type(self), np.array(wide.cpu().numpy(), order="C"), self.dtype, self.requires_grad)

    def tolist(self) -> Any:
        """The elements as nested Python lists, or one Python number."""
        return (self.detach().astype("float32") if self.dtype == _C.bfloat16 else self.detach()).cpu().numpy().tolist()

    # Dtype, device and gradient.

    def astype(self, dtype: DTypeLike) -> Tensor:
        """See :func:`tilegrad.astype`."""
        return ops.astype(self, dtype)

    def to(self, device_or_dtype: DTypeLike) -> Tensor:
        """The tensor on a device or, as :meth:`astype`, in a dtype; itself where it is so already.

        Devices are ``"cpu"``, ``"cuda"`` and ``"cuda:1"``; see :func:`tilegrad.to_device`.
        """
        if names_device(device_or_dtype):
            return ops.to_device(self, device_or_dtype)
        return ops.astype(self, device_or_dtype)

    def is_floating_point(self) -> bool:
        """Whether the dtype is floating."""
        return self.dtype.is_floating

    def numel(self) -> int:
        """The number of elements, as :attr:`size`."""
        return self.size

    def dim(self) -> int:
        """The number of axes, as :attr:`ndim`."""
        return self.ndim

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.dtype.itemsize

    def cpu(self) -> Tensor:
        """The tensor in CPU memory; itself where it is there already."""
        return self if self.device == "cpu" else ops.to_device(self, "cpu")

    def cuda(self) -> Tensor:
        """The tensor in the memory of the GPU; itself where it is there already."""
        return ops.to_device(self, "cuda")

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Sets ``requires_grad``; returns the tensor."""
        self.requires_grad = requires_grad
        return self

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> HookHandle:
        """Have ``hook(grad)`` called whenever the gradient of this tensor is complete in a backward pass.

        A tensor that it returns takes the place of the gradient, from here on; it must not write into the one that it
        is given. Hooks are called in the order in which they were put on, and belong to the value that the tensor has
        now: a write in place makes another. A replay of a captured function repeats what the hook launched when it was
        recorded; functions captured before notice a hook on a layer's parameter.

        Returns
        -------
        HookHandle
            Its ``remove()`` takes the hook off again; it is a context manager too.

        Raises
        ------
        AutogradError
            If the tensor does not require a gradient; from ``backward()``, if the hook returns something else than a
            tensor of the gradient's shape and dtype or None.

        Examples
        --------
        >>> import tilegrad as tg
        >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
        >>> with x.register_hook(lambda grad: grad.clip(-1.0, 1.0)):
        ...     (x * x).sum().backward()
        >>> x.grad
        tensor([1., 1.])
        """
        return add_hook("register_hook", self._hooks(), hook)


def _rebuilt(kind: type[Tensor], values: np.ndarray[Any, Any], dtype: Any, requires_grad: bool) -> Tensor:
    """The tensor that was pickled."""
    return kind(ops.tensor(values, dtype=dtype), requires_grad)
