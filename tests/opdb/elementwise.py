"""Elementwise ops."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import tilegrad as tg

from .record import SHAPES, Bad, Op, Sample, exact, ulps

# Pairs of shapes that broadcast.
PAIRS = [(shape, shape) for shape in SHAPES] + [
    ((3,), ()), ((), (3,)), ((2, 3), (3,)), ((2, 3), (2, 1)), ((2, 1), (1, 3)), ((4, 1, 5), (3, 1)), ((1,), (2, 2, 2)),
    ((0, 3), (3,)), ((17, 33), (33,)), ((17, 33), (17, 1)),
]  # fmt: skip


def pairs(rng: np.random.Generator) -> Iterator[Sample]:
    for a, b in PAIRS:
        yield Sample((rng.normal(size=a), rng.normal(size=b)))
    yield Sample((rng.normal(size=(3, 4)), 2))
    yield Sample((0.5, rng.normal(size=(3, 4))))


def singles(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in SHAPES:
        yield Sample((rng.normal(size=shape),))


def binary_bad(name: str) -> tuple[Bad, ...]:
    two, three = np.ones(2, np.float32), np.ones(3, np.float32)
    return (
        Bad((two, three), tg.ShapeError, rf"{name}: shapes \[2\] and \[3\] do not broadcast: axis -1 \(from the end\) is 2 "
            r"in one and 3 in the other, and neither is 1"),
        Bad((two, np.ones(2)), tg.DTypeError, rf"{name}: operands have dtypes float32 and float64, which are never mixed "
            r"silently; cast one with \.astype\(\)"),
        Bad((two, "x"), tg.DTypeError, rf"{name}: expected two tensors, or a tensor and a number; found Tensor and str "
            r"\(tg\.tensor\(\) makes a tensor from other data\)"),
    )  # fmt: skip


OPS = [
    Op("add", np.add, pairs, ulps(1), binary_bad("add")),
    Op("multiply", np.multiply, pairs, ulps(1), binary_bad("multiply")),
    Op("negative", np.negative, singles, exact),
]
