"""Images in another size: each axis by itself, as a choice of pixels or a product with a matrix of weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .... import ops
from ..orders import channels_last
from ..reader import FLOATING, NodeToRead, Run, reads
from ..values import Value

Array = np.ndarray[Any, Any]

OPTIONS = (
    "coordinate_transformation_mode mode nearest_mode cubic_coeff_a exclude_outside extrapolation_value antialias axes "
    "keep_aspect_ratio_policy"
)
TAPS = {"linear": (0, 1), "cubic": (-1, 0, 1, 2)}
ROUNDING: dict[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda places: np.ceil(places - 0.5),
    "round_prefer_ceil": lambda places: np.floor(places + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def _places(kind: str, size: int, out: int, scale: float) -> Array:
    """Where in the input each output pixel lies."""
    p = np.arange(out, dtype=np.float64)
    if kind == "asymmetric":
        return p / scale
    if kind == "align_corners":
        return p * ((size - 1) / (size * scale - 1) if size * scale != 1 else 0)
    if kind == "pytorch_half_pixel" and out == 1:
        return np.zeros(1)
    places: Array = (p + 0.5) / scale - 0.5
    if kind == "half_pixel_symmetric":  # sizes are rounded down: the middle stays the middle
        places += size / 2 * (1 - out / (scale * size))
    return places


def _weights(mode: str, distance: Array, a: float) -> Array:
    """Of pixels at a distance."""
    t = np.abs(distance)
    if mode == "linear":
        tent: Array = np.maximum(1 - t, 0)
        return tent
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    weights: Array = np.where(t <= 1, near, np.where(t < 2, far, 0))
    return weights


def _matrix(mode: str, places: Array, size: int, a: float, excludes: bool) -> Array:
    """[size, out]: what each output pixel takes of each input pixel."""
    matrix = np.zeros((size, len(places)))
    columns = np.arange(len(places))
    first = np.floor(places)
    for tap in TAPS[mode]:
        index = first + tap
        weight = _weights(mode, places - index, a)
        if excludes:
            weight = np.where((index < 0) | (index >= size), 0, weight)
        np.add.at(matrix, (np.clip(index, 0, size - 1).astype(int), columns), weight)
    whole: Array = matrix / matrix.sum(0) if excludes else matrix
    return whole


def _axis(node: NodeToRead, x: Any, at: int, out: int, scale: float, mode: str, places: str, rounding: str) -> Any:
    size = x.shape[at]
    where = _places(places, size, out, scale)
    if mode == "nearest":
        index = np.clip(ROUNDING[rounding](where), 0, size - 1).astype(np.int64)
        return ops.take(x, ops.tensor(index, device=x.device), at)
    matrix = _matrix(mode, where, size, float(node.get("cubic_coeff_a", -0.75)), bool(node.get("exclude_outside", 0)))
    weights = ops.tensor(matrix.astype(x.dtype.name), device=x.device)
    return ops.moveaxis(ops.matmul(ops.moveaxis(x, at, -1), weights), -1, at)


def _resize_run(node: NodeToRead, mode: str, places: str, rounding: str) -> Callable[..., Value]:
    def resize(x: Value, scales: Sequence[float], sizes: Sequence[int]) -> Value:
        changed = [axis for axis in range(x.rank) if sizes[axis] != x.shape[axis] or scales[axis] != 1]
        exact = all(x.shape[axis] * scales[axis] == sizes[axis] for axis in changed)
        is_ours = (mode, places, rounding) == ("nearest", "asymmetric", "floor") or (
            mode == "linear" and places in ("half_pixel", "pytorch_half_pixel") and min(sizes) > 1
        )
        if x.rank == 4 and set(changed) <= {2, 3} and is_ours and exact and not node.get("exclude_outside", 0):
            name = "bilinear" if mode == "linear" else "nearest"
            order = channels_last(4)
            return Value(ops.interpolate(x.lying(order), (sizes[2], sizes[3]), None, name), order)
        tensor = x.stored
        for axis in changed:
            at = x.order.index(axis)
            tensor = _axis(node, tensor, at, sizes[axis], scales[axis], mode, places, rounding)
        return x.same_order(tensor)

    return resize


@reads("Resize", 10, 19, OPTIONS, dtypes=FLOATING, steering=(1, 2, 3))
def _resize(node: NodeToRead) -> Run:
    mode = node.only("mode", "nearest", "nearest", "linear", "cubic")
    node.only("antialias", 0)
    if node.version < 11:
        places, rounding = "asymmetric", "floor"
    else:
        places = node.only(
            "coordinate_transformation_mode", "half_pixel", "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",
            "align_corners", "asymmetric",
        )  # fmt: skip
        rounding = node.only("nearest_mode", "round_prefer_floor", *ROUNDING)
    policy = node.only("keep_aspect_ratio_policy", "stretch", "stretch", "not_larger", "not_smaller")
    resize = _resize_run(node, mode, places, rounding)

    def run(x: Value, *rest: Value | None) -> Value:
        _, by, to = [*((None, *rest) if node.version < 11 else rest), None, None, None][:3]
        axes = [axis % x.rank for axis in node.get("axes") or range(x.rank)]
        scales, sizes = [1.0] * x.rank, list(x.shape)
        given = next((value for value in (by, to) if value is not None and value.shape[0]), None)
        if given is None or given.shape[0] != len(axes):
            raise node.refuse(f"it needs {len(axes)} scales or sizes")
        wanted = given.numbers().tolist()
        if given is to and policy != "stretch":
            ratios = [size / x.shape[axis] for axis, size in zip(axes, wanted, strict=True)]
            one = min(ratios) if policy == "not_larger" else max(ratios)
            for axis in axes:
                scales[axis], sizes[axis] = one, math.floor(one * x.shape[axis] + 0.5)
        else:
            for axis, number in zip(axes, wanted, strict=True):
                scales[axis] = number / x.shape[axis] if given is to else float(number)
                sizes[axis] = int(number) if given is to else int(x.shape[axis] * number)
        if min(sizes) < 1:
            raise node.refuse(f"its sizes must be positive, found {sizes}")
        return resize(x, scales, sizes)

    return run


@reads("Upsample", 7, 9, "mode scales", dtypes=FLOATING, steering=(1,))
def _upsample(node: NodeToRead) -> Run:
    resize = _resize_run(node, node.only("mode", "nearest", "nearest", "linear"), "asymmetric", "floor")

    def run(x: Value, scales: Value | None = None) -> Value:
        by = [float(scale) for scale in (node.require("scales") if scales is None else scales.numbers())]
        return resize(x, by, [int(size * scale) for size, scale in zip(x.shape, by, strict=True)])

    return run
