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


def running(channels: int, low: float, high: float) -> np.ndarray:
    return np.linspace(low, high, channels)


def normalised(x: np.ndarray, mean: Any, var: Any, gamma: Any, beta: Any, eps: float = EPS) -> np.ndarray:
    return (x - mean) / np.sqrt(var + eps) * (1 if gamma is None else gamma) + (0 if beta is None else beta)


def batch_norm(x: np.ndarray, gamma: Any, beta: Any, training: bool, activation: str | None = None) -> np.ndarray:
    axes, C = tuple(range(x.ndim - 1)), x.shape[-1]
    mean = x.mean(axes) if training else running(C, -1, 1)
    var = x.var(axes) if training else running(C, 0.5, 2)
    y = normalised(x, mean, var, gamma, beta)
    return np.maximum(y, 0) if activation == "relu" else y


def run_batch_norm(x: tg.Tensor, gamma: Any, beta: Any, training: bool, **options: Any) -> tg.Tensor:
    dtype = x.dtype.name if x.dtype.is_floating else "float32"
    ends = ((-1, 1), (0.5, 2))
    mean, var = (tg.tensor(running(x.shape[-1], *end).astype(dtype), device=x.device) for end in ends)
    return tg.batch_norm(x, gamma, beta, mean, var, training, **options)


def batch_norms(rng: np.random.Generator) -> Iterator[Sample]:
    for number, shape in enumerate(SHAPES):
        for training in (True, False):
            options = {"training": training, "activation": ("relu", None)[(number + training) % 2]}
            yield Sample((spread(rng, shape), *affine(rng, shape[-1:], 2 * number + training)), options)
    yield Sample((rng.normal(size=(1, 3)), np.ones(3), np.zeros(3)), {"training": False})
    yield Sample((rng.normal(size=(0, 3)), np.ones(3), np.zeros(3)), {"training": False})


def spread(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(rng.normal(size=shape) * 2 + 1)


def affine(rng: np.random.Generator, shape: tuple[int, ...], number: int) -> tuple[Any, Any]:
    """Scale and shift; of every seven samples three lack one of them, or both."""
    gamma, beta = rng.uniform(0.5, 2, size=shape), rng.normal(size=shape)
    return (None if number % 7 in (3, 5) else gamma), (None if number % 7 in (4, 5) else beta)


def row_axes(x: np.ndarray, gamma: Any, normalized_shape: Any) -> tuple[int, ...]:
    if normalized_shape is not None:
        return tuple(range(-np.size(normalized_shape), 0))
    return tuple(range(-(1 if gamma is None else np.ndim(gamma)), 0))


def layer_norm(x: np.ndarray, gamma: Any = None, beta: Any = None, normalized_shape: Any = None) -> np.ndarray:
    axes = row_axes(x, beta if gamma is None else gamma, normalized_shape)
    return normalised(x, x.mean(axes, keepdims=True), x.var(axes, keepdims=True), gamma, beta)


def rms_norm(x: np.ndarray, gamma: Any = None, eps: float = EPS, normalized_shape: Any = None) -> np.ndarray:
    axes = row_axes(x, gamma, normalized_shape)
    return normalised(x, 0, (x * x).mean(axes, keepdims=True), gamma, None, eps)


def rows(rng: np.random.Generator) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]]:
    """Shapes, and those of their rows; the latter given where scale and shift may not tell them."""
    for shape in [*SHAPES[1:], (1, 2), (2, 1030), (1030, 3), (37, 70), (0, 3), (7,)]:
        if shape[-1] > 1:
            yield shape, shape[-1:], {}
    for rank in (1, 2, 3):
        yield (2, 3, 4, 5), (2, 3, 4, 5)[-rank:], {"normalized_shape": (2, 3, 4, 5)[-rank:]}
    yield (3, 5), (5,), {"normalized_shape": 5}
    yield (3, 5), (3, 5), {"normalized_shape": (3, 5)}


