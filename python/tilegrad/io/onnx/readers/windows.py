"""Attributes that convolution and pooling share."""

from __future__ import annotations

from collections.abc import Sequence

from ..reader import NodeToRead

__all__ = ["Sides", "auto_pads", "check_pads", "given_pads", "sizes"]

Sides = list[tuple[int, int]]
"""(before, behind) of each spatial axis."""


def sizes(node: NodeToRead, attribute: str, spatial: int, default: int = 1) -> tuple[int, ...]:
    """An attribute with a positive number for each spatial axis."""
    found = tuple(node.get(attribute) or (default,) * spatial)
    if len(found) != spatial or any(size < 1 for size in found):
        raise node.refuse(f"{attribute} must be {spatial} positive numbers, found {list(found)}")
    return found


def check_pads(node: NodeToRead, spatial: int) -> str:
    """The rule of padding, after a look at the attributes."""
    rule: str = node.only("auto_pad", "NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")
    pads = node.get("pads")
    if pads is not None and (len(pads) != 2 * spatial or any(side < 0 for side in pads)):
        raise node.refuse(f"pads must be {2 * spatial} numbers from 0 up, found {list(pads)}")
    return rule


def given_pads(node: NodeToRead, spatial: int) -> Sides:
    """The attribute pads: all that is before, then all that is behind."""
    pads = node.get("pads") or [0] * 2 * spatial
    return list(zip(pads[:spatial], pads[spatial:], strict=True))


def auto_pads(
    rule: str, node: NodeToRead, image: Sequence[int], extent: Sequence[int], strides: Sequence[int]
) -> Sides:
    """Before and behind of each axis of an image, by the rule."""
    if rule == "NOTSET":
        return given_pads(node, len(image))
    if rule == "VALID":
        return [(0, 0)] * len(image)
    sides = []
    for size, covered, stride in zip(image, extent, strides, strict=True):
        missing = max((-(-size // stride) - 1) * stride + covered - size, 0)
        less, more = missing // 2, missing - missing // 2
        sides.append((less, more) if rule == "SAME_UPPER" else (more, less))
    return sides
