"""Images in another size."""

from __future__ import annotations

from typing import Any

from .... import ops
from ..orders import channels_last
from ..reader import FLOATING, NodeToRead, Run, reads
from ..values import Value

OPTIONS = (
    "coordinate_transformation_mode mode nearest_mode cubic_coeff_a exclude_outside extrapolation_value antialias axes "
    "keep_aspect_ratio_policy"
)


def _resized(node: NodeToRead, x: Value, scales: Any, sizes: Any, linear: bool) -> Value:
    if x.rank != 4:
        raise node.refuse(f"only images are supported, found {x.rank} axes")
    order = channels_last(4)
    image = x.shape[2:]
    if scales is not None:
        if scales[0] != 1 or scales[1] != 1:
            raise node.refuse(f"only rows and columns may change, found scales {scales}")
        wanted = tuple(int(size * scale) for size, scale in zip(image, scales[2:], strict=True))
        if any(size * scale != out for size, scale, out in zip(image, scales[2:], wanted, strict=True)):
            return Value(ops.interpolate(x.lying(order), None, tuple(scales[2:]), _mode(linear)), order)
    else:
        if list(sizes[:2]) != list(x.shape[:2]):
            raise node.refuse(f"only rows and columns may change, found sizes {sizes}")
        wanted = tuple(sizes[2:])
    return Value(ops.interpolate(x.lying(order), wanted, None, _mode(linear)), order)


def _mode(linear: bool) -> str:
    return "bilinear" if linear else "nearest"


@reads("Resize", 10, 19, OPTIONS, dtypes=FLOATING, steering=(1, 2, 3))
def _resize(node: NodeToRead) -> Run:
    mode = node.only("mode", "nearest", "nearest", "linear")
    node.only("antialias", 0)
    node.only("exclude_outside", 0)
    node.only("keep_aspect_ratio_policy", "stretch")
    if node.version >= 11:
        places = node.get("coordinate_transformation_mode", "half_pixel")
        if mode == "linear" and places not in ("half_pixel", "pytorch_half_pixel"):
            raise node.refuse(f"linear with coordinate_transformation_mode={places!r} is not supported, only 'half_pixel'")
        if mode == "nearest" and (places, node.get("nearest_mode", "round_prefer_floor")) != ("asymmetric", "floor"):
            raise node.refuse(
                "nearest is supported with coordinate_transformation_mode='asymmetric' and nearest_mode='floor' alone"
            )
    elif mode == "linear":
        raise node.refuse("linear is supported since opset 11 alone; before, pixels were points")
    axes = node.get("axes")

    def run(x: Value, *rest: Value | None) -> Value:
        roi_scales_sizes = (None, *rest) if node.version < 11 else rest
        _, scales, sizes = [*roi_scales_sizes, None, None, None][:3]
        by = None if scales is None or not scales.shape[0] else [float(n) for n in scales.numbers()]
        to = None if sizes is None or not sizes.shape[0] else sizes.integers()
        if (by is None) == (to is None):
            raise node.refuse("it needs either scales or sizes")
        if axes is not None:
            by = None if by is None else [*map(float, _spread(by, axes, [1.0] * x.rank))]
            to = None if to is None else [*map(int, _spread(to, axes, list(x.shape)))]
        return _resized(node, x, by, to, mode == "linear")

    return run


def _spread(given: Any, axes: Any, whole: Any) -> Any:
    for axis, value in zip(axes, given, strict=True):
        whole[axis] = value
    return whole


@reads("Upsample", 7, 9, "mode scales", dtypes=FLOATING, steering=(1,))
def _upsample(node: NodeToRead) -> Run:
    node.only("mode", "nearest")

    def run(x: Value, scales: Value | None = None) -> Value:
        by = node.require("scales") if scales is None else scales.numbers().tolist()
        return _resized(node, x, [float(scale) for scale in by], None, False)

    return run
