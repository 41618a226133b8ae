"""Dropout: the reference draws the same words in NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import tilegrad as tg

from ..philox import keep_mask
from .record import SHAPES, Bad, Op, Sample, ulps

SEED, STREAM = 11, 5


def seeded(function: Any) -> Any:
    return lambda x, p, training: function(x, p, training, generator=tg.Generator(SEED, STREAM))


def dropout_reference(x: np.ndarray, p: float, training: bool) -> np.ndarray:
    if not training or p == 0:
        return x
    return np.where(keep_mask(SEED, STREAM, x.size, p).reshape(x.shape), x / (1 - p), 0.0)


def spatial_reference(x: np.ndarray, p: float, training: bool) -> np.ndarray:
    if not training or p == 0:
        return x
    N, C = x.shape[0], x.shape[-1]
    mask = keep_mask(SEED, STREAM, N * C, p).reshape(N, *[1] * (x.ndim - 2), C)
    return np.where(mask, x / (1 - p), 0.0)


LIMIT = -1.0507009873554804934193 * 1.6732632423543772848170  # selu far below zero


def alpha_scale(p: float) -> float:
    return float(((1 - p) * (1 + p * LIMIT**2)) ** -0.5)


def alpha_reference(x: np.ndarray, p: float, training: bool) -> np.ndarray:
    if not training or p == 0:
        return x
    scale = alpha_scale(p)
    kept = keep_mask(SEED, STREAM, x.size, p).reshape(x.shape)
    return np.where(kept, x * scale - scale * p * LIMIT, scale * (1 - p) * LIMIT)


def alpha_terms(sample: Sample, reference: np.ndarray, epsilon: float) -> float:
    """A product and a sum, of an element and the limit, scaled."""
    x, p, _ = sample.args
    return 2 * epsilon * alpha_scale(p) * float(np.max(np.abs(x), initial=0.0) + 2)


def samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in SHAPES:
        yield Sample((rng.normal(size=shape), 0.5, True))
    for p in (0.0, 0.01, 0.9, 1 - 2.0**-40):
        yield Sample((rng.normal(size=(9, 31)), p, True))
    yield Sample((rng.normal(size=(9, 31)), 0.5, False))


def spatial_samples(rng: np.random.Generator) -> Iterator[Sample]:
    sizes = [(1, 1, 1), (2, 3, 4), (3, 1, 65), (1, 7, 33), (5, 2, 0), (0, 2, 3), (2, 0, 3), (4, 4, 17), (2, 9, 2)]
    for N, H, C in sizes:
        yield Sample((rng.normal(size=(N, H, C)), 0.4, True))
        yield Sample((rng.normal(size=(N, H, 3, C)), 0.6, True))
    yield Sample((rng.normal(size=(2, 3, 4)), 0.0, True))
    yield Sample((rng.normal(size=(2, 3, 4)), 0.5, False))
    yield Sample((rng.normal(size=(2, 2, 3, 2, 5)), 0.3, True))


def bad(name: str, x: np.ndarray) -> tuple[Bad, ...]:
    def out_of_range(p: float, text: str) -> Bad:
        message = rf"{name}: p must be at least 0 and below 1 \(the share of elements set to zero\), found {text}"
        return Bad((x, p, True), tg.ArgumentError, message)

    return (
        out_of_range(1.0, "1"), out_of_range(-0.1, r"-0\.1"), out_of_range(float("nan"), "nan"),
        Bad((x.astype(np.int64), 0.5, True), tg.DTypeError,
            rf"{name}: x must be float32 or float64, found int64 \[.*\]; cast it with \.astype\(\)"),
        Bad(([1.0], 0.5, False), tg.DTypeError,
            rf"{name}: x must be a tensor, found list; tg\.tensor\(\) makes one from other data"),
    )  # fmt: skip


# Dividing by 1 - p is rounded twice here: in 1 / (1 - p) and in the product.
OPS = [
    Op("alpha_dropout", alpha_reference, samples, alpha_terms, bad("alpha_dropout", np.ones(3, np.float32)),
       function=seeded(tg.alpha_dropout)),
    Op("dropout", dropout_reference, samples, ulps(1.5), bad("dropout", np.ones(3, np.float32)),
       function=seeded(tg.dropout)),
    Op(
        "spatial_dropout",
        spatial_reference,
        spatial_samples,
        ulps(1.5),
        (
            *bad("spatial_dropout", np.ones((1, 2, 3), np.float32)),
            Bad((np.ones((2, 3), np.float32), 0.5, True), tg.ShapeError,
                r"spatial_dropout: x must be \[N, \.\.\., C\] with at least one axis between samples and channels, "
                r"found float32 \[2, 3\]; use dropout"),
        ),
        function=seeded(tg.spatial_dropout),
    ),
]  # fmt: skip
