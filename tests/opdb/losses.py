"""Losses of rows of scores or probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.special

import tilegrad as tg

from .record import Bad, Op, Sample

# Logits: [C], rows around the blocks of 16 and the classes around those, more than a chunk, images.
LOGITS = [
    (1, 1), (1, 2), (2, 3), (7, 10), (16, 10), (17, 10), (33, 16), (5, 17), (3, 64), (3, 65), (4, 100), (2, 1030),
    (40, 1), (65, 5), (1, 33), (2, 3, 4), (2, 3, 5, 7), (130, 2), (7,), (20, 31),
]  # fmt: skip


def reduced(losses: np.ndarray, divisor: Any, reduction: str) -> np.ndarray:
    return losses if reduction == "none" else losses.sum() / (divisor if reduction == "mean" else 1)


def cross_entropy(
    logits: np.ndarray, target: np.ndarray, weight: Any = None, ignore_index: int | None = None,
    label_smoothing: float = 0.0, reduction: str = "mean", soft: bool = False,
) -> np.ndarray:  # fmt: skip
    C = logits.shape[-1]
    w = np.ones(C) if weight is None else weight / 4.0
    if soft:
        counts = w * ((1 - label_smoothing) * target + label_smoothing / C)
        divisor: Any = target.size / C
    else:
        labels = np.where(target == ignore_index, 0, target) if ignore_index is not None else target
        kept = np.ones(target.shape) if ignore_index is None else (target != ignore_index) * 1.0
        own = (w[labels] * kept)[..., None]
        counts = (1 - label_smoothing) * own * np.eye(C)[labels] + label_smoothing / C * w * kept[..., None]
        divisor = own.sum()
    return reduced((-counts * scipy.special.log_softmax(logits, axis=-1)).sum(-1), divisor, reduction)


def quarters(weight: tg.Tensor | None, like: tg.Tensor) -> tg.Tensor | None:
    """Class weights come as integers, because no gradient flows to them."""
    return weight if weight is None or weight.dtype.is_floating else weight.astype(like.dtype) * 0.25


def run_cross_entropy(
    logits: tg.Tensor, target: tg.Tensor, weight: tg.Tensor | None = None, soft: bool = False, **options: Any
) -> tg.Tensor:
    """``soft`` is for the reference."""
    return tg.cross_entropy(logits, target, quarters(weight, logits), **options)


def cross_entropies(rng: np.random.Generator) -> Iterator[Sample]:
    kinds = (np.int64, np.int32, np.uint8)
    for number, shape in enumerate(LOGITS):
        C = shape[-1]
        reduction = ("mean", "sum", "none")[number % 3]
        smoothing = (0.0, 0.1)[number // 2 % 2]
        labels = rng.integers(0, C, size=shape[:-1]).astype(kinds[number % 3])
        options: dict[str, Any] = {"reduction": reduction, "label_smoothing": smoothing}
        yield Sample((rng.normal(size=shape) * 3, labels), options)
        if number % 2:
            weight = rng.integers(1, 9, size=C)
            yield Sample((rng.normal(size=shape) * 3, labels), {**options, "weight": weight})
        if number % 3 and labels.size > 1:
            yield Sample((rng.normal(size=shape), labels), {**options, "ignore_index": int(labels.reshape(-1)[0])})
        target = rng.integers(0, 9, size=shape) / 8
        weight = {"weight": rng.integers(1, 9, size=C)} if number % 4 == 1 else {}
        yield Sample((rng.normal(size=shape), target), {**options, **weight, "soft": True})
    away = np.array([0, -100, 2, -100])
    yield Sample((rng.normal(size=(4, 3)), away), {"ignore_index": -100, "weight": np.array([1, 2, 3])})
    yield Sample((rng.normal(size=(0, 3)), np.zeros(0, np.int64)), {"reduction": "sum"})
    yield Sample((rng.normal(size=(0, 3)), np.zeros(0, np.int64)), {"reduction": "none"})


def loss_terms(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    """The logits' own rounding, a few ulps of exp and log, and the sums: relative to the largest logits and weights."""
    x = np.asarray(sample.args[0], np.float64)
    rows = max(np.asarray(sample.args[1]).size, 1)
    weight = np.max(sample.kwargs.get("weight", 4)) / 4.0 * (8 if sample.kwargs.get("soft") else 1)
    count = rows if sample.kwargs.get("reduction") == "sum" else 1
    return 40 * epsilon * weight * count * (np.max(np.abs(x), initial=0.0) + 10)