def layer_norms(rng: np.random.Generator) -> Iterator[Sample]:
    for number, (shape, row, options) in enumerate(rows(rng)):
        yield Sample((spread(rng, shape), *affine(rng, row, number)), options)


def rms_norms(rng: np.random.Generator) -> Iterator[Sample]:
    for number, (shape, row, options) in enumerate(rows(rng)):
        yield Sample((spread(rng, shape), affine(rng, row, number)[0]), {**options, "eps": EPS})


def group_norm(x: np.ndarray, num_groups: int, gamma: Any = None, beta: Any = None) -> np.ndarray:
    grouped = x.reshape(x.shape[0], int(np.prod(x.shape[1:-1])), num_groups, x.shape[-1] // num_groups)
    mean, var = grouped.mean((1, 3), keepdims=True), grouped.var((1, 3), keepdims=True)
    return normalised(((grouped - mean) / np.sqrt(var + EPS)).reshape(x.shape), 0, 1 - EPS, gamma, beta)


# Places around the chunk of 1024 and the tile of 256, channels around the block of 64, groups across blocks.
GROUPED = [
    ((2, 4), 1), ((2, 4), 2), ((3, 5, 4), 4), ((1, 7, 6), 3), ((2, 3, 5, 8), 2), ((2, 3, 5, 8), 8), ((4, 1, 66), 11),
    ((2, 9, 130), 1), ((2, 9, 130), 13), ((1, 1030, 3), 3), ((2, 1025, 6), 2), ((1, 260, 65), 5), ((5, 2, 2, 2, 12), 4),
    ((3, 300, 7), 7), ((2, 17, 64), 32), ((1, 2100, 2), 1), ((7, 33, 1), 1), ((3, 4, 4, 16), 16), ((2, 31, 9), 3),
    ((33, 6), 2), ((1, 5, 200), 2),
]  # fmt: skip


def group_norms(rng: np.random.Generator) -> Iterator[Sample]:
    for number, (shape, groups) in enumerate(GROUPED):
        yield Sample((spread(rng, shape), groups, *affine(rng, shape[-1:], number)))


def instance_norms(rng: np.random.Generator) -> Iterator[Sample]:
    shapes = [shape for shape, _ in GROUPED if len(shape) > 2 and np.prod(shape[1:-1]) > 1]
    for number, shape in enumerate([*shapes, (3, 2, 5), (1, 2, 2, 1), (2, 3, 3, 65), (4, 1, 9, 2), (0, 3, 4)]):
        yield Sample((spread(rng, shape), *affine(rng, shape[-1:], number)))


def local_response_norm(
    x: np.ndarray, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> np.ndarray:
    """Straight from the definition."""
    C, squares = x.shape[-1], x * x
    sums = np.zeros(x.shape)
    for c in range(C):
        sums[..., c] = squares[..., max(0, c - size // 2) : c - size // 2 + size].sum(-1)
    return np.asarray(x / (k + alpha / size * sums) ** beta)


def responses(rng: np.random.Generator) -> Iterator[Sample]:
    shapes = [
        (1,), (3,), (4, 1), (2, 5), (3, 7), (2, 3, 4, 96), (3, 16), (2, 17), (5, 65), (2, 255), (2, 256), (2, 257),
        (1, 600), (2, 1030), (4, 2, 2, 3), (3, 1, 33), (0, 4), (3, 0), (2, 2, 64), (7, 9),
    ]  # fmt: skip
    sizes, betas = (5, 2, 1, 3, 4, 700), (0.75, 0.5, 1.0, 0.3)
    for number, shape in enumerate(shapes):
        options = {"alpha": (1e-4, 1.5)[number % 2], "beta": betas[number % 4], "k": (1.0, 2.0)[number // 2 % 2]}
        yield Sample((rng.normal(size=shape) * 2, sizes[number % 6]), options)
        yield Sample((rng.normal(size=shape) * 2, 5))


def norm_terms(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    """Sums of a chunk (34 epsilon) of x and of squares, amplified where the spread is small against the mean."""
    x = np.asarray(sample.args[0], np.float64)
    axes: Any = tuple(range(x.ndim - 1)) if "training" in sample.kwargs else row_axes(x, *row_arguments(sample))
    return 0.0 if not x.size else amplified(sample, np.sqrt(x.var(axes, keepdims=True) + EPS), epsilon)


def row_arguments(sample: Sample) -> tuple[Any, Any]:
    gamma = next((a for a in sample.args[1:] if a is not None), None)
    return gamma, sample.kwargs.get("normalized_shape")


def group_terms(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    x = np.asarray(sample.args[0], np.float64)
    if not x.size:
        return 0.0
    groups = sample.args[1] if isinstance(sample.args[1], int) else x.shape[-1]
    grouped = x.reshape(x.shape[0], -1, groups, x.shape[-1] // groups)
    return amplified(sample, np.min(np.sqrt(grouped.var((1, 3)) + EPS)), epsilon)


def amplified(sample: Sample, deviation: Any, epsilon: float) -> Any:
    gamma = next((a for a in sample.args[1:] if isinstance(a, np.ndarray)), np.ones(1))
    factor = np.max(np.abs(sample.args[0]), initial=0.0) / deviation + 2
    return 20 * epsilon * factor * (np.max(np.abs(gamma)) + 1) * 2 + epsilon * 4


def response_terms(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    """The sum, whose terms are positive; the power doubles its error at most; the product."""
    terms = min(sample.args[1], np.shape(sample.args[0])[-1])
    return (terms + 6) * epsilon * np.abs(reference)


THREE, TWO, IMAGE = np.ones(3, np.float32), np.ones(2, np.float32), np.ones((4, 3), np.float32)


def channel_bad(name: str, x: np.ndarray = IMAGE, groups: tuple[int, ...] = (), **more: Any) -> tuple[Bad, ...]:
    shape = str(list(x.shape))[1:-1]
    return (
        Bad((x, *groups, TWO, THREE), tg.ShapeError,
            rf"{name}: gamma must be \[3\], one element per feature of x \[{shape}\], found \[2\]", more),
        Bad((x, *groups, THREE, THREE[None]), tg.ShapeError,
            rf"{name}: beta must be \[3\], one element per feature of x \[{shape}\], found \[1, 3\]", more),
        Bad((x, *groups, THREE.astype(np.float64), THREE), tg.DTypeError,
            rf"{name}: gamma is float64 and x is float32; cast one with \.astype\(\)", more),
        Bad((THREE, *groups, THREE, THREE), tg.ShapeError,
            rf"{name}: x must have at least two dimensions, the last of features, found float32 \[3\]", more),
        Bad((x.astype(np.int64), *groups, THREE, THREE), tg.DTypeError,
            rf"{name}: x must be floating, found int64 \[{shape}\]", more),
    )  # fmt: skip


def row_bad(name: str) -> tuple[Bad, ...]:
    return (
        Bad((IMAGE, TWO), tg.ShapeError, rf"{name}: the last axes of x must be \[2\], found x \[4, 3\]"),
        Bad((IMAGE, THREE), tg.ShapeError,
            rf"{name}: gamma must be \[4, 3\], as the axes that are normalised, found \[3\]",
            {"normalized_shape": (4, 3)}),
        Bad((IMAGE,), tg.ShapeError, rf"{name}: the last axes of x must be \[2, 4, 3\], found x \[4, 3\]",
            {"normalized_shape": [2, 4, 3]}),
        Bad((IMAGE,), tg.ShapeError, rf"{name}: the last axes of x must be \[\], found x \[4, 3\]",
            {"normalized_shape": ()}),
        Bad((np.ones((), np.float32),), tg.ShapeError, rf"{name}: x must have at least one dimension, found float32 \[\]"),
        Bad((IMAGE, THREE.astype(np.float64)), tg.DTypeError,
            rf"{name}: gamma is float64 and x is float32; cast one with \.astype\(\)"),
        Bad((IMAGE.astype(np.int64),), tg.DTypeError, rf"{name}: x must be floating, found int64 \[4, 3\]"),
        Bad((IMAGE,), tg.ArgumentError, rf"{name}: eps must be positive, found 0", {"eps": 0.0}),
    )  # fmt: skip


BATCH_BAD = (
    Bad((np.ones((1, 3), np.float32), THREE, THREE), tg.ShapeError,
        r"batch_norm: training needs more than one value per channel, found x float32 \[1, 3\] with 1; use a batch "
        r"size that leaves no sample over by itself \(or drop_last=True\), or eval\(\)", {"training": True}),
    Bad((IMAGE, THREE, THREE), tg.ArgumentError,
        r'batch_norm: activation must be None or "relu", found "tanh"', {"training": True, "activation": "tanh"}),
    Bad((IMAGE, THREE, THREE), tg.ArgumentError,
        r"batch_norm: momentum=None averages over all batches and needs num_batches_tracked",
        {"training": True, "momentum": None}),
    Bad((IMAGE, THREE, THREE), tg.ArgumentError,
        r"batch_norm: num_batches_tracked must be an int64 number beside running statistics, found float32 \[3\]",
        {"training": True, "momentum": None, "num_batches_tracked": THREE}),
    Bad((IMAGE, THREE, THREE), tg.ArgumentError, r"batch_norm: momentum must be from 0 to 1, found 2",
        {"training": True, "momentum": 2.0}),
)  # fmt: skip
GROUP_BAD = (
    Bad((IMAGE, 2), tg.ArgumentError, r"group_norm: num_groups=2 must divide the channels \(last axis\) of x \[4, 3\]"),
    Bad((IMAGE, 0), tg.ArgumentError, r"group_norm: num_groups=0 must divide the channels \(last axis\) of x \[4, 3\]"),
    Bad((IMAGE, 3), tg.ArgumentError, r"group_norm: eps must be positive, found -1", {"eps": -1.0}),
)  # fmt: skip
RESPONSE_BAD = (
    Bad((IMAGE, 0), tg.ArgumentError, r"local_response_norm: size must be positive, found 0"),
    Bad((np.ones((), np.float32), 5), tg.ShapeError,
        r"local_response_norm: x must be \[\.\.\., C\], found float32 \[\]"),
    Bad((np.ones((4, 3), np.int64), 5), tg.DTypeError,
        r"local_response_norm: x must be floating, found int64 \[4, 3\]"),
)  # fmt: skip

OPS = [
    Op("batch_norm", batch_norm, batch_norms, norm_terms, (*channel_bad("batch_norm", training=True), *BATCH_BAD),
       function=run_batch_norm),
    Op("layer_norm", layer_norm, layer_norms, norm_terms, row_bad("layer_norm")),
    Op("rms_norm", rms_norm, rms_norms, norm_terms, row_bad("rms_norm")),
    Op("group_norm", group_norm, group_norms, group_terms, (*channel_bad("group_norm", groups=(1,)), *GROUP_BAD)),
    Op("instance_norm", lambda x, gamma=None, beta=None: group_norm(x, x.shape[-1], gamma, beta), instance_norms,
       group_terms, (
           *channel_bad("instance_norm", np.ones((4, 2, 3), np.float32)),
           Bad((np.ones((2, 1, 3), np.float32),), tg.ShapeError,
               r"instance_norm: each channel of a sample needs more than one value, found x \[2, 1, 3\]"))),
    Op("local_response_norm", local_response_norm, responses, response_terms, RESPONSE_BAD),
]  # fmt: skip
