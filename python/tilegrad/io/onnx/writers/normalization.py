"""Normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..orders import channels_first, natural
from ..writer import writes
from .activation import activated
from .reductions import reduced

if TYPE_CHECKING:
    from ..trace import Call
    from ..writer import Writer


def _filled(writer: Writer, tensor: Any, shape: tuple[int, ...], value: float, dtype: str) -> str:
    """The parameter, or what stands for one that is not there."""
    import numpy as np

    return writer.name(tensor) if tensor is not None else writer.number(np.full(shape, value), dtype)


@writes("batch_norm")
def _batch_norm(writer: Writer, call: Call) -> None:
    x, gamma, beta, mean, var, _, training, _, eps, activation = call.arguments
    if training or mean is None:
        raise writer.refuse("it normalises by the statistics of the batch; keep running statistics")
    dtype, shape = x.dtype.name, x.shape[-1:]
    order = channels_first(x.ndim)
    inputs = [
        writer.name(x, order), _filled(writer, gamma, shape, 1, dtype), _filled(writer, beta, shape, 0, dtype),
        writer.name(mean), writer.name(var),
    ]  # fmt: skip
    out = writer.emit("BatchNormalization", inputs, epsilon=float(eps))
    writer.result(call.result[0], activated(writer, out, activation, dtype), order)


@writes("layer_norm")
def _layer_norm(writer: Writer, call: Call) -> None:
    x, gamma, beta, shape, eps = call.arguments
    shape = tuple(shape) if shape is not None else x.shape[-1:]
    dtype = x.dtype.name
    inputs = [writer.name(x), _filled(writer, gamma, shape, 1, dtype), *([] if beta is None else [writer.name(beta)])]
    writer.result(call.result[0], writer.emit("LayerNormalization", inputs, axis=-len(shape), epsilon=float(eps)))


@writes("rms_norm")
def _rms_norm(writer: Writer, call: Call) -> None:
    x, gamma, shape, eps = call.arguments
    axes = list(range(-len(shape) if shape is not None else -1, 0))
    name = writer.name(x)
    squares = reduced(writer, "ReduceMean", writer.emit("Mul", [name, name]), axes, True)
    root = writer.emit("Sqrt", [writer.emit("Add", [squares, writer.number(eps, x.dtype.name)])])
    out = writer.emit("Div", [name, root])
    writer.result(call.result[0], writer.emit("Mul", [out, writer.name(gamma)]) if gamma is not None else out)


@writes("group_norm")
def _group_norm(writer: Writer, call: Call) -> None:
    """InstanceNormalization of groups: GroupNormalization meant something else before opset 21."""
    _, x, groups, gamma, beta, eps = call.arguments
    dtype, channels = x.dtype.name, x.shape[-1]
    order = channels_first(x.ndim)
    name = writer.name(x, order)
    if groups == channels and x.ndim > 2:
        inputs = [name, *(_filled(writer, p, (channels,), v, dtype) for p, v in ((gamma, 1), (beta, 0)))]
        writer.result(call.result[0], writer.emit("InstanceNormalization", inputs, epsilon=float(eps)), order)
        return
    inputs = [
        writer.emit("Reshape", [name, writer.number([0, groups, -1])]),
        _filled(writer, None, (groups,), 1, dtype), _filled(writer, None, (groups,), 0, dtype),
    ]  # fmt: skip
    out = writer.emit("InstanceNormalization", inputs, epsilon=float(eps))
    out = writer.emit("Reshape", [out, writer.emit("Shape", [name])])
    scaled = writer.result(call.result[0], out, order)
    for parameter, op_type in ((gamma, "Mul"), (beta, "Add")):
        if parameter is not None:
            names, order = writer.aligned((call.result[0], parameter), call.result[0])
            scaled = writer.result(call.result[0], writer.emit(op_type, names), order)
    assert scaled.stored


@writes("local_response_norm")
def _local_response_norm(writer: Writer, call: Call) -> None:
    x, size, alpha, beta, k, _ = call.arguments
    if size % 2 == 1 and x.ndim > 2:
        order = channels_first(x.ndim)
        out = writer.emit(
            "LRN", [writer.name(x, order)], size=size, alpha=float(alpha), beta=float(beta), bias=float(k)
        )
        writer.result(call.result[0], out, order)
        return
    # A window of even size begins elsewhere in ONNX: sum shifted squares instead.
    dtype, C, rank = x.dtype.name, x.shape[-1], x.ndim
    name = writer.name(x)
    pads = [*[0] * (rank - 1), size // 2, *[0] * (rank - 1), size - 1 - size // 2]
    squares = writer.emit("Pad", [writer.emit("Mul", [name, name]), writer.number(pads)])
    parts = [
        writer.emit("Slice", [squares, writer.number([i]), writer.number([i + C]), writer.number([rank - 1])])
        for i in range(size)
    ]
    mean = writer.emit("Mul", [writer.emit("Sum", parts), writer.number(alpha / size, dtype)])
    base = writer.emit("Add", [mean, writer.number(k, dtype)])
    out = writer.emit("Div", [name, writer.emit("Pow", [base, writer.number(beta, dtype)])])
    writer.result(call.result[0], out, natural(rank))
