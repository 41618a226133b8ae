"""The module that an ONNX file becomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ... import _C, ops
from ...errors import OnnxError
from ...nn.module import Given, Module
from ...nn.parameter import Parameter
from ...tensor import Tensor
from .host import HOST
from .orders import Order, channels_last, natural
from .read_graph import Graph, Port
from .reader import READERS, NodeToRead, Run
from .values import Value, elementwise

__all__ = ["OnnxModel", "build"]

# What Python raises where the numbers of a file make no sense together.
_ODD = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
SMALL = 64  # numbers: no shape and no list of axes or scales has more


@dataclass(frozen=True)
class _Step:
    node: NodeToRead
    run: Run
    last_used: Sequence[str]
    """What no later node needs."""


class _Part(Module):
    """The tensors of an ONNX model whose names begin alike."""


class OnnxModel(Module):
    """A model that was read from an ONNX file; made by :func:`tilegrad.io.load_onnx`.

    Takes its inputs by position or by name; gives a tensor, or a dictionary of them by name where there are several.
    Parameters are found under the names that they have in the file, with a dot for each level.

    Attributes
    ----------
    input_names, output_names : tuple of str
        As in the file.
    """

    _steps: tuple[_Step, ...]

    def __init__(self, graph: Graph, image_layout: str) -> None:
        self.input_names = tuple(port.name for port in graph.inputs)
        self.output_names = tuple(port.name for port in graph.outputs)
        self._ports, self._channels_last = tuple(graph.inputs), image_layout == "nhwc"
        self._dtype = ""  # of the floating parameters in the file
        self._owners: dict[str, tuple[_Part | None, str]] = {}
        self._lies: dict[str, Order] = {}
        self._host: dict[str, Any] = {}

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """The outputs for these inputs, which lie as in the file."""
        values = self._inputs(inputs, named, self._converted())
        device = next((value.device for value in values.values()), "cpu")
        for name, (owner, attribute) in self._owners.items():
            tensor = vars(self if owner is None else owner)[attribute]
            values[name] = Value(tensor, self._lies.get(name), self._host.get(name))
        for name, array in self._host.items():
            if name not in values:
                values[name] = Value(host=array, device=device)
        for step in self._steps:
            self._take(step, values)
        outputs = {name: self._out(values[name]) for name in self.output_names}
        return outputs if len(outputs) > 1 else outputs[self.output_names[0]]

    def _take(self, step: _Step, values: dict[str, Value]) -> None:
        node = step.node
        given = [values[name] if name else None for name in node.inputs]
        try:
            found = _on_host(node, given) or step.run(*given)
        except _C.TilegradError as error:
            if not isinstance(error, OnnxError) and error.args:
                error.args = (f"{node.name} ({node.op_type}): {error.args[0]}", *error.args[1:])
            raise
        except _ODD as error:
            raise node.refuse(f"its inputs do not fit: {error}") from error
        for name, value in zip(node.outputs, found if isinstance(found, tuple) else (found,), strict=False):
            if name:
                values[name] = value
        for name in step.last_used:
            values.pop(name, None)

    def _converted(self) -> str:
        """The dtype of the parameters now, which ``to("float64")`` changes."""
        parameter = next((p for _, p in self.named_parameters()), None) if self._dtype else None
        return self._dtype if parameter is None else parameter.dtype.name

    def _inputs(self, inputs: Sequence[Any], named: dict[str, Any], dtype: str) -> dict[str, Value]:
        unknown = next((name for name in named if name not in self.input_names), None)
        given = dict(zip(self.input_names, inputs, strict=False))
        if unknown is not None or len(inputs) > len(self.input_names) or given.keys() & named.keys():
            raise _C.ArgumentError(
                f"OnnxModel: takes the inputs {', '.join(self.input_names)}, found {len(inputs)} by position and "
                f"{', '.join(named) or 'none'} by name"
            )
        given.update(named)
        return {port.name: self._input(port, given.get(port.name), dtype) for port in self._ports}

    def _input(self, port: Port, tensor: Any, dtype: str) -> Value:
        if not isinstance(tensor, Tensor):
            found = "nothing" if tensor is None else type(tensor).__name__
            raise _C.ArgumentError(f"OnnxModel: the input {port.name!r} must be a tensor, found {found}")
        order = channels_last(4) if self._channels_last and tensor.ndim == 4 else natural(tensor.ndim)
        value = Value(tensor, order)
        expected = dtype if port.dtype == self._dtype else port.dtype
        if tensor.dtype != expected:
            raise _C.DTypeError(f"OnnxModel: the input {port.name!r} must be {expected}, found {tensor.dtype.name}")
        fits = port.shape is None or (
            len(port.shape) == value.rank
            and all(size in (None, found) for size, found in zip(port.shape, value.shape, strict=True))
        )
        if not fits and port.shape is not None:
            sizes = ", ".join("any" if size is None else str(size) for size in port.shape)
            raise _C.ShapeError(f"OnnxModel: the input {port.name!r} must be [{sizes}], found {list(value.shape)}")
        return value

    def _out(self, value: Value) -> Tensor:
        return value.lying(channels_last(4) if self._channels_last and value.rank == 4 else natural(value.rank))


def _on_host(node: NodeToRead, given: Sequence[Value | None]) -> Any:
    """The result where shapes are computed with, else None."""
    compute = HOST.get(node.op_type)
    present = [value for value in given if value is not None]
    if compute is None or not present or any(value.host is None for value in present):
        return None
    if not any(value.on_host_alone for value in present):
        return None
    found = compute(node, [None if value is None else value.numbers() for value in given])
    if found is None:
        return None
    parts = found if isinstance(found, tuple) else (found,)
    made = tuple(Value(host=np.asarray(part), device=present[0].device) for part in parts)
    return made if isinstance(found, tuple) else made[0]


def build(graph: Graph, image_layout: str) -> OnnxModel:
    """Every node's reader looks at it, and may refuse it; then parameters are put into a module."""
    model = OnnxModel(graph, image_layout)
    model._given = Given([], {})  # what it was made from is a file, which its text need not tell
    preferred: dict[str, Order] = {}
    runs = []
    for node in graph.nodes:
        node.preferred = preferred
        try:
            runs.append(READERS[node.op_type].make(node))
        except OnnxError:
            raise
        except _ODD as error:
            raise node.refuse(f"its attributes make no sense: {error}") from error
    steps = [_Step(node, run, last) for node, run, last in zip(graph.nodes, runs, _last_uses(graph), strict=True)]
    model._steps = tuple(_with_sums_activated(steps))
    data = {
        name
        for node in graph.nodes
        for position, name in enumerate(node.inputs)
        if position not in READERS[node.op_type].steering
    } | {port.name for port in graph.outputs}
    for name, array in graph.constants.items():
        is_number = array.dtype.kind != "f" or name not in data
        if is_number or array.size <= SMALL:
            model._host[name] = array
        if name not in data:
            continue
        order = preferred.get(name, natural(array.ndim))
        tensor = ops.tensor(np.array(array.transpose(order), order="C"))
        model._lies[name] = order
        trained = array.dtype.kind == "f" and name in graph.initializers and not _is_statistic(name, graph)
        _put(model, name, Parameter(tensor) if trained else tensor)
        if trained and not model._dtype:
            model._dtype = tensor.dtype.name
    return model


