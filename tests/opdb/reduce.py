"""Reductions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import tilegrad as tg

from .record import Bad, Op, Sample

# (shape, axis): every rank, odd sizes around the 16 lanes and the 1024 elements of a chunk, few and many outputs, empty.
REDUCTIONS = [
    ((), None), ((1,), None), ((7,), 0), ((15,), None), ((16,), -1), ((17,), 0), ((33,), None), ((1000,), 0), ((1023,), 0),
    ((1025,), 0), ((5000,), None), ((3, 5), 0), ((3, 5), 1), ((3, 5), None), ((5, 17), (0, 1)), ((2, 1030), 1), ((1030, 2), 0),
    ((1030, 67), 0), ((65, 70), 0), ((6, 33), 1), ((2, 3, 5), 1), ((3, 2, 5), (0, 2)), ((3, 4, 5), (-1, -2)), ((2, 3, 4, 5), (1, 3)),
    ((2, 3, 5, 7), (0, 1, 2)), ((2, 3, 5, 7), (1, 2)), ((2, 3), ()), ((0,), None), ((0, 3), 0), ((0, 3), 1), ((3, 0), 1), ((1, 9), 0),
]  # fmt: skip


def reductions(rng: np.random.Generator) -> Iterator[Sample]:
    for number, (shape, axis) in enumerate(REDUCTIONS):
        yield Sample((rng.normal(size=shape),), {"axis": axis, "keepdims": number % 2 == 0})


def integers(rng: np.random.Generator) -> Iterator[Sample]:
    """Small integers and zeros, which every dtype holds."""
    for number, (shape, axis) in enumerate(REDUCTIONS):
        values = rng.integers(0, 4, size=shape).astype(np.float64)
        yield Sample((values,), {"axis": axis, "keepdims": number % 2 == 0})


def terms(sample: Sample, reference: np.ndarray, epsilon: float) -> float:
    """At most 64 + 4 roundings in a chunk, each of half an epsilon of a partial sum that is below the sum of magnitudes."""
    x = np.asarray(sample.args[0], np.float64)
    axis = sample.kwargs.get("axis")
    magnitude = np.abs(x).sum(axis=tuple(axis) if isinstance(axis, (tuple, list)) else axis)
    return 34 * epsilon * float(np.max(magnitude, initial=0.0))


def axis_bad(name: str) -> tuple[Bad, ...]:
    x = np.ones((2, 3), np.float32)
    return (
        Bad((x,), tg.OutOfRangeError, rf"{name}: axis 2 is out of range for a tensor of 2 dimensions", {"axis": 2}),
        Bad((x,), tg.OutOfRangeError, rf"{name}: axis -3 is out of range for a tensor of 2 dimensions", {"axis": (0, -3)}),
        Bad((x,), tg.ArgumentError, rf"{name}: axis -1 comes twice in \[1, -1\] for float32 \[2, 3\]", {"axis": (1, -1)}),
        Bad((x.astype(np.float16),), tg.DTypeError, rf"{name}: no kernel for float16; cast first"),
    )  # fmt: skip


OPS = [
    Op("sum", np.sum, reductions, terms, axis_bad("sum")),
    Op("sum", np.sum, integers, dtypes=("int64", "int32", "uint8", "bool"), gradient=False),
]
