"""Convolutions and products of matrices."""

from __future__ import annotations

from typing import Any

from .... import ops
from ..orders import channels_last
from ..reader import FLOATING, NodeToRead, Run, reads
from ..values import Value, plain
from .windows import auto_pads, check_pads, sizes

# As our weights lie: [R, S, C, K] of [K, C, R, S], [R, S, K, C] of a transposed convolution's [C, K, R, S].
KERNEL = {1: (2, 1, 0), 2: (2, 3, 1, 0)}
OPTIONS = "auto_pad dilations group kernel_shape pads strides"


def _spatial(node: NodeToRead) -> int:
    kernel = node.get("kernel_shape")
    rank = node.rank(1) or node.rank(0)
    spatial = len(kernel) if kernel else (rank or 4) - 2
    if spatial not in KERNEL or (rank is not None and rank - 2 != spatial):
        raise node.refuse(f"only images and sequences are supported, found {spatial} spatial axes")
    return int(spatial)


def images(x: Value) -> Any:
    """[N, H, W, C], with one row of a sequence."""
    tensor = x.lying(channels_last(x.rank))
    return tensor if x.rank == 4 else ops.expand_dims(tensor, 1)


def as_before(y: Any, x: Value) -> Value:
    """The result for images, of the rank that went in."""
    return Value(y if x.rank == 4 else ops.squeeze(y, 1), channels_last(x.rank))


def rows_columns(numbers: tuple[int, ...]) -> tuple[int, int]:
    """For images, of one row where it is a sequence."""
    rows, columns = numbers if len(numbers) == 2 else (1, *numbers)
    return rows, columns


def square(sides: Any) -> Any:
    """(before, behind) of rows and columns: of one row for a sequence."""
    return tuple(sides) if len(sides) == 2 else ((0, 0), *sides)


@reads("Conv", 1, 22, OPTIONS, dtypes=FLOATING)
def _conv(node: NodeToRead) -> Run:
    spatial, group = _spatial(node), int(node.get("group", 1))
    strides, dilations = sizes(node, "strides", spatial), sizes(node, "dilations", spatial)
    rule = check_pads(node, spatial)
    node.prefer(1, KERNEL[spatial])

    def run(x: Value, w: Value, b: Value | None = None) -> Value:
        extent = [(taps - 1) * apart + 1 for taps, apart in zip(w.shape[2:], dilations, strict=True)]
        sides = auto_pads(rule, node, x.shape[2:], extent, strides)
        weight = w.lying(KERNEL[spatial])
        y = ops.conv2d(
            images(x), weight if spatial == 2 else ops.expand_dims(weight, 0), None if b is None else b.tensor,
            rows_columns(strides), square(sides), rows_columns(dilations), group,
        )  # fmt: skip
        return as_before(y, x)

    return run


@reads("ConvTranspose", 1, 22, f"{OPTIONS} output_padding output_shape", dtypes=FLOATING)
def _conv_transpose(node: NodeToRead) -> Run:
    spatial, group = _spatial(node), int(node.get("group", 1))
    strides, dilations = sizes(node, "strides", spatial), sizes(node, "dilations", spatial)
    more = tuple(node.get("output_padding") or (0,) * spatial)
    rule, wanted = check_pads(node, spatial), node.get("output_shape")
    node.prefer(1, KERNEL[spatial])

    def run(x: Value, w: Value, b: Value | None = None) -> Value:
        extent = [(taps - 1) * apart + 1 for taps, apart in zip(w.shape[2:], dilations, strict=True)]
        whole = [(n - 1) * step + covered for n, step, covered in zip(x.shape[2:], strides, extent, strict=True)]
        if wanted is None and rule in ("NOTSET", "VALID"):
            sides = auto_pads(rule, node, x.shape[2:], extent, strides)
            out = [all_ + m - a - b_ for all_, m, (a, b_) in zip(whole, more, sides, strict=True)]
        else:
            out = list(wanted[-spatial:]) if wanted else [n * s for n, s in zip(x.shape[2:], strides, strict=True)]
            sides = []
            for all_, m, size in zip(whole, more, out, strict=True):
                total = max(all_ + m - size, 0)
                half = total // 2
                sides.append((half, total - half) if rule == "SAME_UPPER" else (total - half, half))
        weight = w.lying(KERNEL[spatial])
        # All of it, then what is wanted: output_padding may be larger than our function allows.
        y = ops.conv_transpose2d(
            images(x), weight if spatial == 2 else ops.expand_dims(weight, 0), None, rows_columns(strides), "valid",
            0, rows_columns(dilations), group,
        )  # fmt: skip
        widths, starts = [(0, 0)] * 4, [0, 0]
        for axis, (all_, size, (before, _)) in enumerate(zip(whole, out, sides, strict=True), 3 - spatial):
            widths[axis] = (0, max(before + size - all_, 0))
            starts[axis - 1] = before
        if any(behind for _, behind in widths):
            y = ops.pad(y, widths)
        ends = [start + size for start, size in zip(starts, ([1] * (2 - spatial)) + out, strict=True)]
        y = y[:, starts[0] : ends[0], starts[1] : ends[1]]
        return as_before(y if b is None else y + b.tensor, x)

    return run


@reads("Gemm", 7, 13, "alpha beta transA transB", dtypes=FLOATING)
def _gemm(node: NodeToRead) -> Run:
    alpha, beta = float(node.get("alpha", 1.0)), float(node.get("beta", 1.0))
    order_a, order_b = ((1, 0) if node.get(name, 0) else (0, 1) for name in ("transA", "transB"))
    node.prefer(1, order_b)

    def run(a: Value, b: Value, c: Value | None = None) -> Value:
        x, w = a.lying(order_a), b.lying(order_b)
        if alpha == beta == 1 and c is not None and c.shape == w.shape[1:]:
            return Value(ops.linear(x, w, c.tensor))
        product = ops.matmul(x, w)
        product = product if alpha == 1 else product * alpha
        if c is None:
            return Value(product)
        return Value(product + (c.tensor if beta == 1 else c.tensor * beta))

    return run


@reads("MatMul", 1, 13, dtypes=FLOATING)
def _matmul(node: NodeToRead) -> Run:
    return plain(ops.matmul)


@reads("Einsum", 12, 28, "equation", dtypes=FLOATING)
def _einsum(node: NodeToRead) -> Run:
    equation = node.require("equation").replace(" ", "")
    return plain(lambda *operands: ops.einsum(equation, *operands))
