"""What a model computes: the native functions that its forward calls, with their arguments and results.

The observer of :mod:`tilegrad.nn.graph` is told of ops that have a gradient, by name; writing a file needs every call
and all its options. So for the time of a trace the native functions are replaced, in the one module where all ops look
them up, by functions that note the call.
"""

from __future__ import annotations

import threading
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ... import _C
from ...errors import OnnxError
from ...nn.graph import followed
from ...nn.module import Module
from ...structure import tensors_in

if TYPE_CHECKING:
    from ...tensor import Tensor

__all__ = ["Call", "Trace", "trace", "writes_in_place"]

# Functions that write into one of their arguments; all others that matter return a tensor.
WRITING = {"assign", "copy_into", "scatter", "scatter_add", "scatter_add_along_axis"}
_lock = threading.Lock()


def writes_in_place(function: str) -> bool:
    """Whether a native function writes into its first tensor."""
    return function in WRITING or function.endswith(("_", "_all"))


@dataclass(frozen=True)
class Call:
    """One call of a native function."""

    function: str
    arguments: tuple[Any, ...]
    result: Any
    path: str
    """Of the layer that made it; empty for the model itself."""


@dataclass
class Trace:
    """A forward pass; it keeps all tensors, so that each has an identity and memory of its own."""

    batch: int
    inputs: Sequence[Tensor]
    calls: list[Call]
    outputs: Any
    shapes: dict[int, tuple[int, ...]] = field(default_factory=dict)


def trace(module: Module, inputs: Sequence[Tensor], batch: int) -> Trace:
    """The calls of one forward pass in evaluation mode; a model that looks at values is refused."""
    paths = {id(inner): path for path, inner in module.named_modules()}
    inside: list[str] = []
    calls: list[Call] = []

    def enter(layer: Module, given: tuple[Any, ...]) -> None:
        inside.append(paths.get(id(layer), ""))

    def leave(layer: Module, given: tuple[Any, ...], output: Any) -> None:
        inside.pop()

    def note(function: str, arguments: tuple[Any, ...], result: Any) -> None:
        if writes_in_place(function) or tensors_in(result):
            calls.append(Call(function, arguments, result, inside[-1] if inside else ""))

    with _lock, followed(module, enter, leave), _noted(note):
        hidden = _C.values_hidden()
        _C.set_values_hidden(True)  # a number that is read would be written as a constant
        try:
            outputs = module(*inputs)
        except _C.CaptureError as error:
            where = f"{inside[-1]}: " if inside and inside[-1] else ""
            raise OnnxError(
                f"save_onnx: {where}the model looks at the value of a tensor (item(), numpy(), `if tensor:`), which "
                "would be a constant in the file; compute with where() instead"
            ) from error
        finally:
            _C.set_values_hidden(hidden)
    return Trace(batch, inputs, calls, outputs)


@contextmanager
def _noted(note: Callable[[str, tuple[Any, ...], Any], None]) -> Iterator[None]:
    """Inside, calls of this thread to native functions are noted."""
    thread = threading.get_ident()
    natives = {
        name: function
        for name, function in vars(_C).items()
        if isinstance(function, types.BuiltinFunctionType) and not name.startswith(("_", "set_", "record"))
    }

    def noting(name: str, native: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            result = native(*arguments, **named)
            if threading.get_ident() == thread:
                note(name, (*arguments, *named.values()), result)
            return result

        return call

    for name, native in natives.items():
        setattr(_C, name, noting(name, native))
    try:
        yield
    finally:
        for name, native in natives.items():
            setattr(_C, name, native)
