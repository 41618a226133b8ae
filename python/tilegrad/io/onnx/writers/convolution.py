"""Convolutions and dense layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..orders import channels_first
from ..writer import writes
from .activation import activated

if TYPE_CHECKING:
    from ..trace import Call
    from ..writer import Writer

IMAGES = channels_first(4)
KERNEL = (3, 2, 0, 1)  # [K, C, R, S] of [R, S, C, K], and [C, K, R, S] of a transposed convolution's [R, S, K, C]


def pair(value: Any) -> tuple[int, int]:
    """Rows and columns."""
    rows, columns = (value, value) if isinstance(value, int) else value
    return int(rows), int(columns)


def borders(padding: Any, missing: tuple[int, int]) -> list[tuple[int, int]]:
    """(before, behind) of rows and columns; ``missing`` is what "same" spreads over both."""
    if padding == "valid":
        return [(0, 0), (0, 0)]
    if padding == "same":
        return [(total // 2, total - total // 2) for total in missing]
    rows, columns = (padding, padding) if isinstance(padding, int) else padding
    return [(side, side) if isinstance(side, int) else (int(side[0]), int(side[1])) for side in (rows, columns)]


def same_padding(image: Any, extent: Any, stride: tuple[int, int]) -> tuple[int, int]:
    """How much padding lets ceil(size / stride) windows in."""
    rows, columns = (
        max((-(-size // step) - 1) * step + covered - size, 0)
        for size, covered, step in zip(image, extent, stride, strict=True)
    )
    return rows, columns


def onnx_pads(sides: list[tuple[int, int]]) -> list[int]:
    """In ONNX's order: all that is before, then all that is behind."""
    return [before for before, _ in sides] + [behind for _, behind in sides]


@writes("conv2d")
def _conv2d(writer: Writer, call: Call) -> None:
    x, w, b, stride, padding, dilation, groups, activation = call.arguments
    strides, dilations = pair(stride), pair(dilation)
    extent = [(taps - 1) * apart + 1 for taps, apart in zip(w.shape, dilations, strict=False)]
    sides = borders(padding, same_padding(x.shape[1:3], extent, strides))
    inputs = [writer.name(x, IMAGES), writer.name(w, KERNEL), *([] if b is None else [writer.name(b)])]
    out = writer.emit(
        "Conv", inputs, kernel_shape=list(w.shape[:2]), strides=list(strides), pads=onnx_pads(sides),
        dilations=list(dilations), group=int(groups),
    )  # fmt: skip
    writer.result(call.result, activated(writer, out, activation, x.dtype.name), IMAGES)


@writes("conv_transpose2d")
def _conv_transpose2d(writer: Writer, call: Call) -> None:
    x, w, b, stride, padding, _, dilation, groups, activation = call.arguments
    strides, dilations = pair(stride), pair(dilation)
    # "same" crops what the convolution that is transposed would pad an image of stride times the size with.
    extent = [(taps - 1) * apart + 1 for taps, apart in zip(w.shape, dilations, strict=False)]
    image = [size * step for size, step in zip(x.shape[1:3], strides, strict=True)]
    sides = borders(padding, same_padding(image, extent, strides))
    inputs = [writer.name(x, IMAGES), writer.name(w, KERNEL), *([] if b is None else [writer.name(b)])]
    # What the output has more than the formula says: output_padding, and what "same" adds.
    more = [
        size - ((n - 1) * step + covered - before - behind)
        for size, n, step, covered, (before, behind) in zip(
            call.result.shape[1:3], x.shape[1:3], strides, extent, sides, strict=True
        )
    ]
    out = writer.emit(
        "ConvTranspose", inputs, kernel_shape=list(w.shape[:2]), strides=list(strides), pads=onnx_pads(sides),
        output_padding=more, dilations=list(dilations), group=int(groups),
    )  # fmt: skip
    writer.result(call.result, activated(writer, out, activation, x.dtype.name), IMAGES)


@writes("linear")
def _linear(writer: Writer, call: Call) -> None:
    x, w, b, activation = call.arguments
    bias = [] if b is None else [writer.name(b)]
    if x.ndim == 2:
        out = writer.emit("Gemm", [writer.name(x), writer.name(w), *bias])
    else:
        out = writer.emit("MatMul", [writer.name(x), writer.name(w)])
        out = writer.emit("Add", [out, *bias]) if bias else out
    writer.result(call.result, activated(writer, out, activation, x.dtype.name))


@writes("matmul")
def _matmul(writer: Writer, call: Call) -> None:
    writer.result(call.result, writer.emit("MatMul", [writer.name(x) for x in call.arguments]))
