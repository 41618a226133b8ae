"""The graph that is being written: nodes, initializers, and what is known of each tensor of the trace."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _C
from ...errors import OnnxError
from .batch_sizes import BatchSize
from .correspondence import DTYPES
from .orders import Order, between, natural, with_axis
from .written_value import Value, extent_of, host_array, memory_of

if TYPE_CHECKING:
    from ...tensor import Tensor
    from .trace import Call

__all__ = ["WRITERS", "Node", "Writer", "writes"]

WriteCall = Callable[["Writer", "Call"], None]
WRITERS: dict[str, WriteCall] = {}  # by native function
END = np.iinfo(np.int64).max  # of a slice that goes to the end, whatever the size


def writes(*functions: str) -> Callable[[WriteCall], WriteCall]:
    """Registers what writes the nodes of a call of native functions."""

    def register(write: WriteCall) -> WriteCall:
        WRITERS.update(dict.fromkeys(functions, write))
        return write

    return register


@dataclass
class Node:
    """A node to be."""

    op_type: str
    inputs: list[str]
    outputs: list[str]
    name: str
    attributes: dict[str, Any]


class Writer:
    """Collects nodes; the functions in :mod:`.writers` call it."""

    def __init__(self, opset: int, shapes: dict[int, tuple[int, ...]]) -> None:
        self.opset = opset
        self.nodes: list[Node] = []
        self.initializers: dict[str, np.ndarray[Any, Any]] = {}
        self.path = ""  # of the layer whose calls are being written
        self.function = ""
        self._shapes = shapes
        self._values: dict[Any, Value] = {}
        self._paths: dict[tuple[int, int], str] = {}  # of parameters, by memory: views of them get their names
        self._taken: set[str] = set()
        self._small: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._first_input = ""
        self.borders: dict[int, tuple[Any, Any]] = {}  # what pad() made and where it writes, by the view's identity
        self.fills: dict[int, Any] = {}  # the number in pad()'s border

    # Tensors of the trace.

    def shape(self, tensor: Tensor) -> tuple[int, ...]:
        """With a BatchSize where it grows with the batch."""
        return self._shapes.get(id(tensor), tensor.shape)

    def find(self, tensor: Any) -> Value | None:
        """What is known of a tensor, or of one that lies in the same memory, as what ``detach()`` gives."""
        return self._values.get(id(tensor)) or self._values.get(memory_of(tensor))

    def value(self, tensor: Any) -> Value:
        """Of a tensor; one that nothing wrote is a constant."""
        known = self.find(tensor)
        if known is None:
            if any(isinstance(size, BatchSize) for size in self.shape(tensor)):
                raise self.refuse("it uses a constant whose size depends on the batch; pass dynamic_batch=False")
            label = self._paths.get(extent_of(tensor)) or self.label("constant")
            known = self.bind(tensor, Value(tensor.shape, tensor.dtype.name, constant=tensor, label=label))
        return known

    def bind(self, tensor: Any, value: Value) -> Value:
        """Has a tensor stand for a value."""
        self._values[id(tensor)] = value
        if tensor.size:
            self._values[memory_of(tensor)] = value
        return value

    def result(self, tensor: Any, name: str, order: Order | None = None) -> Value:
        """Has a tensor stand for a node's output, which lies in some order."""
        shape = self.shape(tensor)
        return self.bind(tensor, Value(shape, tensor.dtype.name, {order or natural(len(shape)): name}))

    def input(self, tensor: Any, name: str, order: Order) -> None:
        """Has a tensor stand for an input of the model."""
        self._taken.add(name)
        self._first_input = self._first_input or name
        self.result(tensor, name, order)

    def parameter(self, tensor: Any, path: str) -> None:
        """Has a tensor be an initializer, under its path, if it is used."""
        self._paths[extent_of(tensor)] = path
        self.bind(tensor, Value(tensor.shape, tensor.dtype.name, constant=tensor, label=path))

    # Names in the graph.

    def label(self, kind: str) -> str:
        """A name with the layer's path."""
        return f"{self.path}/{kind}" if self.path else kind

    def unique(self, name: str) -> str:
        """The name, with a number where it is taken."""
        found, number = name, 1
        while found in self._taken:
            found, number = f"{name}_{number}", number + 1
        self._taken.add(found)
        return found

    def name(self, operand: Any, order: Order | None = None) -> str:
        """Where a tensor lies in an order of axes (by default as it is meant); transposed if it does not yet."""
        value = operand if isinstance(operand, Value) else self.value(operand)
        order = order or natural(len(value.shape))
        if order not in value.stored:
            if value.constant is not None:
                value.stored[order] = self.initializer(host_array(value.constant).transpose(order), value.label)
            else:
                permutation = between(value.order, order)
                value.stored[order] = self.emit("Transpose", [value.stored[value.order]], perm=list(permutation))
        return value.stored[order]

    def stored(self, operand: Any) -> tuple[str, Order]:
        """Where a tensor lies, and in which order, without another node."""
        value = operand if isinstance(operand, Value) else self.value(operand)
        return self.name(value, value.order), value.order

    def initializer(self, array: np.ndarray[Any, Any], label: str) -> str:
        """Puts an array into the file."""
        name = self.unique(label)
        self.initializers[name] = np.ascontiguousarray(array).reshape(array.shape)
        return name

    def number(self, data: Any, dtype: str = "int64") -> str:
        """A small constant; equal ones are there once."""
        if dtype == "bfloat16":
            raise self.refuse("it computes with bfloat16, which NumPy lacks; convert the model to float32 first")
        array = np.asarray(data, dtype=dtype)
        key = (dtype, array.shape, array.tobytes())
        if key not in self._small:
            shown = re.sub(r"[^\w.+-]+", "_", f"{array.tolist()}").strip("_") if array.size <= 4 else "values"
            self._small[key] = self.initializer(array, f"{dtype}_{shown}")
        return self._small[key]

    def batch_shape(self, shape: Sequence[int]) -> str:
        """A shape as a tensor, computed where sizes grow with the batch."""
        if not any(isinstance(size, BatchSize) for size in shape):
            return self.number([int(size) for size in shape])
        parts = []
        for size in shape:
            if isinstance(size, BatchSize):
                part = self.emit("Shape", [self._first_input], start=0, end=1)
                parts.append(part if size.factor == 1 else self.emit("Mul", [part, self.number([size.factor])]))
            else:
                parts.append(self.number([size]))
        return parts[0] if len(parts) == 1 else self.emit("Concat", parts, axis=0)

    # Nodes.

    def emit(self, op_type: str, inputs: Sequence[str], /, **attributes: Any) -> str:
        """Adds a node with one output; its name."""
        return self.emit_several(op_type, inputs, 1, **attributes)[0]

    def emit_several(self, op_type: str, inputs: Sequence[str], outputs: int, /, **attributes: Any) -> list[str]:
        """Adds a node; the names of its outputs."""
        name = self.unique(self.label(op_type))
        names = [name, *(self.unique(f"{name}.{i}") for i in range(1, outputs))]
        given = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(Node(op_type, list(inputs), names, name, given))
        return names

    def rename(self, old: str, new: str) -> None:
        """Gives a node's output another name; whatever has that name already gets another."""
        if old == new:
            return
        if new in self._taken:
            self.rename(new, self.unique(new))
        self._taken.add(new)
        if new not in self.initializers and old in self.initializers:
            self.initializers[new] = self.initializers.pop(old)
        for node in self.nodes:
            node.inputs = [new if name == old else name for name in node.inputs]
            node.outputs = [new if name == old else name for name in node.outputs]
        for value in self._values.values():
            value.stored = {order: new if name == old else name for order, name in value.stored.items()}

    def aligned(self, operands: Sequence[Any], like: Tensor) -> tuple[list[str], Order]:
        """The operands of an elementwise node whose result is ``like``, all in one order, and that order."""
        rank = like.ndim
        values = [self.value(x) if isinstance(x, _C.TensorBase) else x for x in operands]
        tensors = [value for value in values if isinstance(value, Value)]
        dtype = next((value.dtype for value in tensors if value.dtype != "bool"), "bool")
        orders = [v.order for v in tensors if v.constant is None and len(v.shape) == rank]
        order = next((found for found in orders if found != natural(rank)), natural(rank))
        names = []
        for value in values:
            if not isinstance(value, Value):
                names.append(self.number(value, dtype))
            elif len(value.shape) == rank:
                names.append(self.name(value, order))
            elif not value.shape or order == natural(rank):  # ONNX puts the axes in front itself
                names.append(self.name(value))
            else:
                names.append(self.name(self._raised(value, rank), order))
        return names, order

    def _raised(self, value: Value, rank: int) -> Value:
        """A value with axes of size 1 in front, by which it broadcasts in any order of axes."""
        if rank not in value.raised:
            more = rank - len(value.shape)
            shape = (1,) * more + value.shape
            if value.constant is not None:
                constant = _C.reshape(value.constant, shape)
                value.raised[rank] = Value(shape, value.dtype, constant=constant, label=value.label)
            else:
                name, order = self.stored(value)
                for _ in range(more):
                    order, _ = with_axis(order, 0)
                places = [order.index(axis) for axis in range(more)]
                name = self.emit("Unsqueeze", [name, self.number(sorted(places))])
                value.raised[rank] = Value(shape, value.dtype, {order: name})
        return value.raised[rank]

    def dtype(self, name: str) -> int:
        """ONNX's number of a dtype."""
        return DTYPES[name]

    def refuse(self, why: str) -> OnnxError:
        """The error for a call that ONNX cannot hold."""
        where = f"{self.path or 'the model'}: " if self.function else ""
        return OnnxError(f"save_onnx: {where}{self.function or 'the model'} cannot be written, because {why}")
