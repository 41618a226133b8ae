"""Losses of pairs and triples of vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import tilegrad as tg

from .losses import reduced
from .record import Bad, Op, Sample

VECTORS = [
    (1, 2), (2, 3), (3, 16), (7, 17), (1, 33), (5, 2), (4, 65), (2, 3, 4), (2, 2, 3, 5), (4,), (17, 9), (16, 8), (33, 3),
    (1, 1030), (9, 31), (3, 1, 7), (20, 5), (6, 6), (2, 127), (65, 2),
]  # fmt: skip
REDUCTIONS = ("mean", "sum", "none")


def cosine(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    lengths = np.linalg.norm(a, axis=axis) * np.linalg.norm(b, axis=axis)
    return np.asarray((a * b).sum(axis) / lengths)


def cosines(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in VECTORS:
        yield Sample((rng.normal(size=shape), rng.normal(size=shape)))
    yield Sample((rng.normal(size=(3, 4)), rng.normal(size=(3, 4))), {"axis": 0})
    yield Sample((rng.normal(size=(3, 1, 4)), rng.normal(size=(1, 5, 4))), {"axis": 2})


def pairs(margins: tuple[float, ...], other: int) -> Any:
    def samples(rng: np.random.Generator) -> Iterator[Sample]:
        for number, shape in enumerate(VECTORS):
            target = np.where(rng.random(size=shape[:-1]) < 0.5, 1, other).astype((np.int64, np.int32)[number % 2])
            options = {"margin": margins[number % len(margins)], "reduction": REDUCTIONS[number % 3]}
            yield Sample((rng.normal(size=shape), rng.normal(size=shape), target), options)
        yield Sample((np.ones((0, 3)), np.ones((0, 3)), np.zeros(0, np.int64)), {"reduction": "sum"})

    return samples


def cosine_embedding(
    a: np.ndarray, b: np.ndarray, target: np.ndarray, margin: float = 0.0, reduction: str = "mean"
) -> np.ndarray:
    losses = np.where(target > 0, 1 - cosine(a, b), np.maximum(0, cosine(a, b) - margin))
    return reduced(losses, losses.size, reduction)


def contrastive(
    a: np.ndarray, b: np.ndarray, target: np.ndarray, margin: float = 1.0, reduction: str = "mean"
) -> np.ndarray:
    d = np.linalg.norm(a - b, axis=-1)
    losses = np.where(target > 0, d, np.maximum(0, margin - d)) ** 2 / 2
    return reduced(losses, losses.size, reduction)


def triplets(rng: np.random.Generator) -> Iterator[Sample]:
    for number, shape in enumerate(VECTORS):
        options = {
            "margin": (1.0, 0.3)[number % 2],
            "p": (2, 1, float("inf"))[number % 3],
            "swap": number % 4 == 1,
            "reduction": REDUCTIONS[number // 2 % 3],
        }
        yield Sample(tuple(rng.normal(size=shape) for _ in range(3)), options)


def triplet(
    anchor: np.ndarray, positive: np.ndarray, negative: np.ndarray, margin: float, p: float, swap: bool, reduction: str
) -> np.ndarray:
    def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.norm(a - b + 1e-6, p, axis=-1))

    far = distance(anchor, negative)
    if swap:
        far = np.minimum(far, distance(positive, negative))
    losses = np.maximum(0, distance(anchor, positive) - far + margin)
    return reduced(losses, losses.size, reduction)


def vector_terms(sample: Sample, reference: np.ndarray, epsilon: float) -> float:
    """Products and sums of some hundred terms at most, relative to the longest vectors, squared."""
    x = np.asarray(sample.args[0], np.float64)
    length = float(np.max(np.abs(x).sum(-1), initial=1.0)) if sample.kwargs.get("p", 2) != 2 else 1.0
    size = float(np.max((x * x).sum(-1), initial=1.0)) + 1
    count = x.size // x.shape[-1] if sample.kwargs.get("reduction") == "sum" else 1
    return 40 * epsilon * (size + length) * max(count, 1)


ROWS, LABELS = np.ones((2, 3), np.float32), np.array([1, -1])


def pair_bad(name: str) -> tuple[Bad, ...]:
    return (
        Bad((ROWS, ROWS[:1], LABELS), tg.ShapeError, rf"{name}: a is \[2, 3\] and b \[1, 3\]; a loss never broadcasts"),
        Bad((ROWS, ROWS.astype(np.float64), LABELS), tg.DTypeError, rf"{name}: a is float32 and b float64; cast one"),
        Bad((ROWS, ROWS, LABELS[:1]), tg.ShapeError,
            rf"{name}: of vectors \[2, 3\] the target must be \[2\], found \[1\]"),
        Bad((ROWS.astype(np.int64), ROWS, LABELS), tg.DTypeError,
            rf"{name}: expected floating tensors, found int64 \[2, 3\]"),
        Bad((ROWS[:0], ROWS[:0], LABELS[:0]), tg.ShapeError,
            rf'{name}: the batch is empty and has no mean loss; skip it, or use reduction="sum"'),
        Bad((ROWS, ROWS, LABELS), tg.ArgumentError, rf'{name}: reduction must be "mean", "sum" or "none", found "all"',
            {"reduction": "all"}),
    )  # fmt: skip


OPS = [
    Op("cosine_similarity", cosine, cosines, vector_terms, (
        Bad((ROWS, np.ones((2, 2), np.float32)), tg.ShapeError, r"cosine_similarity: shapes \[2, 3\] and \[2, 2\] do not .*"),
        Bad((ROWS, ROWS.astype(np.float64)), tg.DTypeError, r"cosine_similarity: operands have dtypes float32 and float64, .*"),
        Bad((ROWS, ROWS, 2), tg.OutOfRangeError, r"cosine_similarity: axis 2 is out of range for a tensor of 2 dimensions"))),
    Op("cosine_embedding_loss", cosine_embedding, pairs((0.0, 0.3, -0.2), -1), vector_terms,
       pair_bad("cosine_embedding_loss")),
    Op("contrastive_loss", contrastive, pairs((1.0, 3.0), 0), vector_terms, pair_bad("contrastive_loss")),
    Op("triplet_margin_loss", triplet, triplets, vector_terms, (
        Bad((ROWS, ROWS, ROWS[:1]), tg.ShapeError,
            r"triplet_margin_loss: anchor is \[2, 3\] and negative \[1, 3\]; a loss never broadcasts"),
        Bad((np.ones((), np.float32), ROWS, ROWS), tg.ShapeError,
            r"triplet_margin_loss: anchor must be \[\.\.\., D\], found a single number"),
        Bad((ROWS, ROWS, ROWS), tg.ArgumentError, r"triplet_margin_loss: p must be 1, 2 or infinity, found 3",
            {"p": 3}))),
]  # fmt: skip
