"""Pooling, and images in another size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..orders import Order
from ..writer import writes
from .convolution import IMAGES, borders, onnx_pads, pair, same_padding

if TYPE_CHECKING:
    from ..trace import Call
    from ..writer import Writer


@writes("max_pool2d", "avg_pool2d")
def _pool2d(writer: Writer, call: Call) -> None:
    """Windows that stick out behind are let in by padding, because runtimes differ in what ceil_mode means."""
    x, kernel_size, stride, padding, _ceil_mode, flag = call.arguments
    is_max = call.function == "max_pool2d"
    out = call.result[0] if is_max else call.result
    kernel = pair(kernel_size)
    strides = kernel if stride is None else pair(stride)
    sides = borders(padding, same_padding(x.shape[1:3], kernel, strides))
    name = writer.name(x, IMAGES)
    if not is_max and flag and any(side for both in sides for side in both):  # the padding's zeros count
        name = writer.emit("Pad", [name, writer.number([0, 0, *onnx_pads(sides)[:2], 0, 0, *onnx_pads(sides)[2:]])])
        image = [size + before + behind for size, (before, behind) in zip(x.shape[1:3], sides, strict=True)]
        sides = [(0, 0), (0, 0)]
    else:
        image = list(x.shape[1:3])
    sides = [
        (before, max((windows - 1) * step + taps - size - before, 0))
        for (before, _), windows, step, taps, size in zip(sides, out.shape[1:3], strides, kernel, image, strict=True)
    ]
    op_type = "MaxPool" if is_max else "AveragePool"
    options: Any = {} if is_max else {"count_include_pad": 0}
    name = writer.emit(
        op_type, [name], kernel_shape=list(kernel), strides=list(strides), pads=onnx_pads(sides), **options
    )
    writer.result(out, name, IMAGES)


@writes("adaptive_avg_pool2d", "adaptive_max_pool2d")
def _adaptive_pool2d(writer: Writer, call: Call) -> None:
    x = call.arguments[0]
    is_max = call.function == "adaptive_max_pool2d"
    out = call.result[0] if is_max else call.result
    image, windows = x.shape[1:3], out.shape[1:3]
    name = writer.name(x, IMAGES)
    if windows == (1, 1):
        name = writer.emit("GlobalMaxPool" if is_max else "GlobalAveragePool", [name])
    elif all(size % count == 0 for size, count in zip(image, windows, strict=True)):
        kernel = [size // count for size, count in zip(image, windows, strict=True)]
        name = writer.emit("MaxPool" if is_max else "AveragePool", [name], kernel_shape=kernel, strides=kernel)
    else:  # windows of different sizes: rows first, then columns
        from .reductions import reduced

        op_type = "ReduceMax" if is_max else "ReduceMean"
        for axis, size, count in zip((2, 3), image, windows, strict=True):
            parts = []
            for p in range(count):
                ends = [[p * size // count], [-(-(p + 1) * size // count)], [axis]]
                part = writer.emit("Slice", [name, *map(writer.number, ends)])
                parts.append(reduced(writer, op_type, part, [axis], True))
            name = writer.emit("Concat", parts, axis=axis)
    writer.result(out, name, IMAGES)


@writes("interpolate")
def _interpolate(writer: Writer, call: Call) -> None:
    x, _size, factors, linear = call.arguments
    order: Order = IMAGES
    name = writer.name(x, order)
    out = call.result
    scales = [
        factor or size / before for factor, size, before in zip(factors, out.shape[1:3], x.shape[1:3], strict=True)
    ]
    whole = [before * scale == size for before, scale, size in zip(x.shape[1:3], scales, out.shape[1:3], strict=True)]
    options: Any = {
        "mode": "linear" if linear else "nearest",
        "coordinate_transformation_mode": "half_pixel" if linear else "asymmetric",
        "nearest_mode": None if linear else "floor",
    }
    if any(factors) or all(whole):
        inputs = [name, "", writer.number([1, 1, *scales], "float32")]
    else:
        front = writer.emit("Slice", [writer.emit("Shape", [name]), writer.number([0]), writer.number([2])])
        inputs = [name, "", "", writer.emit("Concat", [front, writer.number(list(out.shape[1:3]))], axis=0)]
    writer.result(out, writer.emit("Resize", inputs, **options), order)
