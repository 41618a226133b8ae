"""Attention."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

import tilegrad as tg

from ..philox import keep_mask
from .record import Bad, Op, Sample

SEED, STREAM = 7, 3


def weights(q: np.ndarray, k: np.ndarray, mask: Any, is_causal: bool, scale: float | None) -> np.ndarray:
    """softmax(scale q k^T + mask), zeros where a query sees no key."""
    T, S = q.shape[-2], k.shape[-2]
    scores = q @ np.swapaxes(k, -1, -2) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    if is_causal:
        scores = np.where(np.tril(np.ones((T, S), bool)), scores, -np.inf)
    if S == 0:
        return scores
    top = scores.max(-1, keepdims=True)
    exps = np.exp(scores - np.where(np.isinf(top), 0, top))
    total = exps.sum(-1, keepdims=True)
    return exps / np.where(total == 0, 1, total)


def kept(shape: tuple[int, ...], p: float) -> np.ndarray:
    """Which weights dropout keeps: the words of whole rows of blocks of 64 keys."""
    blocks = -(-shape[-1] // 64)
    rows = math.prod(shape[:-1])
    return keep_mask(SEED, STREAM, rows * blocks * 64, p).reshape(rows, blocks * 64)[:, : shape[-1]].reshape(shape)


def attention(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, mask: Any = None, is_causal: bool = False, dropout_p: float = 0.0,
    scale: float | None = None, training: bool = True,
) -> np.ndarray:  # fmt: skip
    """The definition, with all weights in memory."""
    p = weights(q, k, mask, is_causal, scale)
    if training and dropout_p:
        p = np.where(kept(p.shape, dropout_p), p / (1 - dropout_p), 0)
    return p @ v


def tolerance(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    """What the roundings of scores, exponentials and sums add up to.

    A score of D products is off by at most (D + 2) epsilon sum |q k| scale, and with it every weight by that share, which
    its quotient has twice; exponentials, their sum and the sum over S values add 2 S + 12 epsilon. Each block of keys
    rescales what came before, by factors of at most 1 that are off by 1.5 epsilon and the score's error.
    """
    q, k, v, *rest = sample.args
    options = dict(sample.kwargs)
    mask = rest[0] if rest else options.pop("mask", None)
    scale = options.get("scale")
    factor = 1 / math.sqrt(q.shape[-1]) if scale is None else abs(scale)
    scores = np.abs(q) @ np.swapaxes(np.abs(k), -1, -2) * factor
    if mask is not None and mask.dtype != bool:
        scores = scores + np.where(np.isfinite(mask), np.abs(mask), 0)
    S = k.shape[-2]
    each = (q.shape[-1] + 4) * scores.max(-1, initial=0.0)[..., None] + 2 * S + 12 * (1 + S / 64)
    magnitude = attention(q, k, np.abs(v), mask, **options)
    return 2 * epsilon * each * magnitude + np.finfo(np.float64).tiny


def samples(rng: np.random.Generator) -> Iterator[Sample]:
    def draw(*shapes: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        return tuple(rng.normal(size=shape) for shape in shapes)

    # Lengths around the blocks of 64, features around vectors, one head and several, empty batches and sequences.
    for lead, T, S, D, E in (
        ((1,), 1, 1, 1, 1), ((2,), 3, 5, 4, 4), ((1, 1), 7, 7, 3, 5), ((2, 3), 5, 9, 8, 2), ((1, 2), 64, 64, 16, 16),
        ((1, 1), 65, 63, 17, 15), ((1, 2), 3, 130, 5, 33), ((1, 1), 130, 3, 33, 1), ((3, 1), 1, 70, 20, 20),
        ((0, 2), 4, 4, 3, 3), ((2, 0), 4, 4, 3, 3), ((1, 2), 0, 4, 3, 3), ((1, 2), 4, 0, 3, 3), ((1,), 6, 6, 70, 66),
    ):  # fmt: skip
        yield Sample(draw((*lead, T, D), (*lead, S, D), (*lead, S, E)))
    for T, S in ((5, 5), (70, 70), (6, 3), (3, 6), (130, 66), (66, 130)):
        yield Sample(draw((1, 2, T, 6), (1, 2, S, 6), (1, 2, S, 5)), {"is_causal": True})
    q, k, v = (2, 3, 5, 4), (2, 3, 68, 4), (2, 3, 68, 3)
    for shape in ((5, 68), (68,), (2, 1, 1, 68), (1, 3, 5, 68), (2, 3, 5, 1)):
        visible = rng.random(shape) > 0.4
        yield Sample((*draw(q, k, v), visible))
    for shape in ((5, 68), (2, 1, 1, 68), (3, 1, 68)):
        addend = rng.normal(size=shape)
        yield Sample((*draw(q, k, v), np.where(rng.random(shape) > 0.8, -np.inf, addend).astype(np.float64)), {})
    nothing = np.ones((5, 68), bool)
    nothing[1] = False
    nothing[3, :66] = False
    yield Sample((*draw(q, k, v), nothing))
    yield Sample((*draw((2, 5, 4), (2, 5, 4), (2, 5, 4)), rng.random((2, 5, 5)) > 0.3), {"is_causal": True})
    yield Sample(draw(q, k, v), {"scale": 2.5})
    yield Sample(tuple(6 * a for a in draw((1, 1, 9, 4), (1, 1, 150, 4), (1, 1, 150, 4))))  # sharp
    for p in (0.3, 0.9):
        yield Sample(draw(q, k, v), {"dropout_p": p})
    yield Sample(draw((1, 2, 70, 3), (1, 2, 70, 3), (1, 2, 70, 3)), {"dropout_p": 0.5, "is_causal": True})
    yield Sample(draw(q, k, v), {"dropout_p": 0.5, "training": False})


def seeded(*args: Any, **kwargs: Any) -> Any:
    """Drawing from one generator."""
    return tg.scaled_dot_product_attention(*args, **kwargs, generator=tg.Generator(SEED, STREAM))


NAME = "scaled_dot_product_attention"
Q, K, V = (np.ones(s, np.float32) for s in ((2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 7)))
BAD = (
    Bad((Q[0, 0], K, V), tg.ShapeError, rf"{NAME}: q must be \[N, H, T, D\] or \[N, T, D\], found \[4, 5\]"),
    Bad((Q, K[0], V), tg.ShapeError, rf"{NAME}: q \[2, 3, 4, 5\] and k \[3, 6, 5\] must have the same samples and heads"),
    Bad((Q, K[:, :2], V), tg.ShapeError, rf"{NAME}: q \[2, 3, 4, 5\] and k \[2, 2, 6, 5\] must have the same samples and "
        r"heads"),
    Bad((Q, K[..., :4], V), tg.ShapeError, rf"{NAME}: q \[2, 3, 4, 5\] and k \[2, 3, 6, 4\] must have the same number of "
        r"features"),
    Bad((Q, K, V[:, :, :5]), tg.ShapeError, rf"{NAME}: k \[2, 3, 6, 5\] and v \[2, 3, 5, 7\] must be sequences of the same "
        r"length"),
    Bad((Q[..., :0], K[..., :0], V), tg.ShapeError, rf"{NAME}: q \[2, 3, 4, 0\] and v \[2, 3, 6, 7\] must have at least 1 "
        r"feature"),
    Bad((Q.astype(np.int64), K, V), tg.DTypeError, rf"{NAME}: q must be float32 or float64, found int64; cast it with "
        r"\.astype\(tg\.float32\)"),
    Bad((Q, K.astype(np.float64), V), tg.DTypeError, rf"{NAME}: operands have dtypes float32 and float64, which are never "
        r"mixed silently; cast one with \.astype\(\)"),
    Bad((Q, K, V, np.ones((4, 5), bool)), tg.ShapeError, rf"{NAME}: mask \[4, 5\] does not broadcast to the scores, "
        r"\[2, 3, 4, 6\]"),
    Bad((Q, K, V, np.ones((1, 2, 3, 4, 6), bool)), tg.ShapeError, rf"{NAME}: mask \[1, 2, 3, 4, 6\] does not broadcast to "
        r"the scores, \[2, 3, 4, 6\]"),
    Bad((Q, K, V, np.ones((4, 6), np.int64)), tg.DTypeError, rf"{NAME}: mask must be bool \(true where a query sees a key\) "
        r"or float32 \(added to the scores\), found int64; cast it with \.astype\(\)"),
    Bad((Q, K, V), tg.ArgumentError, rf"{NAME}: dropout_p must be at least 0 and below 1, found 1", {"dropout_p": 1.0}),
)  # fmt: skip

OPS = [Op(NAME, attention, samples, tolerance, BAD, function=seeded)]