ROWS = np.ones((2, 3), np.float32)
LABELS = np.array([0, 2])
CROSS_ENTROPY_BAD = (
    Bad((ROWS, np.array([0, 3])), tg.OutOfRangeError, r"cross_entropy: target\[1\] is 3, expected 0 to 2"),
    Bad((ROWS, np.array([-1, 0])), tg.OutOfRangeError, r"cross_entropy: target\[0\] is -1, expected 0 to 2"),
    Bad((np.ones((2, 2, 3), np.float32), np.array([[0, 0], [7, 0]], np.uint8)), tg.OutOfRangeError,
        r"cross_entropy: target\[1, 0\] is 7, expected 0 to 2"),
    Bad((ROWS, np.array([0, 1, 2])), tg.ShapeError,
        r"cross_entropy: logits are float32 \[2, 3\], so integer labels must be \[2\], found int64 \[3\]"),
    Bad((ROWS, np.ones((2, 3), np.int64)), tg.ShapeError,
        r"cross_entropy: logits are float32 \[2, 3\], so integer labels must be \[2\], found int64 \[2, 3\]; cast "
        r"one-hot labels to the logits' dtype"),
    Bad((ROWS, np.ones((1, 3), np.float32)), tg.ShapeError,
        r"cross_entropy: logits are float32 \[2, 3\] and the soft targets float32 \[1, 3\]; they must have one shape"),
    Bad((ROWS, np.ones((2, 3))), tg.DTypeError,
        r"cross_entropy: operands have dtypes float32 and float64, which are never mixed silently; cast one with "
        r"\.astype\(\)"),
    Bad((ROWS, np.array([True, False])), tg.DTypeError,
        r"cross_entropy: target is bool \[2\], expected integer labels \(int64, int32, uint8\) or float32 weights "
        r"of the classes"),
    Bad((np.ones((2, 3), np.int64), LABELS), tg.DTypeError,
        r"cross_entropy: logits must be floating, found int64 \[2, 3\]"),
    Bad((np.ones((), np.float32), LABELS), tg.ShapeError,
        r"cross_entropy: logits must be \[\.\.\., C\], found float32 \[\]"),
    Bad((np.ones((2, 0), np.float32), LABELS), tg.ShapeError,
        r"cross_entropy: logits float32 \[2, 0\] have no classes"),
    Bad((np.ones((0, 3), np.float32), np.zeros(0, np.int64)), tg.ShapeError,
        r'cross_entropy: the batch float32 \[0, 3\] is empty and has no mean loss; skip it, or use reduction="sum"'),
    Bad((ROWS, LABELS), tg.ArgumentError, r'cross_entropy: reduction must be "mean", "sum" or "none", found "all"',
        {"reduction": "all"}),
    Bad((ROWS, LABELS), tg.ArgumentError, r"cross_entropy: label_smoothing must be from 0 to 1, found 1\.5",
        {"label_smoothing": 1.5}),
    Bad((ROWS, LABELS), tg.ArgumentError, r"cross_entropy: label_smoothing must be from 0 to 1, found nan",
        {"label_smoothing": float("nan")}),
    Bad((ROWS, ROWS), tg.ArgumentError,
        r"cross_entropy: ignore_index needs integer labels, and the target is float32 \[2, 3\]", {"ignore_index": 0}),
    Bad((ROWS, LABELS, np.ones(2, np.float32)), tg.ShapeError,
        r"cross_entropy: weight must have one element per class, \[3\], found float32 \[2\]"),
)  # fmt: skip


