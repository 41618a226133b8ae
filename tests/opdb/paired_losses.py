"""Losses of elements against targets of the same shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.special

import tilegrad as tg

from .losses import quarters, reduced
from .record import Bad, Op, Sample

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


def paired_reference(formula: Any) -> Any:
    def reference(
        x: np.ndarray, target: np.ndarray, reduction: str = "mean", weight: Any = None, **options: Any
    ) -> np.ndarray:
        losses = np.asarray(formula(x, target, **options)) * (1.0 if weight is None else weight / 4.0)
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


def with_options(samples: Any, **choices: tuple[Any, ...]) -> Any:
    """The samples with one of the choices of each option in turn."""

    def drawn(rng: np.random.Generator) -> Iterator[Sample]:
        for number, sample in enumerate(samples(rng)):
            more = {name: values[number % len(values)] for name, values in choices.items()}
            yield Sample(sample.args, {**sample.kwargs, **more})

    return drawn


def smooth_l1(x: np.ndarray, target: np.ndarray, beta: float = 1.0) -> np.ndarray:
    return huber(x, target, beta) / beta if beta else np.abs(x - target)


def signs(rng: np.random.Generator) -> Iterator[Sample]:
    for sample in paired(rng):
        x, target = sample.args
        yield Sample((x, np.where(target < 0, -1.0, 1.0)), sample.kwargs)


def hinge(x: np.ndarray, target: np.ndarray, p: int = 1, margin: float = 1.0) -> np.ndarray:
    return np.maximum(0, margin - x * target) ** p


# Weights of a loss: of each element, of the last axis, one for all; quarters, because no gradient flows to them.
def weighted(samples: Any, *names: str) -> Any:
    def drawn(rng: np.random.Generator) -> Iterator[Sample]:
        for number, sample in enumerate(samples(rng)):
            yield sample
            shape = np.asarray(sample.args[0]).shape
            shapes = [shape, (), shape[-1:]]
            more = {
                name: np.asarray(rng.integers(1, 9, size=shapes[(number + place) % 3]))
                for place, name in enumerate(names)
                if (number + place) % 4
            }
            if more and shape != PAIRED[-1]:
                yield Sample(sample.args, {**sample.kwargs, **more})

    return drawn


def run_weighted(op: Any) -> Any:
    def run(x: tg.Tensor, target: tg.Tensor, weight: Any = None, pos_weight: Any = None, **options: Any) -> tg.Tensor:
        if pos_weight is not None:
            options["pos_weight"] = quarters(pos_weight, x)
        return op(x, target, weight=quarters(weight, x), **options)

    return run


def logits_loss(x: np.ndarray, target: np.ndarray, pos_weight: Any = None) -> np.ndarray:
    w = 1.0 if pos_weight is None else pos_weight / 4.0
    return w * target * np.logaddexp(0, -x) + (1 - target) * np.logaddexp(0, x)


def probabilities(rng: np.random.Generator) -> Iterator[Sample]:
    for sample in paired(rng):
        x, target = sample.args
        # Away from 0 and 1, where a difference quotient of the logarithm means little.
        yield Sample((np.asarray(scipy.special.expit(x / 3)), np.asarray(scipy.special.expit(target))), sample.kwargs)


def binary(x: np.ndarray, target: np.ndarray) -> np.ndarray:
    return -target * np.log(x) - (1 - target) * np.log1p(-x)


def weight_bad(name: str, argument: str) -> Bad:
    half = np.full((2, 3), 0.5, np.float32)
    return Bad((half, half), tg.ShapeError,
               rf"{name}: {argument} is float32 \[2, 1\] and input float32 \[2, 3\]; it must have that shape, be of its "
               r"last axis or be one number", {argument: half[:, :1]})  # fmt: skip


TWO = np.ones(2, np.float32)
WITH_LOGITS = "binary_cross_entropy_with_logits"
OPS = [
    Op("mse_loss", paired_reference(lambda x, t: (x - t) ** 2), paired, paired_terms, paired_bad("mse_loss")),
    Op("l1_loss", paired_reference(lambda x, t: np.abs(x - t)), paired, paired_terms, paired_bad("l1_loss")),
    Op("huber_loss", paired_reference(huber), with_options(paired, delta=(1.0, 0.5, 2.5)), paired_terms,
       (*paired_bad("huber_loss"), Bad(
           (TWO, TWO), tg.ArgumentError, r"huber_loss: delta must be positive, found 0", {"delta": 0.0}))),
    Op("smooth_l1_loss", paired_reference(smooth_l1), with_options(paired, beta=(1.0, 0.5, 2.5, 0.0)), paired_terms,
       (*paired_bad("smooth_l1_loss"), Bad(
           (TWO, TWO), tg.ArgumentError, r"smooth_l1_loss: beta must not be negative, found -1", {"beta": -1.0}))),
    Op("hinge_loss", paired_reference(hinge), with_options(signs, p=(1, 2), margin=(1.0, 1.0, 0.25)), paired_terms,
       (*paired_bad("hinge_loss"), Bad(
           (TWO, TWO), tg.ArgumentError, r"hinge_loss: p must be 1 or 2, found 3", {"p": 3}))),
    Op("binary_cross_entropy", paired_reference(binary), weighted(probabilities, "weight"), paired_terms,
       (*paired_bad("binary_cross_entropy"), weight_bad("binary_cross_entropy", "weight"),
        Bad((np.array([[0.5, 1.0], [1.5, 0.0]]), np.ones((2, 2))), tg.OutOfRangeError,
            r"binary_cross_entropy: input\[1, 0\] is 1\.5, expected a probability from 0 to 1; logits go to "
            r"binary_cross_entropy_with_logits"),
        Bad((np.array([np.nan]), np.ones(1)), tg.OutOfRangeError,
            r"binary_cross_entropy: input\[0\] is -?nan, expected a probability .*")),
       function=run_weighted(tg.binary_cross_entropy)),
    Op(WITH_LOGITS, paired_reference(logits_loss), weighted(paired, "pos_weight", "weight"), paired_terms,
       (*paired_bad(WITH_LOGITS), weight_bad(WITH_LOGITS, "weight"), weight_bad(WITH_LOGITS, "pos_weight")),
       function=run_weighted(tg.binary_cross_entropy_with_logits)),
]  # fmt: skip
