"""Concat, stack, split, pad, crop, flip, roll."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import tilegrad as tg

from .indexing import whole
from .record import EVERY, SHAPES, Bad, Op, Sample, exact, not_tensor

AXES = [(shape, axis) for shape in SHAPES for axis in range(len(shape)) if np.prod(shape) < 300][:28]


def concat_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, axis in AXES:

        def sized(size: int, shape: tuple[int, ...] = shape, axis: int = axis) -> tuple[int, ...]:
            return (*shape[:axis], size, *shape[axis + 1 :])

        yield Sample(([whole(rng, shape), whole(rng, sized(3)), whole(rng, sized(0))],), {"axis": axis})
    yield Sample(([whole(rng, (2, 3))],), {"axis": -1})


def stack_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, axis in [*AXES, ((), 0)]:
        yield Sample(([whole(rng, shape) for _ in range(3)],), {"axis": axis})
    yield Sample(([whole(rng, (2, 3))],), {"axis": -1})


def split_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, axis in AXES:
        size = shape[axis]
        yield Sample((whole(rng, shape), [size // 3, size - size // 3]), {"axis": axis})
    for parts in (1, 2, 3, 6):
        yield Sample((whole(rng, (2, 6)), parts), {"axis": 1})


def split_reference(x: np.ndarray, sizes: Any, axis: int) -> tuple[np.ndarray, ...]:
    return tuple(np.split(x, sizes if isinstance(sizes, int) else np.cumsum(sizes)[:-1], axis))


def pad_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in SHAPES:
        if len(shape) and np.prod(shape) < 300:
            yield Sample((whole(rng, shape), [(d, (d + 1) % 3) for d in range(len(shape))]))
    yield Sample((whole(rng, (3, 4)), 2), {"value": 1})
    yield Sample((whole(rng, (3, 4)), (1, 2)))
    yield Sample((whole(rng, (3, 4)), ((0, 0), (0, 0))))
    for mode in ("edge", "reflect"):
        yield Sample((whole(rng, (3, 4)), 2), {"mode": mode})
        yield Sample((whole(rng, (1, 3, 5)), ((0, 0), (2, 1), (0, 3))), {"mode": mode})
        yield Sample((whole(rng, (33,)), (7, 32)), {"mode": mode})


def pad_reference(x: np.ndarray, widths: Any, mode: str = "constant", value: float = 0) -> np.ndarray:
    extra = {"constant_values": value} if mode == "constant" else {}
    return np.pad(x, widths, mode=mode, **extra)  # type: ignore[call-overload, no-any-return]


def crop_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in SHAPES:
        if len(shape) and np.prod(shape) < 300:
            yield Sample((whole(rng, shape), [(size // 2, size // 3) for size in shape]))
    yield Sample((whole(rng, (5, 6)), 2))
    yield Sample((whole(rng, (5, 6)), (1, 0)))


def crop_reference(x: np.ndarray, widths: Any) -> np.ndarray:
    pairs = np.broadcast_to(widths, (x.ndim, 2))
    return x[tuple(slice(a, size - b) for (a, b), size in zip(pairs, x.shape, strict=True))]


def axis_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, axis in AXES:
        yield Sample((whole(rng, shape),), {"axis": axis})


def flip_samples(rng: np.random.Generator) -> Iterator[Sample]:
    yield from axis_samples(rng)
    yield Sample((whole(rng, (2, 3, 4)),))
    yield Sample((whole(rng, (2, 3, 4)),), {"axis": (0, -1)})


def roll_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for number, (shape, axis) in enumerate(AXES):
        yield Sample((whole(rng, shape), number - 9), {"axis": axis})


two, three, grid = np.ones(2, np.float32), np.ones(3, np.float32), np.ones((3, 4), np.float32)
OPS = [
    Op(
        "concat",
        lambda tensors, axis: np.concatenate(tensors, axis),
        concat_samples,
        exact,
        (
            Bad(([],), tg.ArgumentError, "concat: expected at least one tensor"),
            Bad(
                ([two, np.ones(2)],),
                tg.DTypeError,
                r"concat: tensors\[1\] is float64 and tensors\[0\] is float32; cast one with "
                r"\.astype\(\)",
            ),
            Bad(
                ([grid, np.ones((3, 5), np.float32)],),
                tg.ShapeError,
                r"concat: tensors\[1\] is \[3, 5\] and tensors\[0\] is "
                r"\[3, 4\]; all sizes but that of axis 0 must agree",
            ),
            Bad(
                ([grid, two],),
                tg.ShapeError,
                r"concat: tensors\[1\] is \[2\] and tensors\[0\] is \[3, 4\]; all sizes but that of "
                "axis 0 must agree",
            ),
            Bad(([two], 1), tg.OutOfRangeError, "concat: axis 1 is out of range for a tensor of 1 dimensions"),
            Bad(
                ([two, 3],),
                tg.DTypeError,
                r"concat: tensors\[1\] must be a tensor, found int; tg\.tensor\(\) makes one from other data",
            ),
        ),
        EVERY,
    ),
    Op(
        "stack",
        lambda tensors, axis: np.stack(tensors, axis),
        stack_samples,
        exact,
        (
            Bad(([],), tg.ArgumentError, "stack: expected at least one tensor"),
            Bad(
                ([two, three],),
                tg.ShapeError,
                r"stack: tensors\[1\] is \[3\] and tensors\[0\] is \[2\]; all shapes must agree",
            ),
            Bad(([two, two], 2), tg.OutOfRangeError, "stack: axis 2 is out of range for a tensor of 2 dimensions"),
        ),
        EVERY,
    ),
    Op(
        "split",
        split_reference,
        split_samples,
        exact,
        (
            Bad((three, 2), tg.ShapeError, "split: axis 0 of size 3 cannot be cut into 2 equal parts"),
            Bad((three, 0), tg.ShapeError, "split: axis 0 of size 3 cannot be cut into 0 equal parts"),
            Bad((three, [1, 3]), tg.ShapeError, r"split: sizes \[1, 3\] do not sum to 3, the size of axis 0"),
            Bad((three, [-1, 4]), tg.ShapeError, r"split: sizes \[-1, 4\] do not sum to 3, the size of axis 0"),
        ),
        EVERY,
    ),
    Op(
        "pad",
        pad_reference,
        pad_samples,
        exact,
        (
            Bad((three, -1), tg.ArgumentError, "pad: widths must not be negative, found -1"),
            Bad(
                (grid, [(1, 1)]),
                tg.ShapeError,
                r"pad: widths must be a number, \(before, behind\), or such a pair for each of the "
                r"2 axes of \[3, 4\], found \[\(1, 1\)\]",
            ),
            Bad(
                (three, 3),
                tg.ShapeError,
                r"pad: axis 0 of size 3 is too short for reflect borders \(3, 3\)",
                {"mode": "reflect"},
            ),
            Bad(
                (three, 3),
                tg.ArgumentError,
                "pad: mode must be 'constant', 'edge' or 'reflect', found 'wrap'",
                {"mode": "wrap"},
            ),
            Bad(
                (np.array([1]), 1),
                tg.DTypeError,
                r"pad: the number 0\.5 is floating and the tensor is int64; .*",
                {"value": 0.5},
            ),
        ),
        EVERY,
    ),
    Op(
        "crop",
        crop_reference,
        crop_samples,
        exact,
        (
            Bad((three, (2, 2)), tg.ShapeError, r"crop: borders \(2, 2\) are wider than axis 0 of size 3"),
            Bad((three, -1), tg.ArgumentError, "crop: widths must not be negative, found -1"),
            not_tensor("crop", 1),
        ),
        EVERY,
    ),
    Op(
        "flip",
        lambda x, axis=None: np.flip(x, axis),
        flip_samples,
        exact,
        (
            Bad((three, 1), tg.OutOfRangeError, "flip: axis 1 is out of range for a tensor of 1 dimensions"),
            Bad((three, (0, -2)), tg.OutOfRangeError, "flip: axis -2 is out of range for a tensor of 1 dimensions"),
            not_tensor("flip"),
        ),
        EVERY,
    ),
    Op(
        "roll",
        lambda x, shift, axis: np.roll(x, shift, axis),
        roll_samples,
        exact,
        (
            Bad((three, 1, 1), tg.OutOfRangeError, "roll: axis 1 is out of range for a tensor of 1 dimensions"),
            Bad((three, 1, -2), tg.OutOfRangeError, "roll: axis -2 is out of range for a tensor of 1 dimensions"),
            Bad((three, 1.5), tg.ArgumentError, r"roll: shift must be an integer, found 1\.5"),
            Bad((three[:0], "a"), tg.ArgumentError, "roll: shift must be an integer, found 'a'"),
            Bad((three, (1,)), tg.ArgumentError, r"roll: shift must be an integer, found \(1,\)"),
            not_tensor("roll", 1),
        ),
        EVERY,
    ),
]
