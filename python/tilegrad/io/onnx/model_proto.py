"""The bytes of an ONNX file from a written graph: without what no output needs, checked, with the shapes inferred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..._version import __version__
from ...errors import OnnxError
from .batch_sizes import BatchSize
from .correspondence import DTYPES

if TYPE_CHECKING:
    from .writer import Node, Writer

__all__ = ["Declared", "serialized"]

LARGEST = (1 << 31) - 1  # bytes of a protocol buffer


@dataclass(frozen=True)
class Declared:
    """An input or output of the graph."""

    name: str
    dtype: str
    shape: Sequence[int]


def serialized(writer: Writer, name: str, inputs: Sequence[Declared], outputs: Sequence[Declared]) -> bytes:
    """The file's content.

    Raises
    ------
    OnnxError
        If it would be larger than a file may be, or ONNX's own checker finds fault with it.
    """
    from onnx import checker, helper, numpy_helper, shape_inference

    nodes = _needed(writer.nodes, [output.name for output in outputs])
    used = {name for node in nodes for name in node.inputs}
    kept = {name: array for name, array in writer.initializers.items() if name in used}
    size = sum(array.nbytes for array in kept.values())
    if size > LARGEST:
        raise OnnxError(f"save_onnx: the parameters have {size} bytes, and one ONNX file holds at most {LARGEST}")
    graph = helper.make_graph(
        [helper.make_node(node.op_type, node.inputs, node.outputs, node.name, **node.attributes) for node in nodes],
        name,
        [_declaration(helper, declared) for declared in inputs],
        [_declaration(helper, declared) for declared in outputs],
        [numpy_helper.from_array(array, name) for name, array in kept.items()],
    )
    opsets = [helper.make_opsetid("", writer.opset)]
    model = helper.make_model_gen_version(
        graph, opset_imports=opsets, producer_name="tilegrad", producer_version=__version__
    )
    model.ir_version = helper.find_min_ir_version_for(opsets)
    try:
        model = shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        checker.check_model(model, full_check=True)
    except (checker.ValidationError, shape_inference.InferenceError) as error:
        raise OnnxError(f"save_onnx: ONNX's checker refuses the model: {error}") from error
    content: bytes = model.SerializeToString()
    return content


def _needed(nodes: Sequence[Node], outputs: Sequence[str]) -> list[Node]:
    """The nodes that the outputs depend on."""
    wanted = set(outputs)
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.outputs):
            wanted.update(node.inputs)
            kept.append(node)
    return kept[::-1]


def _declaration(helper: Any, declared: Declared) -> Any:
    shape = [_dimension(size) for size in declared.shape]
    return helper.make_tensor_value_info(declared.name, DTYPES[declared.dtype], shape)


def _dimension(size: int) -> int | str:
    if not isinstance(size, BatchSize):
        return size
    return "batch" if size.factor == 1 else f"batch*{size.factor}"
