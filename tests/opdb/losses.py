"""Losses."""

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
        counts = w * ((1 - label_smoothing) * target / 8.0 + label_smoothing / C)
        divisor: Any = target.size / C
    else:
        labels = np.where(target == ignore_index, 0, target) if ignore_index is not None else target
        kept = np.ones(target.shape) if ignore_index is None else (target != ignore_index) * 1.0
        own = (w[labels] * kept)[..., None]
        counts = (1 - label_smoothing) * own * np.eye(C)[labels] + label_smoothing / C * w * kept[..., None]
        divisor = own.sum()
    return reduced((-counts * scipy.special.log_softmax(logits, axis=-1)).sum(-1), divisor, reduction)


def run_cross_entropy(
    logits: tg.Tensor, target: tg.Tensor, weight: tg.Tensor | None = None, soft: bool = False, **options: Any
) -> tg.Tensor:
    """Class weights and soft targets come as integers (quarters and eighths), because no gradient flows to them."""

    def fraction(tensor: tg.Tensor, parts: int) -> tg.Tensor:
        return tensor.astype(logits.dtype) * (1 / parts)

    return tg.cross_entropy(
        logits, fraction(target, 8) if soft else target, None if weight is None else fraction(weight, 4), **options
    )


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
        target = rng.integers(0, 9, size=shape)
        yield Sample((rng.normal(size=shape), target), {**options, "soft": True})
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
)  # fmt: skip
WEIGHT_BAD = (
    Bad((ROWS, LABELS, np.ones(2, np.float32)), tg.ShapeError,
        r"cross_entropy: weight must have one element per class, \[3\], found float32 \[2\]"),
)  # fmt: skip

# Around the lanes, the chunks and more than those.
PAIRED = [
    (1,), (2,), (3,), (7,), (15,), (16,), (17,), (31,), (33,), (65,), (1000,), (1024,), (1025,), (2049,), (3, 5),
    (5, 1), (17, 9), (2, 3, 4), (2, 3, 5, 7), (), (8200,),
]  # fmt: skip


def paired(rng: np.random.Generator) -> Iterator[Sample]:
    for number, shape in enumerate(PAIRED):
        options = {"reduction": ("mean", "sum", "none")[number % 3]}
        x, target = np.asarray(rng.normal(size=shape) * 2), np.asarray(rng.normal(size=shape))
        yield Sample((x, target), options)
    yield Sample((rng.normal(size=(0, 3)), rng.normal(size=(0, 3))), {"reduction": "sum"})
    yield Sample((rng.normal(size=(0, 3)), rng.normal(size=(0, 3))), {"reduction": "none"})


def huber_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for number, sample in enumerate(paired(rng)):
        yield Sample(sample.args, {**sample.kwargs, "delta": (1.0, 0.5, 2.5)[number % 3]})


def paired_reference(formula: Any) -> Any:
    def reference(x: np.ndarray, target: np.ndarray, reduction: str, **options: float) -> np.ndarray:
        losses = np.asarray(formula(x, target, **options))
        return reduced(losses, losses.size, reduction)

    return reference


def huber(x: np.ndarray, target: np.ndarray, delta: float) -> np.ndarray:
    d = np.abs(x - target)
    return np.where(d <= delta, d * d / 2, delta * (d - delta / 2))


def paired_terms(sample: Sample, reference: np.ndarray, epsilon: float) -> float:
    """Three roundings a term and those of the sum, relative to the largest possible terms."""
    x, target = sample.args
    size = np.max(np.abs(x), initial=0.0) + np.max(np.abs(target), initial=0.0) + 1
    count = max(x.size, 1) if sample.kwargs["reduction"] == "sum" else 1
    return 40 * epsilon * float(size) ** 2 * count


def paired_bad(name: str) -> tuple[Bad, ...]:
    two = np.ones(2, np.float32)
    return (
        Bad((two, np.ones((2, 1), np.float32)), tg.ShapeError,
            rf"{name}: input is float32 \[2\] and target float32 \[2, 1\]; a loss never broadcasts: reshape one to the "
            r"other's shape"),
        Bad((two, np.ones(2)), tg.DTypeError,
            rf"{name}: operands have dtypes float32 and float64, which are never mixed "
            r"silently; cast one with \.astype\(\)"),
        Bad((two.astype(np.int64), two.astype(np.int64)), tg.DTypeError,
            rf"{name}: expected floating tensors, found int64 \[2\]; cast them with \.astype\(\)"),
        Bad((two, two), tg.ArgumentError, rf'{name}: reduction must be "mean", "sum" or "none", found "avg"',
            {"reduction": "avg"}),
        Bad((two[:0], two[:0]), tg.ShapeError,
            rf'{name}: the batch float32 \[0\] is empty and has no mean loss; skip it, or use reduction="sum"'),
    )  # fmt: skip


OPS = [
    Op("cross_entropy", cross_entropy, cross_entropies, loss_terms, CROSS_ENTROPY_BAD, function=run_cross_entropy),
    Op("cross_entropy", cross_entropy, cross_entropies, loss_terms, WEIGHT_BAD, dtypes=(), gradient=False),
    Op("mse_loss", paired_reference(lambda x, t: (x - t) ** 2), paired, paired_terms, paired_bad("mse_loss")),
    Op("l1_loss", paired_reference(lambda x, t: np.abs(x - t)), paired, paired_terms, paired_bad("l1_loss")),
    Op("huber_loss", paired_reference(huber), huber_samples, paired_terms, (*paired_bad("huber_loss"), Bad(
        (np.ones(2), np.ones(2)), tg.ArgumentError, r"huber_loss: delta must be positive, found 0", {"delta": 0.0}))),
    Op("binary_cross_entropy_with_logits", paired_reference(lambda x, t: np.logaddexp(0, x) - x * t), paired,
       paired_terms, paired_bad("binary_cross_entropy_with_logits")),
]  # fmt: skip