def nll(
    x: np.ndarray, target: np.ndarray, weight: Any = None, ignore_index: int | None = None, reduction: str = "mean"
) -> np.ndarray:
    w = np.ones(x.shape[-1]) if weight is None else weight / 4.0
    kept = np.ones(target.shape) if ignore_index is None else (target != ignore_index) * 1.0
    labels = np.where(kept > 0, target, 0).astype(np.int64)
    own = w[labels] * kept
    return reduced(-own * np.take_along_axis(x, labels[..., None], -1)[..., 0], own.sum(), reduction)


def run_nll(x: tg.Tensor, target: tg.Tensor, weight: tg.Tensor | None = None, **options: Any) -> tg.Tensor:
    return tg.nll_loss(x, target, quarters(weight, x), **options)


def nlls(rng: np.random.Generator) -> Iterator[Sample]:
    for sample in cross_entropies(rng):
        if not sample.kwargs.get("soft"):
            options = {name: value for name, value in sample.kwargs.items() if name != "label_smoothing"}
            yield Sample(sample.args, options)


def multi_margin(
    x: np.ndarray, target: np.ndarray, p: int = 1, margin: float = 1.0, weight: Any = None, reduction: str = "mean"
) -> np.ndarray:
    labels = target.astype(np.int64)[..., None]
    excess = np.maximum(0, x - np.take_along_axis(x, labels, -1) + margin) ** p
    np.put_along_axis(excess, labels, 0.0, -1)
    w = 1.0 if weight is None else weight[target] / 4.0
    return reduced(w * excess.sum(-1), target.size, reduction)


def run_multi_margin(x: tg.Tensor, target: tg.Tensor, weight: tg.Tensor | None = None, **options: Any) -> tg.Tensor:
    return tg.multi_margin_loss(x, target, weight=quarters(weight, x), **options)


