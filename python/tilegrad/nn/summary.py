"""How a module shows itself: as code, and as a table of its layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..structure import tensors_in

if TYPE_CHECKING:
    from .module import Given, Module

__all__ = ["Row", "Summary", "describe", "describe_call", "summarize", "with_n"]


def describe(module: Module) -> str:
    """The code that makes the module; under it what is inside, if that is not a part of the code."""
    return "\n    ".join(
        [
            describe_call(type(module).__name__, module._given),
            *(f".{name} = {_indent(repr(child))}" for name, child in module.named_children()),
        ]
    )


def describe_call(kind: str, given: Given) -> str:
    """``kind(arguments)``."""
    positional, named = given
    parts = [_show(value) for value in positional] + [f"{name}={_show(value)}" for name, value in named.items()]
    return f"{kind}({', '.join(parts)})"


def _show(value: Any) -> str:
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"<{getattr(value.dtype, 'name', value.dtype)} {list(value.shape)}>"
    return repr(value)


def _indent(text: str) -> str:
    return text.replace("\n", "\n    ")


@dataclass(frozen=True)
class Row:
    """One layer of a summary; shapes, multiply-adds and bytes are those of one sample."""

    name: str
    """Its path; a layer that is used several times has one row, under its first path."""
    kind: str
    output_shape: tuple[Any, ...] | None
    """Of what it returned last, without the batch: one shape, or a tuple of shapes. None where it was not called."""
    parameters: int
    """Its own numbers; those that a layer above has too are counted there."""
    macs: int = 0
    """Multiply-adds of its matrix products and convolutions, of all its calls."""
    parameter_bytes: int = 0
    activation_bytes: int = 0
    """Of its outputs, of all its calls."""
    shown: str = "-"
    """The shape as the table has it, with N for the batch."""


@dataclass(frozen=True)
class Summary:
    """The layers of a model; printed, a table."""

    rows: tuple[Row, ...]
    total: int
    """Parameters, each once."""
    trainable: int
    buffers: int = 0
    """Numbers that belong to the state but are not trained, such as running statistics."""
    macs: int = 0
    """Multiply-adds of one sample."""
    parameter_bytes: int = 0
    activation_bytes: int = 0
    """Of the outputs of all layers for one sample."""

    def __str__(self) -> str:
        cells = [("layer", "kind", "output", "parameters", "multiply-adds")]
        cells += [(r.name, r.kind, r.shown, f"{r.parameters:,}", f"{r.macs:,}") for r in self.rows]
        a, b, c, d, e = (max(len(line[column]) for line in cells) for column in range(5))
        lines = [f"{x:<{a}}  {y:<{b}}  {z:<{c}}  {n:>{d}}  {m:>{e}}" for x, y, z, n, m in cells]
        buffers = f"; {self.buffers:,} numbers in buffers" if self.buffers else ""
        return "\n".join(
            [
                *lines,
                f"{self.total:,} parameters ({_bytes(self.parameter_bytes)}), {self.trainable:,} of them "
                f"trainable{buffers}",
                f"one sample: {self.macs:,} multiply-adds, outputs of {_bytes(self.activation_bytes)}",
            ]
        )

    __repr__ = __str__


def _bytes(count: int) -> str:
    size, unit = float(count), "bytes"
    for larger in ("KiB", "MiB", "GiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{count} bytes" if unit == "bytes" else f"{size:.1f} {unit}"


class _Outputs:
    """What the layers return while one sample is computed."""

    def __init__(self) -> None:
        self.last: dict[int, Any] = {}
        self.bytes: dict[int, int] = {}
        self._counted: dict[int, Any] = {}  # kept, so that no identity comes again

    def note(self, layer: Module, inputs: tuple[Any, ...], output: Any) -> None:
        self.last[id(layer)] = output
        for tensor in tensors_in(output):
            if id(tensor) not in self._counted:  # a container returns what its last layer does
                self._counted[id(tensor)] = tensor
                self.bytes[id(layer)] = self.bytes.get(id(layer), 0) + tensor.nbytes


def _batch_axis(shape: tuple[int, ...]) -> int | None:
    """The batch is of one sample: the first axis, or the second of states [layers, N, features]."""
    return next((axis for axis, size in enumerate(shape[:2]) if size == 1), None)


def _without_batch(shape: tuple[int, ...]) -> tuple[int, ...]:
    batch = _batch_axis(shape)
    return tuple(size for axis, size in enumerate(shape) if axis != batch)


def with_n(shape: tuple[int, ...]) -> str:
    """A shape of one sample as text, with N for the batch."""
    batch = _batch_axis(shape)
    return "(" + ", ".join("N" if axis == batch else str(size) for axis, size in enumerate(shape)) + ")"


def summarize(module: Module, input_shapes: Sequence[Sequence[int]], dtype: Any) -> Summary:
    """See :meth:`Module.summary`."""
    from ..profiling import profile

    outputs = _Outputs()
    module.build(*input_shapes, dtype=dtype)
    handles = [layer.register_forward_hook(outputs.note) for layer in module.modules()]
    try:
        # The kernels tell what they compute, so that a layer of any kind is counted.
        with profile() as measured:
            module.build(*input_shapes, dtype=dtype)
    finally:
        for handle in handles:
            handle.remove()
    macs: dict[str, int] = {}
    for launch in measured.launches:
        macs[launch.layer] = macs.get(launch.layer, 0) + round(launch.flops / 2)
    rows = []
    seen: set[int] = set()
    outermost = type(module).__name__
    for path, layer in module.named_modules():
        kind = type(layer).__name__
        parameters = [p for p in vars(layer).values() if _is_parameter(p) and id(p) not in seen]
        seen.update(map(id, parameters))
        own = macs.get(f"{outermost}.{path} ({kind})" if path else outermost, 0)
        if not (parameters or own) and any(True for _ in layer.named_children()):
            continue
        found = tensors_in(outputs.last.get(id(layer)))
        shapes = [_without_batch(tensor.shape) for tensor in found]
        rows.append(
            Row(
                path or "(model)",
                kind,
                None if not shapes else shapes[0] if len(shapes) == 1 else tuple(shapes),
                sum(p.size for p in parameters),
                own,
                sum(p.nbytes for p in parameters),
                outputs.bytes.get(id(layer), 0),
                ", ".join(with_n(tensor.shape) for tensor in found) or "-",
            )
        )
    parameters = list(module.parameters())
    return Summary(
        tuple(rows),
        sum(p.size for p in parameters),
        sum(p.size for p in parameters if p.requires_grad),
        sum(b.size for b in module.buffers()),
        sum(macs.values()),
        sum(p.nbytes for p in parameters),
        sum(outputs.bytes.values()),
    )


def _is_parameter(value: Any) -> bool:
    from .parameter import Parameter

    return isinstance(value, Parameter)
