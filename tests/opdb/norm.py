"""Normalisation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import tilegrad as tg

from .record import Bad, Op, Sample

# Rows around the chunk of 1024 and channels around the blocks of 64, images.
SHAPES = [
    (2, 1), (3, 5), (7, 16), (16, 17), (33, 3), (64, 64), (65, 65), (20, 130), (1025, 3), (1030, 66), (2100, 2),
    (2, 3, 4), (2, 4, 4, 8), (3, 5, 7, 3), (2, 3, 1, 2), (5, 33), (128, 10), (300, 7), (2, 2, 2, 2, 2), (9, 31),
]  # fmt: skip
EPS = 1e-5


def running(like: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.linspace(low, high, like.shape[0])


def normalised(x: np.ndarray, mean: Any, var: Any, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    return (x - mean) / np.sqrt(var + EPS) * gamma + beta


def batch_norm(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, training: bool, activation: str | None = None
) -> np.ndarray:
    axes = tuple(range(x.ndim - 1))
    mean = x.mean(axes) if training else running(gamma, -1, 1)
    var = x.var(axes) if training else running(gamma, 0.5, 2)
    y = normalised(x, mean, var, gamma, beta)
    return np.maximum(y, 0) if activation == "relu" else y


def run_batch_norm(
    x: tg.Tensor, gamma: tg.Tensor, beta: tg.Tensor, training: bool, activation: Any = None
) -> tg.Tensor:
    dtype = gamma.dtype.name
    like = np.zeros(gamma.shape)
    if like.ndim != 1:
        like = np.zeros(1)
    mean, var = (tg.tensor(running(like, *ends).astype(dtype)) for ends in ((-1, 1), (0.5, 2)))
    return tg.batch_norm(x, gamma, beta, mean, var, training, activation=activation)


def batch_norms(rng: np.random.Generator) -> Iterator[Sample]:
    for number, shape in enumerate(SHAPES):
        C = shape[-1]
        for training in (True, False):
            gamma, beta = rng.uniform(0.5, 2, size=C), rng.normal(size=C)
            options = {"training": training, "activation": ("relu", None)[(number + training) % 2]}
            yield Sample((rng.normal(size=shape) * 2 + 1, gamma, beta), options)
    yield Sample((rng.normal(size=(1, 3)), np.ones(3), np.zeros(3)), {"training": False})
    yield Sample((rng.normal(size=(0, 3)), np.ones(3), np.zeros(3)), {"training": False})


def layer_norm(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    return normalised(x, x.mean(-1, keepdims=True), x.var(-1, keepdims=True), gamma, beta)


def layer_norms(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in [*SHAPES[1:], (1, 2), (2, 1030), (0, 3)]:
        if shape[-1] > 1:
            D = shape[-1]
            yield Sample((rng.normal(size=shape) * 2 + 1, rng.uniform(0.5, 2, size=D), rng.normal(size=D)))


def norm_terms(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    """Sums of a chunk (34 epsilon) of x and of squares, amplified where the spread is small against the mean."""
    x = np.asarray(sample.args[0], np.float64)
    axes = tuple(range(x.ndim - 1)) if "training" in sample.kwargs else -1
    if not x.size:
        return 0.0
    spread = np.sqrt(x.var(axes, keepdims=True) + EPS)
    amplified = np.max(np.abs(x), initial=0.0) / spread + 2
    return 20 * epsilon * amplified * np.max(np.abs(sample.args[1])) * 2 + epsilon * 4


def vector_bad(name: str) -> tuple[Bad, ...]:
    x, three, two = np.ones((4, 3), np.float32), np.ones(3, np.float32), np.ones(2, np.float32)
    more: dict[str, Any] = {"training": True} if name == "batch_norm" else {}
    return (
        Bad((x, two, three), tg.ShapeError,
            rf"{name}: gamma must be \[3\], one element per feature of x \[4, 3\], found \[2\]", more),
        Bad((x, three, three[None]), tg.ShapeError,
            rf"{name}: beta must be \[3\], one element per feature of x \[4, 3\], found \[1, 3\]", more),
        Bad((x, three.astype(np.float64), three), tg.DTypeError,
            rf"{name}: gamma is float64 and x is float32; cast one with \.astype\(\)", more),
        Bad((x[0], three, three), tg.ShapeError,
            rf"{name}: x must have at least two dimensions, the last of features, found float32 \[3\]", more),
        Bad((x.astype(np.int64), three, three), tg.DTypeError,
            rf"{name}: x must be floating, found int64 \[4, 3\]", more),
    )  # fmt: skip


BATCH_BAD = (
    Bad((np.ones((1, 3), np.float32), np.ones(3, np.float32), np.ones(3, np.float32)), tg.ShapeError,
        r"batch_norm: training needs more than one value per channel, found x float32 \[1, 3\] with 1; use a larger "
        r"batch, or eval\(\)", {"training": True}),
    Bad((np.ones((4, 3), np.float32), np.ones(3, np.float32), np.ones(3, np.float32)), tg.ArgumentError,
        r'batch_norm: activation must be None or "relu", found "tanh"', {"training": True, "activation": "tanh"}),
)  # fmt: skip

OPS = [
    Op("batch_norm", batch_norm, batch_norms, norm_terms, (*vector_bad("batch_norm"), *BATCH_BAD),
       function=run_batch_norm),
    Op("layer_norm", layer_norm, layer_norms, norm_terms, (*vector_bad("layer_norm"), Bad(
        (np.ones((4, 3)), np.ones(3), np.ones(3)), tg.ArgumentError, r"layer_norm: eps must be positive, found 0",
        {"eps": 0.0}))),
]  # fmt: skip
