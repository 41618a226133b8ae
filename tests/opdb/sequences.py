"""Convolution and pooling of sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import tilegrad as tg

from . import conv, conv_transpose, pool
from .record import Bad, Op, Sample, exact


def sides(padding: Any) -> Any:
    """As an image's padding."""
    return padding if isinstance(padding, str) else ((0, 0), conv.pair(padding))


def conv1d(
    x: Any, w: Any, b: Any = None, stride: int = 1, padding: Any = "valid", dilation: int = 1, **rest: Any
) -> Any:
    """The definition for images, of one row."""
    pads = ((0, 0), ((w.shape[0] - 1) * dilation, 0)) if padding == "causal" else sides(padding)
    return conv.conv2d(x[:, None], w[None], b, (1, stride), pads, (1, dilation), **rest)[:, 0]


def conv_transpose1d(
    x: Any, w: Any, b: Any = None, stride: int = 1, padding: Any = "valid", output_padding: int = 0, dilation: int = 1,
    **rest: Any,
) -> Any:  # fmt: skip
    """The definition for images, of one row."""
    options = ((1, stride), sides(padding), (0, output_padding), (1, dilation))
    return conv_transpose.conv_transpose2d(x[:, None], w[None], b, *options, **rest)[:, 0]


def pooling(images: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """The definition for images, of one row."""

    def of_rows(x: Any, kernel_size: int, stride: Any = None, padding: Any = "valid", **rest: Any) -> np.ndarray:
        step = kernel_size if stride is None else stride
        return images(x[:, None], (1, kernel_size), (1, step), sides(padding), **rest)[:, 0]

    return of_rows


def sum_tolerance(reference: Callable[..., Any], taps_axis: int) -> Callable[[Sample, np.ndarray, float], Any]:
    """As for images: t epsilon sum |a b| for t products."""

    def tolerance(sample: Sample, result: np.ndarray, epsilon: float) -> Any:
        x, w, *rest = (np.abs(a) if isinstance(a, np.ndarray) else a for a in sample.args)
        options = {k: v for k, v in sample.kwargs.items() if k != "activation"}
        sums = (w.shape[0] * w.shape[taps_axis] + 1) * epsilon * reference(x, w, *rest, **options)
        return 1.13 * sums + 8 * epsilon * (1 + np.abs(result)) if "activation" in sample.kwargs else sums

    return tolerance


def mean_tolerance(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    x, kernel, *rest = sample.args
    means = pooling(pool.windows(np.nanmean))(np.abs(x), kernel, *rest, **sample.kwargs)
    return (kernel + 1) * epsilon * means


CONV: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((1, 1, 1), (1, 1, 1), {}),
    ((2, 9, 3), (3, 3, 5), {}),
    ((2, 9, 3), (3, 3, 5), {"padding": "same"}),
    ((2, 9, 3), (4, 3, 17), {"padding": "same", "stride": 2}),
    ((1, 12, 4), (3, 4, 6), {"padding": "causal"}),
    ((1, 12, 4), (3, 4, 6), {"padding": "causal", "dilation": 4}),
    ((1, 12, 4), (2, 4, 6), {"padding": "causal", "stride": 3}),
    ((2, 8, 5), (5, 5, 2), {"padding": 2}),
    ((2, 8, 5), (5, 5, 2), {"padding": (4, 1)}),
    ((1, 17, 2), (3, 2, 3), {"dilation": 3, "stride": 2}),
    ((2, 7, 6), (3, 2, 9), {"groups": 3}),
    ((1, 11, 8), (3, 1, 8), {"groups": 8, "padding": "same"}),
    ((1, 7, 6), (3, 1, 12), {"groups": 6, "padding": 1, "stride": 2}),
    ((3, 5, 33), (1, 33, 70), {}),
    ((2, 6, 600), (2, 600, 5), {}),
    ((17, 6, 3), (3, 3, 4), {"padding": 1}),
    ((0, 6, 3), (3, 3, 4), {}),
    ((2, 0, 3), (3, 3, 4), {"padding": "same"}),
    ((1, 40, 1), (9, 1, 16), {"padding": "same"}),
    ((1, 64, 16), (3, 16, 16), {"padding": 1}),
    ((2, 9, 3), (3, 3, 5), {"activation": "relu", "padding": "causal"}),
    ((2, 9, 3), (3, 3, 5), {"activation": "gelu"}),
]
TRANSPOSED: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((1, 1, 1), (1, 1, 1), {}),
    ((2, 5, 3), (3, 5, 3), {}),
    ((2, 5, 3), (2, 5, 3), {"stride": 2}),
    ((2, 5, 3), (3, 5, 3), {"stride": 2, "padding": "same"}),
    ((2, 5, 3), (4, 17, 3), {"stride": 2, "padding": 1}),
    ((1, 6, 4), (3, 5, 4), {"stride": 2, "padding": 1, "output_padding": 1}),
    ((1, 6, 4), (3, 5, 4), {"stride": 3, "padding": (2, 0), "output_padding": 2}),
    ((1, 6, 2), (3, 3, 2), {"dilation": 3}),
    ((1, 6, 2), (3, 3, 2), {"dilation": 3, "output_padding": 2, "padding": 4}),
    ((2, 4, 6), (3, 2, 6), {"groups": 3, "stride": 2}),
    ((2, 4, 5), (3, 1, 5), {"groups": 5, "stride": 2, "padding": 1}),
    ((1, 4, 2), (2, 3, 2), {"stride": 5}),
    ((1, 4, 2), (2, 3, 2), {"stride": 5, "padding": "same"}),
    ((3, 5, 33), (1, 70, 33), {}),
    ((2, 4, 600), (2, 5, 600), {}),
    ((17, 4, 3), (3, 4, 3), {"padding": 1}),
    ((0, 4, 3), (3, 4, 3), {}),
    ((2, 0, 3), (3, 4, 3), {"padding": "same"}),
    ((1, 30, 1), (9, 16, 1), {"padding": "same"}),
    ((1, 9, 16), (3, 16, 16), {"padding": 1}),
    ((2, 5, 3), (3, 5, 3), {"activation": "relu", "stride": 2}),
    ((2, 5, 3), (3, 5, 3), {"activation": "tanh"}),
]
POOLS: list[tuple[tuple[int, ...], int, dict[str, Any]]] = [
    ((1, 1, 1), 1, {}), ((2, 6, 3), 2, {}), ((2, 7, 17), 2, {}), ((1, 9, 5), 3, {"stride": 1}),
    ((1, 9, 5), 3, {"stride": 2}), ((1, 10, 4), 2, {"stride": 3}), ((1, 9, 5), 3, {"padding": "same"}),
    ((1, 9, 5), 4, {"padding": "same", "stride": 2}), ((1, 9, 5), 3, {"padding": 1}), ((1, 9, 5), 3, {"padding": (2, 0)}),
    ((1, 8, 33), 3, {"stride": 2, "ceil_mode": True}), ((1, 8, 2), 3, {"stride": 2, "padding": 1, "ceil_mode": True}),
    ((2, 5, 1), 5, {}), ((1, 300, 2), 290, {"stride": 3}), ((0, 5, 2), 2, {}), ((2, 5, 0), 2, {}),
    ((2, 0, 3), 2, {"padding": "same"}), ((3, 31, 15), 4, {"stride": 3}), ((1, 64, 16), 2, {}), ((2, 11, 7), 2, {"ceil_mode": True}),
]  # fmt: skip


