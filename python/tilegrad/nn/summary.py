"""How a module shows itself: as code, and as a table of its layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .module import Given, Module

__all__ = ["Row", "Summary", "describe", "describe_call", "summarize"]


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
    """One layer: its path, its kind, the shape of what it returned last (of one sample), its own parameters."""

    name: str
    kind: str
    output_shape: tuple[int, ...] | None
    parameters: int


@dataclass(frozen=True)
class Summary:
    """The layers of a model; printed, a table."""

    rows: tuple[Row, ...]
    total: int
    trainable: int

    def __str__(self) -> str:
        cells = [("layer", "kind", "output", "parameters")]
        for row in self.rows:
            shape = "-" if row.output_shape is None else "(" + ", ".join(map(str, ("N", *row.output_shape))) + ")"
            cells.append((row.name, row.kind, shape, f"{row.parameters:,}"))
        a, b, c, d = (max(len(line[column]) for line in cells) for column in range(4))
        lines = [f"{x:<{a}}  {y:<{b}}  {z:<{c}}  {n:>{d}}" for x, y, z, n in cells]
        return "\n".join([*lines, f"{self.total:,} parameters, {self.trainable:,} of them trainable"])

    __repr__ = __str__


def summarize(module: Module, input_shapes: Sequence[Sequence[int]], dtype: Any) -> Summary:
    """See :meth:`Module.summary`."""
    shapes: dict[int, tuple[int, ...]] = {}

    def note(layer: Module, inputs: tuple[Any, ...], output: Any) -> None:
        while isinstance(output, (tuple, list)) and output:  # a recurrent layer's outputs come before its states
            output = output[0]
        if hasattr(output, "shape"):
            shapes[id(layer)] = tuple(output.shape[1:])

    handles = [layer.register_forward_hook(note) for layer in module.modules()]
    try:
        module.build(*input_shapes, dtype=dtype)
    finally:
        for handle in handles:
            handle.remove()
    rows = []
    seen: set[int] = set()
    for path, layer in module.named_modules():
        own = _own_parameters(layer, seen)
        if own or not any(True for _ in layer.named_children()):
            rows.append(Row(path or "(model)", type(layer).__name__, shapes.get(id(layer)), own))
    parameters = list(module.parameters())
    trainable = sum(parameter.size for parameter in parameters if parameter.requires_grad)
    return Summary(tuple(rows), sum(parameter.size for parameter in parameters), trainable)


def _own_parameters(layer: Module, seen: set[int]) -> int:
    from .parameter import Parameter

    count = 0
    for value in vars(layer).values():
        if isinstance(value, Parameter) and id(value) not in seen:
            seen.add(id(value))
            count += value.size
    return count
