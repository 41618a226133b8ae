"""Pooling."""

from __future__ import annotations

from typing import Any

from .... import ops
from ..reader import FLOATING, NodeToRead, Run, reads
from ..values import Value
from .convolution import as_before, images
from .windows import auto_pads, check_pads, sizes

OPTIONS = "auto_pad ceil_mode dilations kernel_shape pads strides"


def _windows(node: NodeToRead) -> Any:
    """What gives for an image the padding with which whole windows cover it, and the number of windows."""
    spatial = len(node.require("kernel_shape"))
    if spatial not in (1, 2):
        raise node.refuse(f"only images and sequences are supported, found {spatial} spatial axes")
    kernel, strides = sizes(node, "kernel_shape", spatial), sizes(node, "strides", spatial)
    if any(apart != 1 for apart in sizes(node, "dilations", spatial)):
        raise node.refuse("dilations other than 1 are not supported")
    rule, is_ceil = check_pads(node, spatial), bool(node.get("ceil_mode", 0))

    def place(image: Any) -> tuple[list[tuple[int, int]], list[int]]:
        sides = auto_pads(rule, node, image, kernel, strides)
        counts = []
        for size, taps, step, (before, behind) in zip(image, kernel, strides, sides, strict=True):
            room = size + before + behind - taps
            count = (-(-room // step) if is_ceil else room // step) + 1
            if is_ceil and (count - 1) * step >= size + before:  # it would begin in the padding behind
                count -= 1
            counts.append(count)
        return sides, counts

    return spatial, kernel, strides, place


def _bordered(x: Any, sides: Any, ends: Any, value: float) -> Any:
    """Images with a border in front and whatever lets the last window end."""
    widths = [(0, 0), *zip([before for before, _ in sides], ends, strict=True), (0, 0)]
    return ops.pad(x, widths, value=value) if any(map(any, widths)) else x


def _pool(node: NodeToRead, is_max: bool, counts_padding: bool) -> Run:
    spatial, kernel, strides, place = _windows(node)
    one = (1,) * (2 - spatial)

    def run(x: Value) -> Value:
        image = x.shape[2:]
        sides, counts = place(image)
        ends = [
            (count - 1) * step + taps - size - before
            for count, step, taps, size, (before, _) in zip(counts, strides, kernel, image, sides, strict=True)
        ]
        cut = [slice(0, size + min(end, 0)) for size, end in zip(image, ends, strict=True)]
        pads = [(before, max(end, 0)) for (before, _), end in zip(sides, ends, strict=True)]
        given = images(x)[(slice(None), *[slice(None)] * (2 - spatial), *cut)]
        rows = [(0, 0)] * (2 - spatial) + pads
        window = ((*one, *kernel), (*one, *strides))
        if all(max(pad) < taps for pad, taps in zip(pads, kernel, strict=True)) and not counts_padding:
            pool = ops.max_pool2d if is_max else ops.avg_pool2d
            return as_before(pool(given, *window, tuple(rows)), x)
        if is_max:
            bordered = _bordered(given, rows, [behind for _, behind in rows], -float("inf"))
            return as_before(ops.max_pool2d(bordered, *window), x)
        # Means over zeros of the padding: what lies behind it does not count.
        padded = [(0, 0)] * (2 - spatial) + sides
        whole = ops.pad(images(x), [(0, 0), *padded, (0, 0)])
        beyond = [max(end - behind, 0) for end, (_, behind) in zip(ends, sides, strict=True)]
        behind = tuple([(0, 0)] * (2 - spatial) + [(0, more) for more in beyond])
        return as_before(ops.avg_pool2d(whole[_up_to(whole, counts, window, spatial)], *window, behind), x)

    return run


def _up_to(whole: Any, counts: Any, window: Any, spatial: int) -> Any:
    """The part of images that the windows cover."""
    (kernel, strides) = window
    rows = [1] * (2 - spatial) + list(counts)
    return (slice(None), *(slice(0, (n - 1) * s + k) for n, s, k in zip(rows, strides, kernel, strict=True)))


@reads("MaxPool", 1, 22, f"{OPTIONS} storage_order", dtypes=FLOATING)
def _max_pool(node: NodeToRead) -> Run:
    node.only("storage_order", 0)
    return _pool(node, True, False)


@reads("AveragePool", 7, 22, f"{OPTIONS} count_include_pad", dtypes=FLOATING)
def _average_pool(node: NodeToRead) -> Run:
    return _pool(node, False, bool(node.get("count_include_pad", 0)))


def _global(function: Any) -> Run:
    def run(x: Value) -> Value:
        places = tuple(x.order.index(axis) for axis in range(2, x.rank))
        # An axis of size 1 may stand anywhere, so the result lies as the image did.
        return x.same_order(function(x.stored, places, keepdims=True))

    return run


@reads("GlobalAveragePool", 1, 22, dtypes=FLOATING)
def _global_average_pool(node: NodeToRead) -> Run:
    return _global(ops.mean)


@reads("GlobalMaxPool", 1, 22, dtypes=FLOATING)
def _global_max_pool(node: NodeToRead) -> Run:
    return _global(ops.max)