def convolutions(
    cases: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]], out_axis: int
) -> Callable[[np.random.Generator], Iterator[Sample]]:
    def samples(rng: np.random.Generator) -> Iterator[Sample]:
        for i, (x, w, options) in enumerate(cases):
            groups = options.get("groups", 1) if out_axis == 1 else 1
            bias = [rng.normal(size=w[out_axis] * groups)] if i % 3 else []
            yield Sample((rng.normal(size=x), rng.normal(size=w), *bias), options)

    return samples


def pools(rng: np.random.Generator) -> Iterator[Sample]:
    for x, kernel, options in POOLS:
        yield Sample((rng.normal(size=x), kernel), options)


def mean_pools(rng: np.random.Generator) -> Iterator[Sample]:
    yield from pools(rng)
    yield Sample((rng.normal(size=(1, 9, 5)), 3), {"padding": 1, "count_include_pad": True})
    yield Sample((rng.normal(size=(1, 8, 5)), 3), {"padding": 1, "ceil_mode": True, "count_include_pad": True})


X = np.ones((1, 5, 4), np.float32)


def conv_bad(op: str, letters: str, w: np.ndarray) -> tuple[Bad, ...]:
    causal = ', "causal"' if op == "conv1d" else ""
    padding = rf'{op}: padding must be "valid", "same"{causal}, an integer or \(left, right\); found '
    return (
        Bad((X[0], w), tg.ShapeError, rf"{op}: x must have 3 dimensions \[N, L, C\], found \[5, 4\]; add a batch dimension "
            r"of 1 in front"),
        Bad((X[None], w), tg.ShapeError, rf"{op}: x must have 3 dimensions \[N, L, C\], found \[1, 1, 5, 4\]"),
        Bad((X, w[0]), tg.ShapeError, rf"{op}: w must have 3 dimensions {letters}, found \[\d, \d\]"),
        Bad((X.astype(np.int64), w), tg.DTypeError, rf"{op}: x must be float32 or float64, found int64; cast it with "
            r"\.astype\(tg\.float32\)"),
        Bad((X, w), tg.ArgumentError, rf"{op}: stride must be an integer, found 1\.5", {"stride": 1.5}),
        Bad((X, w), tg.ArgumentError, rf"{op}: stride must be at least 1 along the positions, found 0", {"stride": 0}),
        Bad((X, w), tg.ArgumentError, rf"{op}: dilation must be an integer, found \(1, 1\)", {"dilation": (1, 1)}),
        Bad((X, w), tg.ArgumentError, padding + "'full'", {"padding": "full"}),
        Bad((X, w), tg.ArgumentError, padding + r"\(1, 2, 3\)", {"padding": (1, 2, 3)}),
    )  # fmt: skip


