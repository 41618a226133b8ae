# The types of what this folder defines against CPython's own interface, where pybind11 knows no signatures. Part of the
# stub _C.pyi that tools/write_stub.py makes; it refuses an attribute that is missing here, or here alone.
import builtins
import collections.abc  # noqa: F401 - generated annotations name it
import typing
from collections.abc import Callable, Sequence

from numpy import ndarray

from tilegrad.tensor import Tensor

DTypeLike: typing.TypeAlias = typing.Any  # a DType, its name, or anything that numpy.dtype() understands

_Self = typing.TypeVar("_Self")

class DType:
    """The type of a tensor's elements."""

    @property
    def name(self) -> str:
        """The dtype's name."""
    @property
    def itemsize(self) -> int:
        """Bytes per element."""
    @property
    def is_floating(self) -> builtins.bool:
        """Whether gradients can flow."""
    def __eq__(self, other: object, /) -> builtins.bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> str: ...

class TensorBase:
    """The native part of tilegrad.Tensor: memory, shape and place in the graph."""

    def __new__(cls: type[_Self], source: TensorBase, requires_grad: builtins.bool = False) -> _Self: ...
    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of all axes, a tuple."""
    @property
    def strides(self) -> tuple[int, ...]:
        """The steps of all axes, in elements."""
    @property
    def ndim(self) -> int:
        """The number of axes."""
    @property
    def size(self) -> int:
        """The number of elements."""
    @property
    def dtype(self) -> DType:
        """The type of the elements."""
    @property
    def device(self) -> str:
        """Where the elements are: "cpu"."""
    @property
    def requires_grad(self) -> builtins.bool:
        """Whether a gradient is wanted."""
    @requires_grad.setter
    def requires_grad(self, wanted: builtins.bool) -> None: ...
    @property
    def is_leaf(self) -> builtins.bool:
        """Whether no recorded op made this tensor."""
    @property
    def retains_grad(self) -> builtins.bool:
        """Whether retain_grad() was called on this output of an op."""
    @property
    def _hook_count(self) -> int:
        """How many hooks see the gradient."""
    @property
    def grad(self) -> Tensor | None:
        """The gradient collected so far, or None."""
    @grad.setter
    def grad(self, value: Tensor | None) -> None: ...
    @property
    def _version(self) -> int:
        """How often the memory has been written in place."""
    def detach(self) -> Tensor:
        """A tensor over the same memory, outside the graph."""
    def item(self) -> typing.Any:
        """The only element as a Python number."""
    def numpy(self) -> ndarray[typing.Any, typing.Any]:
        """A numpy.ndarray over the same memory; read-only where a gradient is required."""
    def is_contiguous(self) -> builtins.bool:
        """Whether the elements lie row-major without gaps."""
    def data_ptr(self) -> int:
        """The address of the first element."""
    def backward(
        self,
        grad: Tensor | None = None,
        retain_graph: builtins.bool = False,
        create_graph: builtins.bool = False,
    ) -> None:
        """Adds the gradient of this tensor to the .grad of every leaf."""
    def retain_grad(self) -> None:
        """Has backward() fill .grad of this output of an op too."""
    def _hooks(self) -> dict[int, Callable[[Tensor], Tensor | None]]:
        """The dict of hooks."""
    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __dlpack__(
        self,
        *,
        stream: typing.Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: typing.Any = None,
        copy: builtins.bool | None = None,
    ) -> typing.Any:
        """Exports through DLPack."""
    def __dlpack_device__(self) -> tuple[int, int]:
        """The DLPack device."""

_Out = typing.TypeVar("_Out", bound=Tensor | tuple[Tensor, ...])
# rule(needs, grad, *saved): one gradient or None per input.
_Rule: typing.TypeAlias = Callable[..., Sequence[Tensor | None]]

def record(out: _Out, rule: _Rule, inputs: tuple[typing.Any, ...], /, *saved: typing.Any) -> _Out:
    """Puts an op on the tape, if gradients are on and an input needs one; returns out."""

def record_shapes(out: _Out, rule: _Rule, inputs: tuple[typing.Any, ...], /, *saved: typing.Any) -> _Out:
    """The same for a rule that gets the inputs' shapes before what is saved."""

def record_in_place(x: Tensor, rule: _Rule, inputs: tuple[typing.Any, ...], /, *saved: typing.Any) -> Tensor:
    """The same for an op that has overwritten x."""

def gradients(
    outputs: tuple[Tensor, ...],
    grads: tuple[Tensor | None, ...],
    inputs: tuple[Tensor, ...],
    retain_graph: builtins.bool,
) -> tuple[Tensor | None, ...]:
    """The gradients of the sum of all outputs with respect to each input, None where nothing depends on it."""

def basic_view(op: str, x: TensorBase, key: typing.Any) -> typing.Any:
    """The view that a key of integers, slices, None and Ellipsis gives; None for another, which callers tell apart."""

def is_observed() -> builtins.bool:
    """Whether launches are recorded or profiled."""

def values_hidden() -> builtins.bool:
    """Whether a captured function runs in this thread."""

def changes() -> int:
    """How often changed() was called."""

def changed() -> None:
    """Something that captured functions depend on has changed."""
