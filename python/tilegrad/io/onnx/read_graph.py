"""An ONNX file taken apart: nodes with attributes as Python values, constants as arrays, all of it checked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import OnnxError
from .reader import READERS, SIXTEEN_BITS, NodeToRead, Reader
from .tensor_proto import NAMES, array_of, dtype_name

__all__ = ["Graph", "Port", "read_graph"]

OLDEST = 7
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Port:
    """An input or output of the model; a size is None where any will do."""

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None


@dataclass
class Graph:
    """What a file holds."""

    nodes: list[NodeToRead]
    inputs: list[Port]
    outputs: list[Port]
    initializers: dict[str, Array]
    constants: dict[str, Array]
    """The initializers, and what Constant nodes hold."""


def read_graph(path: str | os.PathLike[str]) -> Graph:
    """Reads and checks a file; nothing of it is run."""
    model = _parse(path)
    folder = Path(path).resolve().parent
    opset = _opset(model)
    graph = model.graph
    if model.functions:
        raise OnnxError(f"load_onnx: functions inside a model are not supported, found {model.functions[0].name!r}")
    if graph.sparse_initializer:
        raise OnnxError("load_onnx: sparse initializers are not supported")
    for tensor in graph.initializer:
        if not tensor.name:
            raise OnnxError("load_onnx: an initializer has no name")
    initializers = {t.name: array_of(t, folder, f"initializer {t.name!r}") for t in graph.initializer}
    constants = dict(initializers)
    types, ranks = _inferred(model)
    types.update((tensor.name, NAMES[tensor.data_type]) for tensor in graph.initializer)
    ranks.update((name, array.ndim) for name, array in initializers.items())
    inputs = [_port(declared, "input") for declared in graph.input if declared.name not in initializers]
    outputs = [_port(declared, "output") for declared in graph.output]
    known = {*initializers, *(port.name for port in inputs)}
    nodes = []
    for position, proto in enumerate(graph.node):
        node = _node(proto, position, opset, folder, constants, ranks)
        _check(node, READERS[node.op_type], types)
        missing = next((name for name in node.inputs if name and name not in known), None)
        if missing is not None:
            raise node.refuse(f"its input {missing!r} is made by nothing before it")
        again = next((name for name in node.outputs if name and name in known), None)
        if again is not None:
            raise node.refuse(f"its output {again!r} is there already")
        known.update(node.outputs)
        if node.op_type == "Constant":
            constants[node.outputs[0]] = _constant(node)
            ranks[node.outputs[0]] = constants[node.outputs[0]].ndim
        nodes.append(node)
    for port in outputs:
        if port.name not in known:
            raise OnnxError(f"load_onnx: the output {port.name!r} is made by no node")
    return Graph(nodes, inputs, outputs, initializers, constants)


def _parse(path: str | os.PathLike[str]) -> Any:
    import onnx

    content = Path(path).read_bytes()
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception as error:  # of protobuf, whose implementations raise their own
        raise OnnxError(f"load_onnx: {os.fspath(path)!r} is no ONNX file, or damaged: {error}") from error
    if not model.HasField("graph") or not model.opset_import:
        raise OnnxError(f"load_onnx: {os.fspath(path)!r} is no ONNX model: it has no graph or names no opset")
    return model


def _opset(model: Any) -> int:
    from onnx.defs import onnx_opset_version

    for entry in model.opset_import:
        if entry.domain not in ("", "ai.onnx") and any(node.domain == entry.domain for node in model.graph.node):
            raise OnnxError(f"load_onnx: operators of the domain {entry.domain!r} are not supported")
    found = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    newest = onnx_opset_version()
    if len(found) != 1 or not OLDEST <= found[0] <= newest:
        raise OnnxError(f"load_onnx: the opset must be from {OLDEST} to {newest}, found {found or 'none'}")
    return int(found[0])


def _inferred(model: Any) -> tuple[dict[str, str], dict[str, int]]:
    """Dtypes (empty for those that we lack) and ranks, as far as ONNX's shape inference tells."""
    from onnx import shape_inference

    types: dict[str, str] = {}
    ranks: dict[str, int] = {}
    try:
        inferred = shape_inference.infer_shapes(model).graph
    except Exception:  # of a model too large or too odd for it: then a run tells
        inferred = model.graph
    for info in [*inferred.value_info, *inferred.input, *inferred.output]:
        if info.type.HasField("tensor_type"):
            types[info.name] = NAMES.get(info.type.tensor_type.elem_type, "")
            if info.type.tensor_type.HasField("shape"):
                ranks[info.name] = len(info.type.tensor_type.shape.dim)
    return types, ranks


