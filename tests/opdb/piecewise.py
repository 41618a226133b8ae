"""Activation functions made of pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import tilegrad as tg

from .elementwise import between, function, normal, singles, unary_bad
from .record import FLOATING, SHAPES, Bad, Op, Sample, exact, ulps

# Computed to 50 digits from the equations of Klambauer et al. (2017); test_selu_keeps_mean_and_variance integrates them.
SCALE, ALPHA = 1.0507009873554804934193, 1.6732632423543772848170

# Away from the corners, where a difference quotient has no meaning: of every interval [i - 0.5, i + 0.5] its middle.
CORNER_FREE = 0.4


def off_corners(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers from -8 to 9 that are at least 0.1 away from every integer."""
    return np.asarray(rng.integers(-8, 9, size=shape) + 0.5 + rng.uniform(-CORNER_FREE, CORNER_FREE, size=shape))


def with_numbers(
    name: str, numbers: tuple[float, ...], draw: Callable[..., np.ndarray]
) -> Callable[[np.random.Generator], Iterator[Sample]]:
    def samples(rng: np.random.Generator) -> Iterator[Sample]:
        for place, shape in enumerate(SHAPES):
            yield Sample((draw(rng, shape),), {name: numbers[place % len(numbers)]} if place % 4 else {})

    return samples


def number_bad(op: str, argument: str, default: str, hint: str = "") -> tuple[Bad, ...]:
    x = np.ones(2, np.float32)
    return (
        Bad((x, "x"), tg.DTypeError, rf"{op}: {argument} must be a number, found str{hint}"),
        Bad((x, x), tg.DTypeError, rf"{op}: {argument} must be a number, found Tensor{hint}"),
        Bad((x.astype(np.int64),), tg.DTypeError,
            rf"{op}: the number {default} is floating and the tensor is int64; .*"),
    )  # fmt: skip


def prelus(rng: np.random.Generator) -> Iterator[Sample]:
    for place, shape in enumerate(SHAPES):
        x = off_corners(rng, shape)
        slope_shapes: tuple[tuple[int, ...], ...] = ((),) if not shape else ((), (1,), (shape[-1],))
        yield Sample((x, normal(rng, slope_shapes[place % len(slope_shapes)])))
    yield Sample((off_corners(rng, (700, 3)), normal(rng, (3,))))
    yield Sample((off_corners(rng, (40, 300)), normal(rng, (300,))))


THREE, ROWS = np.ones(3, np.float32), np.ones((2, 3), np.float32)
PRELU_BAD = (
    Bad((ROWS, np.ones(2, np.float32)), tg.ShapeError,
        r"prelu: slope must be one number or one per channel \(the last axis\) of x \[2, 3\], found \[2\]"),
    Bad((ROWS, ROWS), tg.ShapeError,
        r"prelu: slope must be one number or one per channel \(the last axis\) of x \[2, 3\], found \[2, 3\]"),
    Bad((ROWS, np.ones(3)), tg.DTypeError,
        r"prelu: operands have dtypes float32 and float64, which are never mixed silently; cast one with \.astype\(\)"),
    Bad((np.ones(3, np.int64), np.ones(3, np.int64)), tg.DTypeError,
        r"prelu: int64 is not supported \(float32, float64 are\); cast with \.astype\(\)"),
)  # fmt: skip


def maxouts(rng: np.random.Generator) -> Iterator[Sample]:
    for place, shape in enumerate(SHAPES):
        pieces = (1, 2, 3, 5, 17)[place % 5]
        yield Sample((normal(rng, (*shape, pieces)), pieces))
        if shape:
            yield Sample((normal(rng, (*shape[:-1], shape[-1] * pieces)), pieces))


def maxout(x: np.ndarray, pieces: int) -> np.ndarray:
    return x.reshape(*x.shape[:-1], x.shape[-1] // pieces, pieces).max(-1)


MAXOUT_BAD = (
    Bad((ROWS, 2), tg.ShapeError, r"maxout: pieces=2 must divide the last axis of x, found \[2, 3\]"),
    Bad((np.ones((), np.float32), 1), tg.ShapeError, r"maxout: pieces=1 must divide the last axis of x, found \[\]"),
    Bad((ROWS, 0), tg.ArgumentError, r"maxout: pieces must be a positive integer, found 0"),
    Bad((ROWS, 1.5), tg.ArgumentError, r"maxout: pieces must be a positive integer, found 1\.5"),
    Bad((ROWS.astype(np.int64), 3), tg.DTypeError, r"maxout: x must be a floating tensor, found int64"),
    Bad(("x", 3), tg.DTypeError, r"maxout: x must be a floating tensor, found str"),
)  # fmt: skip


def exact_op(name: str, reference: Any) -> Op:
    return Op(name, reference, singles(off_corners), exact, unary_bad(name, FLOATING))


OPS = [
    exact_op("step", lambda x: (x >= 0) * 1.0),
    exact_op("relu6", lambda x: np.clip(x, 0, 6)),
    Op("leaky_relu", lambda x, negative_slope=0.01: np.where(x > 0, x, negative_slope * x),
       with_numbers("negative_slope", (0.25, -0.5, 0.0), off_corners), ulps(1.5),  # the slope is rounded, and the product
       number_bad("leaky_relu", "negative_slope", r"0\.01", "; prelu takes a tensor")),
    Op("prelu", lambda x, slope: np.where(x > 0, x, slope * x), prelus, ulps(0.5), PRELU_BAD),
    Op("elu", lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(x)),
       with_numbers("alpha", (0.5, 1.7, 2.0), off_corners), ulps(3.5), number_bad("elu", "alpha", "1.*")),
    function("selu", lambda x: SCALE * np.where(x > 0, x, ALPHA * np.expm1(x)), between(-5, 5), 3),
    # x + 3 is rounded in units of its own size or of 3.
    Op("hard_sigmoid", lambda x: np.clip(x + 3, 0, 6) / 6, singles(off_corners),
       lambda sample, reference, epsilon: epsilon, unary_bad("hard_sigmoid", FLOATING)),
    Op("hard_swish", lambda x: x * np.clip(x + 3, 0, 6) / 6, singles(off_corners),
       lambda sample, reference, epsilon: 4 * epsilon, unary_bad("hard_swish", FLOATING)),
    Op("maxout", maxout, maxouts, exact, MAXOUT_BAD),
]  # fmt: skip
