"""Chunk, unbind, moveaxis, tile, repeat, meshgrid, outer, masked_fill, diagonal, trace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import tilegrad as tg

from .indexing import whole
from .joining import AXES
from .record import SHAPES, Bad, Op, Sample, exact, ulps

KINDS = ("float32", "float64", "int64")  # views and copies of other ops, whose own records have every dtype
SMALL = [shape for shape in SHAPES if np.prod(shape) < 300]


def chunk_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for number, (shape, axis) in enumerate(AXES):
        yield Sample((whole(rng, shape), number % 5 + 1), {"axis": axis})
    yield Sample((whole(rng, (2, 7)), 100), {"axis": -1})


def chunk_reference(x: np.ndarray, chunks: int, axis: int) -> tuple[np.ndarray, ...]:
    size = x.shape[axis]
    if size == 0:
        return (x,) * chunks
    part = -(-size // chunks)
    return tuple(np.split(x, range(part, size, part), axis))


def unbind_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, axis in AXES:
        if shape[axis] <= 9:
            yield Sample((whole(rng, shape),), {"axis": axis})
    for shape in ((2, 3, 4), (4, 2), (9, 1), (1, 9), (5, 4, 3), (6, 1, 2)):
        yield Sample((whole(rng, shape),), {"axis": -1})


def unbind_reference(x: np.ndarray, axis: int) -> tuple[np.ndarray, ...]:
    return tuple(np.moveaxis(x, axis, 0))


def moveaxis_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, axis in AXES:
        yield Sample((whole(rng, shape), axis, (axis + 1) % len(shape)))
    yield Sample((whole(rng, (2, 3, 4)), -1, 0))


def tile_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for number, shape in enumerate(SMALL):
        reps = tuple((number + d) % 4 for d in range(number % 4))
        yield Sample((whole(rng, shape), reps))
    yield Sample((whole(rng, (2, 3)), 3))


def repeat_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for number, (shape, axis) in enumerate(AXES):
        yield Sample((whole(rng, shape), number % 4), {"axis": axis})
    yield Sample((whole(rng, ()), 3))
    yield Sample((whole(rng, (2, 3)), 2))


def meshgrid_samples(rng: np.random.Generator) -> Iterator[Sample]:
    sizes: list[tuple[int, ...]] = [
        (1,), (5,), (0,), (2, 3), (3, 2), (1, 7), (17, 1), (0, 3), (3, 0), (16, 16), (2, 3, 4), (1, 1, 1), (3, 1, 5),
        (2, 2, 2, 2), (2, 1, 3, 2), (33, 2),
    ]  # fmt: skip
    for lengths in sizes:
        for indexing in ("ij", "xy"):
            yield Sample(tuple(whole(rng, (n,)) for n in lengths), {"indexing": indexing})


def meshgrid_reference(*axes: np.ndarray, indexing: str) -> tuple[np.ndarray, ...]:
    return tuple(np.meshgrid(*axes, indexing=indexing))  # type: ignore[arg-type]


def outer_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for n in (0, 1, 2, 3, 17):
        for m in (0, 1, 7, 16, 33):
            yield Sample((rng.normal(size=n), rng.normal(size=m)))


def masked_fill_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in SMALL:
        yield Sample((whole(rng, shape), np.asarray(rng.random(shape) < 0.5), 7))
    yield Sample((whole(rng, (4, 3)), np.array([True, False, True]), 1))
    yield Sample((whole(rng, (4, 1)), np.ones((4, 3), bool), 0))


def diagonal_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in ((1, 1), (3, 5), (5, 3), (4, 4), (1, 7), (17, 9), (0, 3), (3, 0)):
        for offset in (0, 1, -2, 9, -9):
            yield Sample((whole(rng, shape),), {"offset": offset})
    for shape in ((2, 3, 4), (3, 3, 3), (2, 3, 5, 7)):
        yield Sample((whole(rng, shape),), {"offset": 1, "axis1": -1, "axis2": 0})


def trace_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for rows in (0, 1, 2, 5, 17):
        for columns in (1, 3, 4, 9, 33):
            yield Sample((rng.normal(size=(rows, columns)),))


def trace_tolerance(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    return epsilon * min(sample.args[0].shape) * np.abs(np.diagonal(sample.args[0])).sum()


three, grid = np.ones(3, np.float32), np.ones((3, 4), np.float32)
OPS = [
    Op(
        "chunk",
        chunk_reference,
        chunk_samples,
        exact,
        (
            Bad((three, 0), tg.ArgumentError, "chunk: chunks must be an integer from 1 up, found 0"),
            Bad((three, 1.5), tg.ArgumentError, r"chunk: chunks must be an integer from 1 up, found 1\.5"),
            Bad((three, 2, 1), tg.OutOfRangeError, "chunk: axis 1 is out of range for a tensor of 1 dimensions"),
        ),
        KINDS,
    ),
    Op(
        "unbind",
        unbind_reference,
        unbind_samples,
        exact,
        (
            Bad((three, 1), tg.OutOfRangeError, "unbind: axis 1 is out of range for a tensor of 1 dimensions"),
            Bad((grid, -3), tg.OutOfRangeError, "unbind: axis -3 is out of range for a tensor of 2 dimensions"),
            Bad((np.array(1, np.float32),), tg.OutOfRangeError, "unbind: axis 0 is out of range for a tensor of 0 dimensions"),
        ),
        KINDS,
    ),
    Op(
        "moveaxis",
        np.moveaxis,
        moveaxis_samples,
        exact,
        (
            Bad((grid, 2, 0), tg.OutOfRangeError, "moveaxis: axis 2 is out of range for a tensor of 2 dimensions"),
            Bad((grid, 0, 2), tg.OutOfRangeError, "moveaxis: axis 2 is out of range for a tensor of 2 dimensions"),
            Bad((grid, 0, -3), tg.OutOfRangeError, "moveaxis: axis -3 is out of range for a tensor of 2 dimensions"),
        ),
        KINDS,
    ),
    Op(
        "tile",
        np.tile,
        tile_samples,
        exact,
        (
            Bad((three, -1), tg.ArgumentError, "tile: reps must be an integer from 0 up, found -1"),
            Bad((three, (2, "x")), tg.ArgumentError, "tile: reps must be an integer from 0 up, found 'x'"),
            Bad((three, 1.0), tg.ArgumentError, r"tile: reps must be an integer from 0 up, found 1\.0"),
        ),
        KINDS,
    ),
    Op(
        "repeat",
        lambda x, repeats, axis=None: np.repeat(x, repeats, axis),
        repeat_samples,
        exact,
        (
            Bad((three, -1), tg.ArgumentError, "repeat: repeats must be an integer from 0 up, found -1"),
            Bad((three, True), tg.ArgumentError, "repeat: repeats must be an integer from 0 up, found True"),
            Bad((three, 2, 1), tg.OutOfRangeError, "repeat: axis 1 is out of range for a tensor of 1 dimensions"),
        ),
        KINDS,
    ),
    Op(
        "meshgrid",
        meshgrid_reference,
        meshgrid_samples,
        exact,
        (
            Bad((), tg.ArgumentError, "meshgrid: at least one vector is needed, found none"),
            Bad((three, grid), tg.ShapeError, r"meshgrid: axes\[1\] must be a vector, found \[3, 4\]"),
            Bad((three,), tg.ArgumentError, "meshgrid: indexing must be 'ij' or 'xy', found 'ji'", {"indexing": "ji"}),
            Bad(
                (three, np.ones(2)),
                tg.DTypeError,
                r"meshgrid: all vectors must have one dtype, found float32 and float64; cast with \.astype\(\)",
            ),
        ),
        KINDS,
    ),
    Op(
        "outer",
        np.outer,
        outer_samples,
        ulps(0.5),
        (
            Bad((grid, three), tg.ShapeError, r"outer: a must be a vector, found \[3, 4\]; flatten\(\) it first"),
            Bad((three, grid), tg.ShapeError, r"outer: b must be a vector, found \[3, 4\]; flatten\(\) it first"),
            Bad((three, np.ones(3)), tg.DTypeError, "outer: operands have dtypes float32 and float64.*"),
        ),
    ),
    Op(
        "masked_fill",
        lambda x, mask, value: np.where(mask, np.asarray(value, x.dtype), x),
        masked_fill_samples,
        exact,
        (
            Bad(
                (three, np.ones(3, bool), three),
                tg.DTypeError,
                r"masked_fill: value must be a number, found a tensor; where\(\) takes tensors on both sides",
            ),
            Bad((three, three, 0), tg.DTypeError, "masked_fill: .*"),
            Bad((three, np.ones(2, bool), 0), tg.ShapeError, "masked_fill: .*"),
            Bad((np.ones(3, np.int64), np.ones(3, bool), 0.5), tg.DTypeError, "masked_fill: the number 0.5 is floating.*"),
        ),
        KINDS,
    ),
    Op(
        "diagonal",
        np.diagonal,
        diagonal_samples,
        exact,
        (
            Bad((three,), tg.ShapeError, r"diagonal: x must have at least two axes, found \[3\]"),
            Bad((grid, 0, 1, 1), tg.ArgumentError, "diagonal: the two axes must differ, found 1 and 1"),
            Bad((grid, 0, 0, 2), tg.OutOfRangeError, "diagonal: axis 2 is out of range for a tensor of 2 dimensions"),
        ),
        KINDS,
    ),
    Op(
        "trace",
        np.trace,
        trace_samples,
        trace_tolerance,
        (
            Bad((three,), tg.ShapeError, r"trace: x must be a matrix, found \[3\]"),
            Bad((np.ones((2, 2, 2)),), tg.ShapeError, r"trace: x must be a matrix, found \[2, 2, 2\]"),
            Bad((np.array(1, np.float32),), tg.ShapeError, r"trace: x must be a matrix, found \[\]"),
        ),
    ),
]  # fmt: skip
