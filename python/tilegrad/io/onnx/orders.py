"""Axis orders: how a tensor lies that is meant in another order of axes.

Images are [N, H, W, C] here and [N, C, H, W] in ONNX. Writing and reading both keep a tensor in the order in which it
was made, together with that order, and transpose it where somebody needs another: so pairs of transposes between
convolutions never arise. ``order[i]`` is the meant axis that stored axis ``i`` is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = [
    "Order", "after_permute", "between", "channels_first", "channels_last", "natural", "with_axis", "without",
]  # fmt: skip

Order = tuple[int, ...]


def natural(rank: int) -> Order:
    """The order in which the tensor is meant."""
    return tuple(range(rank))


def channels_first(rank: int) -> Order:
    """[N, C, ...] for a tensor that is meant as [N, ..., C]."""
    return (0, rank - 1, *range(1, rank - 1)) if rank > 2 else natural(rank)


def channels_last(rank: int) -> Order:
    """[N, ..., C] for a tensor that is meant as [N, C, ...]."""
    return (0, *range(2, rank), 1) if rank > 2 else natural(rank)


def between(stored: Order, wanted: Order) -> Order:
    """The permutation that brings what is stored in one order into another."""
    return tuple(stored.index(axis) for axis in wanted)


def after_permute(order: Order, axes: Sequence[int]) -> Order:
    """The order of a permuted tensor whose elements stay where they are."""
    return tuple(list(axes).index(axis) for axis in order)


def without(order: Order, gone: Iterable[int]) -> Order:
    """The order that is left when meant axes go."""
    removed = set(gone)
    kept = [axis for axis in order if axis not in removed]
    return tuple(sorted(kept).index(axis) for axis in kept)


def with_axis(order: Order, axis: int) -> tuple[Order, int]:
    """The order when a meant axis comes in, and the stored place that it gets: before the one it comes before."""
    moved = [old if old < axis else old + 1 for old in order]
    place = moved.index(axis + 1) if axis + 1 in moved else len(moved)
    return (*moved[:place], axis, *moved[place:]), place