def _with_sums_activated(steps: Sequence[_Step]) -> Iterator[_Step]:
    """Add and the Relu behind it, the end of a residual block, as one step."""
    waiting: _Step | None = None
    for step in steps:
        if waiting is not None and step.node.op_type == "Relu" and step.last_used == waiting.node.outputs:
            node = replace(step.node, inputs=waiting.node.inputs)
            step, waiting = _Step(node, elementwise(ops.add_relu), waiting.last_used), None
        if waiting is not None:
            yield waiting
        waiting = step if step.node.op_type == "Add" else None
        if waiting is None:
            yield step
    if waiting is not None:
        yield waiting


def _is_statistic(name: str, graph: Graph) -> bool:
    """Whether it is a running mean or variance."""
    return any(node.op_type == "BatchNormalization" and name in node.inputs[3:5] for node in graph.nodes)


def _last_uses(graph: Graph) -> list[list[str]]:
    uses = Counter(name for node in graph.nodes for name in {*node.inputs} if name)
    kept = {port.name for port in graph.outputs}
    last = []
    for node in graph.nodes:
        uses.subtract({*node.inputs} - {""})
        last.append([name for name in {*node.inputs} if name and not uses[name] and name not in kept])
    return last


def _put(model: OnnxModel, name: str, tensor: Tensor) -> None:
    """Under its name; where that is taken, by an attribute of a module or a part, with an underscore behind."""
    *folders, leaf = [part or "_" for part in name.split(".")]
    owner: Module = model
    for folder in folders:
        while hasattr(owner, folder) and not isinstance(vars(owner).get(folder), _Part):
            folder += "_"
        if folder not in vars(owner):
            setattr(owner, folder, _Part())
        owner = vars(owner)[folder]
    while hasattr(owner, leaf):
        leaf += "_"
    if isinstance(tensor, Parameter):
        setattr(owner, leaf, tensor)
    else:
        owner.register_buffer(leaf, tensor)
    model._owners[name] = (owner if isinstance(owner, _Part) else None, leaf)  # a copy of the model has its own
