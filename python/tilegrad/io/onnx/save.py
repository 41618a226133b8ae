"""``tg.io.save_onnx``: a model as an ONNX file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ... import _C, ops
from ...errors import OnnxError, require
from ...nn.graph import followed
from ...structure import tensors_in
from ..atomic import write_atomically
from .batch_sizes import BatchSize, depends_on_batch, merge
from .model_proto import Declared, serialized
from .orders import channels_first, natural
from .trace import Trace, trace, writes_in_place
from .writer import WRITERS, Writer
from .writers.arranging import note_padding  # with all other writers, which register themselves

if TYPE_CHECKING:
    from ...nn.module import Module

__all__ = ["save_onnx"]

RANDOM = {
    "alpha_dropout", "bernoulli_", "dropout", "normal_", "permutation", "randint_", "spatial_dropout",
    "truncated_normal_", "uniform_",
}  # fmt: skip
OPSETS = range(17, 24)  # LayerNormalization came with 17


def save_onnx(
    model: Module,
    path: str | os.PathLike[str],
    input_shapes: Sequence[int | Sequence[int]] | Sequence[int],
    *,
    dtypes: Any = "float32",
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic_batch: bool = True,
    image_layout: str = "nchw",
    opset: int = 17,
) -> None:
    """Write a model, as it computes in evaluation mode, to an ONNX file that other libraries run.

    The model is called on zeros, and what its ops compute is written: dropout is gone, control flow is what it was for
    these shapes. The path holds the old file or the new one at any time, whole.

    Parameters
    ----------
    model
        Any module; not changed, but built by this where sizes were left out.
    path
        By convention ``*.onnx``.
    input_shapes
        The shape of the input without the batch, or a list of the shapes of several inputs. Images are [H, W, C] here,
        whatever ``image_layout`` is.
    dtypes
        The dtype of the inputs, or a list with one for each.
    input_names, output_names
        How the file calls them; by default ``input`` and ``output``, with a number where there are several.
    dynamic_batch
        Whether the batch may have any size when the model is run; otherwise it is one sample.
    image_layout : {"nchw", "nhwc"}
        How inputs and outputs of four axes lie in the file: as is usual in ONNX, or as here.
    opset
        The version of ONNX's operators, from 17 to 23.

    Raises
    ------
    OnnxError
        If the model does what ONNX, or this function, cannot express; names the layer, the op and a way out. Nothing is
        written then.
    ArgumentError
        If an argument makes no sense.
    MissingExtraError
        If the package ``onnx`` is not installed.

    See Also
    --------
    load_onnx

    Notes
    -----
    docs/onnx.md has the table of ops. Parameters keep their paths as names.

    Examples
    --------
    >>> import tilegrad as tg
    >>> model = tg.nn.Sequential(tg.nn.Conv2d(3, 8, 3, padding="same"), tg.nn.ReLU(), tg.nn.GlobalAvgPool2d())
    >>> tg.io.save_onnx(model, "model.onnx", (32, 32, 3))
    """
    require("onnx", "onnx", "save_onnx")
    shapes = _shapes(input_shapes)
    kinds = list(dtypes) if isinstance(dtypes, (list, tuple)) else [dtypes] * len(shapes)
    if len(kinds) != len(shapes):
        raise _C.ArgumentError(f"save_onnx: {len(shapes)} inputs and {len(kinds)} dtypes; give one for each")
    if image_layout not in ("nchw", "nhwc"):
        raise _C.ArgumentError(f"save_onnx: image_layout must be 'nchw' or 'nhwc', found {image_layout!r}")
    if opset not in OPSETS:
        raise _C.ArgumentError(f"save_onnx: opset must be from {OPSETS[0]} to {OPSETS[-1]}, found {opset!r}")
    traced = _traced(model, shapes, kinds, dynamic_batch)
    writer = Writer(opset, traced.shapes)
    first = image_layout == "nchw"
    inputs = _put_inputs(writer, traced, input_names, first)
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        writer.parameter(tensor, name)
    _write_calls(writer, traced)
    outputs = _outputs(writer, traced, output_names, [put.name for put in inputs], first)
    write_atomically(path, [serialized(writer, type(model).__name__, inputs, outputs)])


def _shapes(given: Any) -> list[tuple[int, ...]]:
    parts = [given] if isinstance(given, int) else list(given)
    if all(isinstance(part, int) for part in parts):
        return [tuple(parts)]
    return [(part,) if isinstance(part, int) else tuple(part) for part in parts]


def _traced(model: Module, shapes: list[tuple[int, ...]], dtypes: list[Any], dynamic_batch: bool) -> Trace:
    """With a BatchSize where sizes grow with the batch."""

    def sample(batch: int) -> list[Any]:
        return [ops.zeros((batch, *shape), dtype, device) for shape, dtype in zip(shapes, dtypes, strict=True)]

    device = "cpu"
    if any(module._unbuilt for module in model.modules()):
        with followed(model, lambda *_: None, lambda *_: None):
            model(*sample(1))
    device = next((parameter.device for parameter in model.parameters()), "cpu")
    if not dynamic_batch:
        return trace(model, sample(1), 1)
    first, second = trace(model, sample(2), 2), trace(model, sample(3), 3)
    merged = merge(first, second)
    for tensor in first.inputs:
        merged.shapes[id(tensor)] = (BatchSize(2, 1), *tensor.shape[1:])
    return merged


def _put_inputs(
    writer: Writer, traced: Trace, names: Sequence[str] | None, channels_come_first: bool
) -> list[Declared]:
    declared = []
    for name, tensor in zip(_named("input", names, len(traced.inputs)), traced.inputs, strict=True):
        order = channels_first(4) if channels_come_first and tensor.ndim == 4 else natural(tensor.ndim)
        writer.input(tensor, name, order)
        declared.append(Declared(name, tensor.dtype.name, [writer.shape(tensor)[axis] for axis in order]))
    return declared


def _named(what: str, names: Sequence[str] | None, count: int) -> list[str]:
    if names is None:
        return [what] if count == 1 else [f"{what}_{i}" for i in range(count)]
    if isinstance(names, str) or len(names) != count or len({*names}) != count or not all(names):
        raise _C.ArgumentError(
            f"save_onnx: {what}_names must be {count} different names, one for each {what}; found {names!r}"
        )
    return list(names)


def _write_calls(writer: Writer, traced: Trace) -> None:
    """All calls whose result depends on the inputs or on the number of samples; the others' results are constants."""
    for call in traced.calls:
        writer.path, writer.function = call.path, call.function
        if call.function in ("basic_view", "assign") and note_padding(writer, call):
            continue
        if call.function in RANDOM:
            raise writer.refuse("it draws random numbers, which would be the same ones whenever the file is run")
        known = [writer.find(tensor) for tensor in tensors_in(call.arguments)]
        if writes_in_place(call.function) and known[:1] != [None]:
            raise writer.refuse(
                "it writes into a tensor that is there already; compute a new one instead (where(), x = x + y)"
            )
        depends = any(value is not None and value.constant is None for value in known)
        grows = any(depends_on_batch(writer.shape(tensor)) for tensor in tensors_in(call.result))
        if not depends and not grows:
            continue
        if call.function not in WRITERS:
            raise writer.refuse(
                "ONNX export knows no such op (docs/onnx.md tells which it knows); put it together from others, or "
                "leave it out of the model that is written"
            )
        WRITERS[call.function](writer, call)
    writer.path = writer.function = ""


def _outputs(
    writer: Writer, traced: Trace, names: Sequence[str] | None, taken: list[str], channels_come_first: bool
) -> list[Declared]:
    """Gives the outputs their names, by renaming what makes them where that is possible."""
    tensors = tensors_in(traced.outputs)
    if not tensors:
        raise OnnxError("save_onnx: the model returns no tensor")
    declared: list[Declared] = []
    made = {output for node in writer.nodes for output in node.outputs}
    for name, tensor in zip(_named("output", names, len(tensors)), tensors, strict=True):
        order = channels_first(4) if channels_come_first and tensor.ndim == 4 else natural(tensor.ndim)
        found = writer.name(tensor, order)
        made.update(writer.nodes[-1].outputs if writer.nodes else ())
        if name in taken:
            raise _C.ArgumentError(f"save_onnx: {name!r} is an input's name; give the output another")
        if found not in made or found in taken:  # an input, a constant, or an output for the second time
            found = writer.emit("Identity", [found])
        writer.rename(found, name)
        taken.append(name)
        declared.append(Declared(name, tensor.dtype.name, [writer.shape(tensor)[axis] for axis in order]))
    return declared