def pool_bad(op: str) -> tuple[Bad, ...]:
    return (
        Bad((X[0], 2), tg.ShapeError, rf"{op}: x must have 3 dimensions \[N, L, C\], found \[5, 4\]; add a batch dimension "
            r"of 1 in front"),
        Bad((X.astype(np.int64), 2), tg.DTypeError, rf"{op}: x must be float32 or float64, found int64; cast it with "
            r"\.astype\(tg\.float32\)"),
        Bad((X, 6), tg.ShapeError, rf"{op}: the kernel covers 6 positions \(kernel_size 6, dilation 1\), but the padded "
            r'input has 5 \(0 \+ 5 \+ 0\); use a smaller kernel, more padding or padding="same"'),
        Bad((X, 0), tg.ArgumentError, rf"{op}: kernel_size must be at least 1 along the positions, found 0"),
        Bad((X, "2"), tg.ArgumentError, rf"{op}: kernel_size must be an integer, found '2'"),
        Bad((X, 2, 1, 2), tg.ArgumentError, rf"{op}: padding must be smaller than kernel_size, .*"),
        Bad((X, 2, 1, "causal"), tg.ArgumentError, rf'{op}: padding must be "valid", "same", an integer or \(left, right\); '
            r"found 'causal'"),
    )  # fmt: skip


W, BACK = np.ones((3, 4, 2), np.float32), np.ones((3, 2, 4), np.float32)
OPS = [
    Op("conv1d", conv1d, convolutions(CONV, 2), sum_tolerance(conv1d, 1), (
        *conv_bad("conv1d", r"\[S, C / groups, K\]", W),
        Bad((X, W[:, :3]), tg.ShapeError, r"conv1d: x has 4 channels, so w's second dimension must be 4 \(x's channels / "
            r"groups\), found 3"),
        Bad((X, W), tg.ArgumentError, r"conv1d: groups=3 must divide the 4 channels of x and the 2 of w's last dimension",
            {"groups": 3}),
        Bad((X, np.ones((6, 4, 2), np.float32)), tg.ShapeError, r"conv1d: the kernel covers 6 positions .*"),
    )),
    Op("conv_transpose1d", conv_transpose1d, convolutions(TRANSPOSED, 1), sum_tolerance(conv_transpose1d, 2), (
        *conv_bad("conv_transpose1d", r"\[S, K / groups, C\]", BACK),
        Bad((X, BACK[..., :3]), tg.ShapeError, r"conv_transpose1d: x has 4 channels, so w's last dimension must be 4, "
            r"found 3; .*"),
        Bad((X, BACK), tg.ArgumentError, r"conv_transpose1d: output_padding must be at least 0 and below .*",
            {"output_padding": 1}),
    )),
    Op("max_pool1d", pooling(pool.windows(np.nanmax)), pools, exact, pool_bad("max_pool1d")),
    Op("avg_pool1d", pooling(pool.windows(np.nanmean)), mean_pools, mean_tolerance, pool_bad("avg_pool1d")),
]  # fmt: skip