def multi_margins(rng: np.random.Generator) -> Iterator[Sample]:
    for number, sample in enumerate(nlls(rng)):
        if "ignore_index" not in sample.kwargs:
            yield Sample(sample.args, {**sample.kwargs, "p": 1 + number % 2, "margin": (1.0, 0.25)[number // 2 % 2]})
    yield Sample((np.array([[8.0, 14.0, 9.5, 10.0]]), np.array([3])))


def margin_terms(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    """A few roundings of each term, which is at most the square of the widest gap, and those of the sums."""
    x, weight = np.asarray(sample.args[0], np.float64), np.max(sample.kwargs.get("weight", 4)) / 4.0
    rows = max(np.asarray(sample.args[1]).size, 1)
    count = rows if sample.kwargs.get("reduction") == "sum" else 1
    gap = 2 * np.max(np.abs(x), initial=0.0) + 1
    return 40 * epsilon * weight * count * gap ** sample.kwargs.get("p", 1) * max(x.shape[-1] / 16, 1)


def kl(x: np.ndarray, target: np.ndarray, reduction: str = "mean", log_target: bool = False) -> np.ndarray:
    """Cross-entropy minus entropy."""
    q = np.exp(target) if log_target else target
    cross = -(q * x).sum(-1)
    entropy = -(q * target).sum(-1) if log_target else -scipy.special.xlogy(q, q).sum(-1)
    if reduction == "batchmean":
        return np.asarray((cross - entropy).sum() / len(x))
    return reduced(cross - entropy, cross.size, reduction)


def kls(rng: np.random.Generator) -> Iterator[Sample]:
    for number, shape in enumerate([*LOGITS, (9, 9), (5, 6)]):
        reduction = ("mean", "sum", "none", "batchmean")[number % 4]
        x, other = (scipy.special.log_softmax(rng.normal(size=shape) * 2, axis=-1) for _ in range(2))
        yield Sample((x, other), {"reduction": reduction, "log_target": True})
        # Far from 0, where a difference quotient of t log t means little: the formula needs no sum of 1.
        yield Sample((x, rng.uniform(0.1, 1, size=shape)), {"reduction": reduction})
    yield Sample((rng.normal(size=(0, 3)), np.ones((0, 3))), {"reduction": "sum"})
    yield Sample((rng.normal(size=(0, 3)), np.ones((0, 3))), {"reduction": "none"})


def kl_terms(sample: Sample, reference: np.ndarray, epsilon: float) -> float:
    """Five roundings of each term, and those of the sums."""
    x, target = (np.asarray(a, np.float64) for a in sample.args)
    rows = max(x.size // max(x.shape[-1], 1), 1) if sample.kwargs.get("reduction") in ("sum", "batchmean") else 1
    terms = max(x.shape[-1] / 8, 1)
    return 40 * epsilon * rows * terms * float(np.max(np.abs(x), initial=1.0) + np.max(np.abs(target), initial=0.0) + 1)


def label_bad(name: str, scores: str) -> tuple[Bad, ...]:
    return (
        Bad((ROWS, np.array([0, 3])), tg.OutOfRangeError, rf"{name}: target\[1\] is 3, expected 0 to 2"),
        Bad((ROWS, np.array([0, 1, 2])), tg.ShapeError,
            rf"{name}: {scores} are float32 \[2, 3\], so integer labels must be \[2\], found int64 \[3\]"),
        Bad((ROWS, ROWS), tg.DTypeError,
            rf"{name}: target is float32 \[2, 3\], expected integer labels \(int64, int32, uint8\)"),
        Bad((np.ones((2, 3), np.int64), LABELS), tg.DTypeError,
            rf"{name}: {scores} must be floating, found int64 \[2, 3\]"),
        Bad((np.ones((0, 3), np.float32), np.zeros(0, np.int64)), tg.ShapeError,
            rf'{name}: the batch float32 \[0, 3\] is empty and has no mean loss; skip it, or use reduction="sum"'),
        Bad((ROWS, LABELS), tg.ArgumentError, rf'{name}: reduction must be "mean", "sum" or "none", found "all"',
            {"reduction": "all"}),
        Bad((ROWS, LABELS), tg.ShapeError,
            rf"{name}: weight must have one element per class, \[3\], found float32 \[2\]",
            {"weight": np.ones(2, np.float32)}),
    )  # fmt: skip


KL_BAD = (
    Bad((ROWS, ROWS[:1]), tg.ShapeError,
        r"kl_div: input is float32 \[2, 3\] and target float32 \[1, 3\]; a loss never broadcasts: reshape one to the "
        r"other's shape"),
    Bad((ROWS, np.ones((2, 3))), tg.DTypeError,
        r"kl_div: operands have dtypes float32 and float64, which are never mixed silently; cast one with "
        r"\.astype\(\)"),
    Bad((np.ones((2, 3), np.int64), np.ones((2, 3), np.int64)), tg.DTypeError,
        r"kl_div: log-probabilities must be floating, found int64 \[2, 3\]"),
    Bad((ROWS[:0], ROWS[:0]), tg.ShapeError,
        r'kl_div: the batch float32 \[0, 3\] is empty and has no mean loss; skip it, or use reduction="sum"'),
    Bad((ROWS, ROWS), tg.ArgumentError, r'kl_div: reduction must be "mean", "sum" or "none", found "all"',
        {"reduction": "all"}),
)  # fmt: skip

OPS = [
    Op("cross_entropy", cross_entropy, cross_entropies, loss_terms, CROSS_ENTROPY_BAD, function=run_cross_entropy),
    Op("nll_loss", nll, nlls, loss_terms, label_bad("nll_loss", "log-probabilities"), function=run_nll),
    Op("multi_margin_loss", multi_margin, multi_margins, margin_terms,
       (*label_bad("multi_margin_loss", "scores"),
        Bad((ROWS, LABELS), tg.ArgumentError, r"multi_margin_loss: p must be 1 or 2, found 3", {"p": 3})),
       function=run_multi_margin),
    Op("kl_div", kl, kls, kl_terms, KL_BAD),
]  # fmt: skip