def _port(declared: Any, what: str) -> Port:
    if not declared.type.HasField("tensor_type"):
        kind = declared.type.WhichOneof("value") or "nothing"
        raise OnnxError(f"load_onnx: the {what} {declared.name!r} must be a tensor, found {kind}")
    tensor = declared.type.tensor_type
    dtype = dtype_name(tensor.elem_type, f"the {what} {declared.name!r}")
    if not tensor.HasField("shape"):
        return Port(declared.name, dtype, None)
    return Port(declared.name, dtype, tuple(d.dim_value or None for d in tensor.shape.dim))


def _node(
    proto: Any, position: int, opset: int, folder: Path, constants: dict[str, Array], ranks: dict[str, int]
) -> NodeToRead:
    from onnx.defs import SchemaError, get_schema

    name = proto.name or next((output for output in proto.output if output), f"number {position}")
    node = NodeToRead(proto.op_type, name, list(proto.input), list(proto.output), {}, opset, constants, ranks)
    if proto.domain not in ("", "ai.onnx"):
        raise node.refuse(f"operators of the domain {proto.domain!r} are not supported")
    if proto.op_type not in READERS:
        raise node.refuse("the operator is not supported; docs/onnx.md lists those that are")
    try:
        schema = get_schema(proto.op_type, opset, "")
    except SchemaError:
        raise node.refuse(f"opset {opset} has no such operator") from None
    node.version = schema.since_version
    node.attributes = {made.name: _attribute(made, node, folder, schema) for made in proto.attribute}
    return node


def _attribute(attribute: Any, node: NodeToRead, folder: Path, schema: Any) -> Any:
    kinds = attribute.AttributeType
    expected = schema.attributes.get(attribute.name)
    if expected is not None and int(expected.type) != attribute.type:
        raise node.refuse(f"the attribute {attribute.name!r} is of the wrong kind")
    if attribute.type == kinds.TENSOR:
        return array_of(attribute.t, folder, f"node {node.name!r} ({node.op_type}), attribute {attribute.name!r}")
    if attribute.type == kinds.STRING:
        return attribute.s.decode(errors="replace")
    if attribute.type == kinds.STRINGS:
        return [text.decode(errors="replace") for text in attribute.strings]
    fields = {kinds.FLOAT: "f", kinds.INT: "i", kinds.FLOATS: "floats", kinds.INTS: "ints"}
    if attribute.type not in fields:
        raise node.refuse(f"the attribute {attribute.name!r} is of a kind that is not supported")
    value = getattr(attribute, fields[attribute.type])
    return list(value) if attribute.type in (kinds.FLOATS, kinds.INTS) else value


def _check(node: NodeToRead, reader: Reader, types: dict[str, str]) -> None:
    if not reader.since <= node.version <= reader.until:
        raise node.refuse(
            f"version {node.version} of the operator is not supported, only {reader.since} to {reader.until}"
        )
    unknown = sorted(set(node.attributes) - set(reader.attributes))
    if unknown:
        raise node.refuse(f"the attribute {unknown[0]!r} is not supported")
    if any(node.outputs[reader.outputs :]):
        raise node.refuse(f"only the first {reader.outputs} of its outputs can be computed, found {len(node.outputs)}")
    if not any(node.outputs):
        raise node.refuse("it has no output")
    from onnx.defs import get_schema

    schema = get_schema(node.op_type, node.version, "")
    lacking = [name for name, known in schema.attributes.items() if known.required and name not in node.attributes]
    if lacking:
        raise node.refuse(f"it lacks the attribute {lacking[0]!r}")
    if not schema.min_input <= len(node.inputs) <= schema.max_input:
        raise node.refuse(f"it takes {schema.min_input} to {schema.max_input} inputs, found {len(node.inputs)}")
    if not all(node.inputs[: schema.min_input]):
        raise node.refuse(f"it needs its first {schema.min_input} inputs")
    data = [name for position, name in enumerate(node.inputs) if position not in reader.steering]
    for name in [*data, *node.outputs]:
        if name in types and types[name] not in reader.dtypes:
            hint = "; convert the model to float32" if types[name] in SIXTEEN_BITS else ""
            raise node.refuse(
                f"{name!r} is of {types[name] or 'an element type that is not supported'}; supported here are "
                f"{', '.join(reader.dtypes)}{hint}"
            )


def _constant(node: NodeToRead) -> Array:
    kinds = {"value_float": "float32", "value_floats": "float32", "value_int": "int64", "value_ints": "int64"}
    if len(node.attributes) != 1:
        raise node.refuse("it must have one value")
    ((name, value),) = node.attributes.items()
    return np.asarray(value, kinds[name]) if name in kinds else value
