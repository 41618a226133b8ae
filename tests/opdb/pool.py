"""Pooling."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import tilegrad as tg

from .conv import pair, resolve_padding
from .record import Bad, Op, Sample, exact


def windows(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """The definition: ``function`` of every window, NaN outside the image."""

    def pool(
        x: np.ndarray,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = "valid",
        ceil_mode: bool = False,
        count_include_pad: bool = False,
    ) -> np.ndarray:
        kernel = pair(kernel_size)
        step = kernel if stride is None else pair(stride)
        pads = resolve_padding(padding, x.shape[1:3], kernel, step)
        outside = 0 if count_include_pad else np.nan
        padded = np.pad(x, ((0, 0), *pads, (0, 0)), constant_values=outside)
        P, Q = (max((size - k) // s + 1, 0) for size, k, s in zip(padded.shape[1:3], kernel, step, strict=True))
        if ceil_mode and padding != "same":
            P, Q = (
                n + (n * s < before + size and (n - 1) * s + k < before + size + after)
                for n, s, k, size, (before, after) in zip((P, Q), step, kernel, x.shape[1:3], pads, strict=True)
            )
            padded = np.pad(padded, ((0, 0), (0, kernel[0]), (0, kernel[1]), (0, 0)), constant_values=np.nan)
        y = np.zeros((x.shape[0], P, Q, x.shape[3]))
        for p, q in itertools.product(range(P), range(Q)):
            rows, columns = (slice(i * s, i * s + k) for i, s, k in zip((p, q), step, kernel, strict=True))
            y[:, p, q] = function(padded[:, rows, columns], axis=(1, 2)) if x.size else 0
        return y

    return pool


def mean_tolerance(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    """For t additions and a division, t + 1 epsilon times the mean of the absolute values."""
    kernel = pair(sample.args[1])
    return (
        (kernel[0] * kernel[1] + 1)
        * epsilon
        * windows(np.nanmean)(np.abs(sample.args[0]), *sample.args[1:], **sample.kwargs)
    )


# Image, kernel_size, options. Overlapping windows and gaps, odd channels, a window of more than 256 taps, empty
# batches.
CASES: list[tuple[tuple[int, ...], Any, dict[str, Any]]] = [
    ((1, 1, 1, 1), 1, {}),
    ((2, 4, 4, 1), 2, {}),
    ((2, 5, 7, 3), 2, {}),
    ((1, 6, 6, 16), 2, {}),
    ((1, 6, 6, 17), 3, {}),
    ((1, 6, 5, 33), (3, 2), {}),
    ((1, 7, 7, 6), 3, {"stride": 2}),
    ((2, 7, 8, 5), 3, {"stride": 1}),
    ((1, 7, 8, 5), 2, {"stride": (3, 4)}),
    ((1, 8, 8, 4), 3, {"stride": 2, "padding": 1}),
    ((1, 7, 5, 4), 3, {"stride": 2, "padding": "same"}),
    ((1, 8, 8, 4), 2, {"stride": 3, "padding": "same"}),
    ((1, 4, 9, 2), (2, 5), {"stride": (1, 2), "padding": "same"}),
    ((1, 5, 5, 8), 3, {"stride": 1, "padding": ((2, 0), (0, 1))}),
    ((1, 5, 6, 8), 3, {"padding": (1, 2)}),
    ((2, 5, 6, 2), (5, 6), {}),
    ((1, 17, 18, 2), 17, {"stride": 1}),
    ((1, 3, 3, 600), 2, {"stride": 1}),
    ((3, 1, 9, 7), (1, 3), {}),
    ((1, 9, 1, 15), (4, 1), {"stride": 2}),
    ((2, 2, 2, 31), 2, {"padding": 1}),
    ((0, 4, 4, 3), 2, {}),
    ((2, 0, 4, 3), 2, {"padding": "same"}),
    ((2, 4, 4, 0), 2, {}),
    # A last window that sticks out; none that begins behind the image.
    ((2, 6, 7, 3), 3, {"stride": 2, "ceil_mode": True}),
    ((1, 5, 5, 17), 2, {"ceil_mode": True}),
    ((1, 8, 6, 5), (3, 2), {"stride": (2, 3), "padding": 1, "ceil_mode": True}),
    ((1, 3, 4, 2), 2, {"stride": 3, "padding": 1, "ceil_mode": True}),
    ((2, 7, 5, 4), 3, {"stride": 2, "padding": "same", "ceil_mode": True}),
]
# And where padding counts.
COUNTED: list[tuple[tuple[int, ...], Any, dict[str, Any]]] = [
    ((2, 5, 7, 3), 3, {"stride": 1, "padding": 1}),
    ((1, 6, 6, 17), 2, {"padding": 1}),
    ((1, 6, 7, 4), 3, {"stride": 2, "padding": 1, "ceil_mode": True}),
    ((1, 7, 6, 5), (4, 3), {"stride": (3, 2), "padding": ((3, 1), (0, 2)), "ceil_mode": True}),
    ((1, 7, 5, 4), 3, {"stride": 2, "padding": "same"}),
    ((2, 4, 6, 2), 2, {}),
]


def samples(rng: np.random.Generator) -> Iterator[Sample]:
    for image, kernel_size, options in CASES:
        yield Sample((rng.normal(size=image), kernel_size), options)


def mean_samples(rng: np.random.Generator) -> Iterator[Sample]:
    yield from samples(rng)
    for image, kernel_size, options in COUNTED:
        yield Sample((rng.normal(size=image), kernel_size), {**options, "count_include_pad": True})


def bad(op: str) -> tuple[Bad, ...]:
    x = np.ones((1, 5, 5, 3), np.float32)
    return (
        Bad((x[0], 2), tg.ShapeError, rf"{op}: x must have 4 dimensions \[N, H, W, C\], found \[5, 5, 3\]; add "
            rf"a batch dimension "
            r"of 1 in front, or a channel axis of 1 at the end"),
        Bad((x[0, 0], 2), tg.ShapeError, rf"{op}: x must have 4 dimensions \[N, H, W, C\], found \[5, 3\]"),
        Bad((x.astype(np.int64), 2), tg.DTypeError, rf"{op}: x must be float32 or float64, found int64; cast it with "
            r"\.astype\(tg\.float32\)"),
        Bad((x, 6), tg.ShapeError, rf"{op}: the kernel covers 6 rows \(kernel_size 6, dilation 1\), but the "
            rf"padded input has 5 "
            r'\(0 \+ 5 \+ 0\); use a smaller kernel, more padding or padding="same"'),
        Bad((x, 0), tg.ArgumentError, rf"{op}: kernel_size must be at least 1 along the rows, found 0"),
        Bad((x, (2, -1)), tg.ArgumentError, rf"{op}: kernel_size must be at least 1 along the columns, found -1"),
        Bad((x, "2"), tg.ArgumentError, rf"{op}: kernel_size must be an integer or two, \(rows, columns\); found '2'"),
        Bad((x, 2, 0), tg.ArgumentError, rf"{op}: stride must be at least 1 along the rows, found 0"),
        Bad((x, 2, 1, -1), tg.ArgumentError, rf"{op}: padding must not be negative, found -1 and -1 along the "
            rf"rows; slice the "
            r"input to crop it"),
        Bad((x, 2, 1, 2), tg.ArgumentError, rf"{op}: padding must be smaller than kernel_size, or windows would "
            rf"lie outside the "
            r"image; found 2 and 2 along the rows with kernel_size 2"),
        Bad((x, 2, 1, "full"), tg.ArgumentError, rf'{op}: padding must be "valid", "same", an integer, \(rows, '
            rf'columns\) or '
            r"\(\(top, bottom\), \(left, right\)\); found 'full'"),
        Bad((np.ones((1, 0, 5, 3), np.float32), 2, 1, 1), tg.ShapeError, rf"{op}: x has no rows to pool over"),
    )  # fmt: skip


def adaptive(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """The definition of PyTorch's documentation: ``function`` of every window."""

    def pool(x: np.ndarray, output_size: Any) -> np.ndarray:
        sizes = pair(output_size)
        y = np.zeros((x.shape[0], *sizes, x.shape[3]))
        for places in itertools.product(*(range(size) for size in sizes)):
            rows, columns = (
                slice(i * n // size, -(-(i + 1) * n // size))
                for i, n, size in zip(places, x.shape[1:3], sizes, strict=True)
            )
            y[:, places[0], places[1]] = function(x[:, rows, columns], axis=(1, 2))
        return y

    return pool


def adaptive_tolerance(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    x, size = sample.args
    terms = np.prod([n // s + 2 for n, s in zip(x.shape[1:3], pair(size), strict=True)])
    return (terms + 1) * epsilon * adaptive(np.mean)(np.abs(x), size)


# Sizes that divide the image's and sizes that do not, larger ones than the image, windows of more than 256 taps.
ADAPTIVE: list[tuple[tuple[int, ...], Any]] = [
    ((1, 1, 1, 1), 1), ((2, 6, 6, 3), 1), ((2, 6, 6, 3), 2), ((1, 6, 8, 16), (3, 4)), ((1, 7, 5, 3), 3),
    ((2, 7, 9, 17), (2, 5)), ((1, 5, 5, 2), 5), ((1, 3, 4, 5), 7), ((1, 2, 3, 33), (5, 2)), ((1, 1, 9, 4), (3, 4)),
    ((3, 10, 1, 2), (4, 1)), ((1, 11, 13, 1), (6, 7)), ((1, 33, 35, 2), 2), ((1, 40, 41, 1), (1, 2)),
    ((0, 5, 5, 3), 2), ((2, 5, 5, 0), 2), ((1, 8, 8, 5), (8, 1)), ((1, 8, 8, 5), (1, 8)), ((2, 9, 9, 7), 4),
    ((1, 13, 6, 15), (5, 6)), ((1, 6, 13, 31), (6, 5)),
]  # fmt: skip


def adaptive_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for image, size in ADAPTIVE:
        yield Sample((rng.normal(size=image), size))


def adaptive_bad(op: str) -> tuple[Bad, ...]:
    x = np.ones((1, 5, 5, 3), np.float32)
    return (
        Bad((x[0], 2), tg.ShapeError, rf"{op}: x must have 4 dimensions \[N, H, W, C\], found \[5, 5, 3\]; add a batch "
            r"dimension of 1 in front, or a channel axis of 1 at the end"),
        Bad((x.astype(np.int64), 2), tg.DTypeError, rf"{op}: x must be float32 or float64, found int64; cast it with "
            r"\.astype\(tg\.float32\)"),
        Bad((x, 0), tg.ArgumentError, rf"{op}: output_size must be at least 1 along the rows, found 0"),
        Bad((x, (2, -1)), tg.ArgumentError, rf"{op}: output_size must be at least 1 along the columns, found -1"),
        Bad((x, "2"), tg.ArgumentError, rf"{op}: output_size must be an integer or two, \(rows, columns\); found '2'"),
        Bad((x[:, :0], 2), tg.ShapeError, rf"{op}: x has no rows to pool over"),
        Bad((x, 2**62), tg.ArgumentError, rf"{op}: the size \d+ x \d+ does not fit in 64 bits"),
    )  # fmt: skip


IMAGES = [
    (1, 1, 1, 1),
    *((n, h, w, c) for n in (1, 2, 0) for h, w in ((1, 5), (3, 3), (8, 7)) for c in (1, 3, 17)),
    (2, 40, 30, 2),
]


def images(rng: np.random.Generator) -> Iterator[Sample]:
    for image in IMAGES:
        yield Sample((rng.normal(size=image),))


def global_bad(op: str) -> tuple[Bad, ...]:
    return (
        Bad((np.ones((5, 3), np.float32),), tg.ShapeError, rf"{op}: x must have 4 dimensions \[N, H, W, C\], found \[5, 3\]"),
        Bad((np.ones((2, 5, 3), np.float32),), tg.ShapeError,
            rf"{op}: x must have 4 dimensions \[N, H, W, C\], found \[2, 5, 3\]"),
        Bad((np.ones((2, 0, 3, 1), np.float32),), tg.ShapeError, rf"{op}: x has no pixels to pool over, found \[2, 0, 3, 1\]"),
    )  # fmt: skip


def global_tolerance(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    x = sample.args[0]
    return (x.shape[1] * x.shape[2] + 1) * epsilon * np.abs(x).mean(axis=(1, 2))


OPS = [
    Op("max_pool2d", windows(np.nanmax), samples, exact, bad("max_pool2d")),
    Op("avg_pool2d", windows(np.nanmean), mean_samples, mean_tolerance, bad("avg_pool2d")),
    Op("adaptive_max_pool2d", adaptive(np.max), adaptive_samples, exact, adaptive_bad("adaptive_max_pool2d")),
    Op(
        "adaptive_avg_pool2d",
        adaptive(np.mean),
        adaptive_samples,
        adaptive_tolerance,
        adaptive_bad("adaptive_avg_pool2d"),
    ),
    Op("global_avg_pool2d", lambda x: x.mean(axis=(1, 2)), images, global_tolerance, global_bad("global_avg_pool2d")),
    Op("global_max_pool2d", lambda x: x.max(axis=(1, 2)), images, exact, global_bad("global_max_pool2d")),
]
