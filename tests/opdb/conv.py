"""Convolution."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import tilegrad as tg
from tilegrad import _C

from .. import winograd
from .record import Bad, Op, Sample

Pads = tuple[tuple[int, int], tuple[int, int]]


def pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def resolve_padding(padding: Any, image: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int]) -> Pads:
    """((top, bottom), (left, right)); ``kernel`` is the extent with dilation."""
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":  # TensorFlow's rule
        totals = [
            max((-(-i // s) - 1) * s + k - i, 0) if i else 0 for i, k, s in zip(image, kernel, stride, strict=True)
        ]
        return tuple((t // 2, t - t // 2) for t in totals)  # type: ignore[return-value]
    if isinstance(padding, int):
        return (padding, padding), (padding, padding)
    return tuple(pair(p) for p in padding)  # type: ignore[return-value]


def conv2d(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    stride: Any = 1,
    padding: Any = "valid",
    dilation: Any = 1,
    groups: int = 1,
    activation: str | None = None,
) -> np.ndarray:
    """The definition: one product of matrices per tap and group."""
    R, S, group_in, K = w.shape
    (sh, sw), (dh, dw) = pair(stride), pair(dilation)
    extent = ((R - 1) * dh + 1, (S - 1) * dw + 1)
    pads = resolve_padding(padding, x.shape[1:3], extent, (sh, sw))
    x = np.pad(x, ((0, 0), *pads, (0, 0)))
    P, Q = (max((size - e) // s + 1, 0) for size, e, s in zip(x.shape[1:3], extent, (sh, sw), strict=True))
    y = np.zeros((x.shape[0], P, Q, K))
    group_out = K // groups
    for g, r, s in itertools.product(range(groups), range(R), range(S)):
        seen = x[:, r * dh :, s * dw :, g * group_in : (g + 1) * group_in][:, ::sh, ::sw][:, :P, :Q]
        out = slice(g * group_out, (g + 1) * group_out)
        y[..., out] += seen @ w[r, s, :, out]
    if b is not None:
        y += b
    return ACTIVATIONS[activation](y) if activation else y


ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda y: np.maximum(y, 0),
    "sigmoid": lambda y: 1 / (1 + np.exp(-y)),
    "tanh": np.tanh,
    "gelu": lambda y: y * np.vectorize(lambda v: 0.5 * (1 + math.erf(v / math.sqrt(2))), otypes=[float])(y),
}


def algorithms(x: np.ndarray, w: np.ndarray, dtype: Any, **options: Any) -> tuple[str, str, str]:
    """What computes conv2d of these, its input's and its weights' gradient at the current precision."""
    whole: dict[str, Any] = {"stride": 1, "padding": "valid", "dilation": 1, "groups": 1, **options}
    found: tuple[str, str, str] = _C.conv2d_algorithm(tg.tensor(x.astype(dtype)), tg.tensor(w.astype(dtype)), **whole)
    return found


def tolerance(sample: Sample, reference: np.ndarray, epsilon: float) -> np.ndarray:
    """A sum of t products, each rounded once with the sum so far, is off by at most t epsilon sum |a b|.

    Winograd's algorithm is off by at most what winograd.error_bound() derives.
    """
    x, w, *rest = (np.abs(a) if isinstance(a, np.ndarray) else a for a in sample.args)
    terms = w.shape[0] * w.shape[1] * w.shape[2] + 1
    options = {k: v for k, v in sample.kwargs.items() if k != "activation"}
    sums = terms * epsilon * conv2d(x, w, *rest, **options)
    algorithm = algorithms(x, w, np.float32 if epsilon > 1e-10 else np.float64, **options)[0]
    if algorithm != "direct":
        stride = options.get("stride", 1)
        pads = resolve_padding(options.get("padding", "valid"), x.shape[1:3], (3, 3), pair(stride))
        bound = winograd.error_bound(x, w, pads, int(algorithm[-1]), epsilon, options.get("groups", 1), pair(stride)[0])
        sums = bound + 2 * epsilon * np.abs(reference)
    # No activation is steeper than 1.13 (gelu's largest slope), or off by more than 8 ULPs of a value of at most 1 + |y|.
    return 1.13 * sums + 8 * epsilon * (1 + np.abs(reference)) if "activation" in sample.kwargs else sums


# Image (N, H, W, C), filter (R, S, C / groups, K), options. Odd sizes around the widths of panels and vectors, images
# smaller than a tile, sums longer than one chunk of 512, few channels, depthwise, empty batches.
CASES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((1, 1, 1, 1), (1, 1, 1, 1), {}),
    ((2, 5, 5, 1), (3, 3, 1, 1), {}),
    ((2, 8, 8, 1), (5, 5, 1, 6), {"padding": 2}),
    ((1, 9, 7, 3), (3, 3, 3, 16), {"padding": "same"}),
    ((3, 6, 6, 4), (3, 3, 4, 17), {"padding": 1, "stride": 2}),
    ((1, 7, 8, 2), (2, 4, 2, 3), {"padding": "same", "stride": (2, 3)}),
    ((2, 6, 5, 8), (3, 3, 8, 33), {"padding": ((1, 0), (0, 2))}),
    ((1, 5, 5, 64), (3, 3, 64, 10), {"padding": "same"}),
    ((1, 4, 4, 130), (2, 2, 130, 5), {}),
    ((1, 11, 10, 3), (3, 2, 3, 5), {"dilation": (2, 3)}),
    ((1, 12, 12, 2), (3, 3, 2, 4), {"dilation": 2, "stride": 2, "padding": 2}),
    ((1, 12, 9, 2), (3, 3, 2, 4), {"dilation": 3, "stride": 2, "padding": "same"}),
    ((2, 5, 6, 4), (3, 3, 2, 6), {"groups": 2, "padding": 1}),
    ((1, 5, 5, 9), (3, 3, 3, 6), {"groups": 3, "stride": 2, "padding": 1}),
    ((2, 6, 7, 5), (3, 3, 1, 5), {"groups": 5, "padding": 1}),
    ((1, 6, 6, 33), (3, 3, 1, 33), {"groups": 33, "padding": "same", "stride": 2}),
    ((1, 9, 9, 16), (5, 5, 1, 16), {"groups": 16}),
    ((1, 4, 4, 3), (2, 2, 1, 6), {"groups": 3}),
    ((2, 3, 3, 7), (1, 1, 7, 20), {}),
    ((1, 5, 5, 6), (1, 1, 6, 4), {"stride": 2}),
    ((1, 3, 3, 2), (3, 3, 2, 2), {"padding": 3}),
    ((1, 2, 9, 1), (4, 1, 1, 2), {"padding": (2, 0), "stride": 5}),
    ((1, 1, 40, 2), (1, 7, 2, 3), {"padding": "same"}),
    ((5, 1, 1, 20), (1, 1, 20, 40), {}),
    ((2, 5, 7, 9), (1, 1, 9, 70), {"padding": "same"}),
    ((2, 9, 33, 5), (1, 1, 5, 64), {}),
    ((1, 4, 5, 600), (1, 1, 600, 17), {}),
    ((0, 4, 5, 6), (1, 1, 6, 64), {}),
    ((1, 7, 7, 3), (2, 2, 3, 4), {"stride": 4}),
    # Backward-weights with lanes along filter rows and along taps; rings of rows that wrap around; chunks that end mid-row.
    ((3, 20, 30, 1), (5, 5, 1, 6), {"padding": 2}),
    ((2, 45, 9, 1), (5, 5, 1, 6), {"padding": 2}),
    ((1, 61, 7, 1), (4, 3, 1, 5), {"stride": (2, 1), "padding": "same"}),
    ((2, 24, 40, 2), (3, 4, 2, 3), {"stride": (2, 1), "padding": 1}),
    ((2, 19, 31, 2), (3, 3, 2, 5), {"dilation": 2, "padding": "same"}),
    ((2, 17, 18, 32), (3, 3, 4, 32), {"groups": 8, "padding": 1}),
    ((3, 19, 14, 40), (3, 3, 1, 80), {"groups": 40, "stride": 2, "padding": 1}),
    ((2, 9, 70, 16), (3, 3, 1, 16), {"groups": 16, "padding": 1}),
    # Depthwise: blocks of columns and of channels, channels that fill no vector, images smaller than the filter; x in place
    # at stride 2, with and without columns beside the image; classes of taps; more taps than its kernels take.
    ((2, 9, 150, 33), (3, 3, 1, 33), {"groups": 33, "padding": 1}),
    ((1, 6, 9, 200), (3, 3, 1, 200), {"groups": 200, "padding": 1}),
    ((2, 5, 18, 40), (3, 3, 1, 40), {"groups": 40}),
    ((1, 1, 8, 24), (3, 3, 1, 24), {"groups": 24, "padding": 1}),
    ((1, 4, 1, 32), (3, 3, 1, 32), {"groups": 32, "padding": ((2, 0), (3, 1))}),
    ((2, 15, 15, 32), (3, 3, 1, 32), {"groups": 32, "padding": 1, "stride": 2}),
    ((1, 4, 10, 96), (3, 3, 1, 96), {"groups": 96, "padding": "same", "stride": 2}),
    ((3, 33, 3, 16), (3, 3, 1, 16), {"groups": 16, "padding": 2, "stride": 2}),
    ((1, 7, 13, 48), (5, 5, 1, 48), {"groups": 48, "padding": 2, "stride": 2}),
    ((2, 9, 8, 20), (3, 3, 1, 20), {"groups": 20, "padding": ((2, 0), (0, 3)), "dilation": 2}),
    ((1, 12, 13, 24), (3, 2, 1, 24), {"groups": 24, "padding": 1, "stride": (3, 2), "dilation": (1, 2)}),
    ((1, 11, 12, 16), (4, 3, 1, 16), {"groups": 16, "padding": 2, "stride": 3, "dilation": (3, 2)}),
    ((1, 3, 40, 17), (7, 7, 1, 17), {"groups": 17, "padding": 3}),
    ((2, 6, 7, 16), (1, 1, 1, 16), {"groups": 16, "stride": 2}),
    ((2, 2, 9, 3), (1, 2, 1, 3), {"groups": 3, "padding": (0, 3), "stride": (5, 4)}),
    ((1, 9, 8, 4), (17, 16, 1, 4), {"groups": 4, "padding": 8}),
    ((0, 5, 5, 16), (3, 3, 1, 16), {"groups": 16, "stride": 2}),
    ((2, 0, 5, 16), (3, 3, 1, 16), {"groups": 16, "padding": "same"}),
    # Batches whose images fill the lanes of vectors.
    ((17, 6, 7, 1), (5, 5, 1, 6), {"padding": 2}),
    ((16, 5, 5, 3), (3, 3, 3, 7), {"padding": "same", "stride": 2}),
    ((19, 5, 4, 12), (3, 2, 3, 20), {"groups": 4, "padding": 1, "stride": (1, 3)}),
    ((9, 3, 4, 130), (2, 3, 130, 3), {"padding": 1, "dilation": (1, 2)}),
    ((8, 4, 4, 16), (3, 3, 2, 32), {"groups": 8, "padding": (3, 0)}),
    ((0, 5, 5, 3), (3, 3, 3, 4), {}),
    ((0, 5, 5, 4), (3, 3, 1, 4), {"groups": 4}),
    ((2, 0, 5, 3), (3, 3, 3, 4), {"padding": "same"}),
    # Rows long enough for tiles of neighbours: every height, surplus pixels, chunks that end within a filter row, classes,
    # groups, dilation, one vector and two.
    ((2, 5, 16, 3), (3, 3, 3, 16), {"padding": 1}),
    ((1, 4, 30, 3), (3, 3, 3, 20), {"padding": "same"}),
    ((2, 7, 23, 5), (3, 3, 5, 33), {"padding": 1, "stride": 2}),
    ((1, 4, 20, 60), (3, 3, 60, 10), {"padding": ((0, 1), (2, 0))}),
    ((1, 3, 13, 9), (3, 4, 9, 17), {"dilation": (1, 3), "padding": "same"}),
    ((1, 5, 28, 4), (1, 3, 2, 24), {"groups": 2, "padding": 1, "stride": (2, 1)}),
    ((3, 9, 32, 16), (1, 1, 16, 32), {"stride": 2}),
    ((1, 30, 14, 40), (3, 3, 40, 24), {"stride": 2, "padding": 1}),
    # Backward-weights with filter rows of few elements, one vector wide.
    ((2, 19, 17, 1), (3, 3, 1, 16), {"padding": 1}),
    ((2, 18, 17, 2), (3, 3, 2, 13), {"stride": 2, "padding": 1}),
    ((3, 15, 16, 3), (3, 3, 3, 47), {"dilation": (2, 1), "padding": "same"}),
    # By Winograd's algorithm, where the sizes are worth it: tiles cut by the image's end, all paddings, one row, one
    # pixel, channels that fill no vector, more padding than the filter is wide.
    ((2, 8, 8, 16), (3, 3, 16, 16), {"padding": "same"}),
    ((1, 7, 9, 17), (3, 3, 17, 33), {"padding": 1}),
    ((3, 6, 11, 19), (3, 3, 19, 50), {}),
    ((1, 5, 6, 40), (3, 3, 40, 21), {"padding": ((2, 0), (0, 1))}),
    ((1, 1, 13, 18), (3, 3, 18, 16), {"padding": "same"}),
    ((2, 9, 2, 16), (3, 3, 16, 47), {"padding": ((0, 1), (1, 0))}),
    ((1, 2, 3, 24), (3, 3, 24, 31), {"padding": ((5, 4), (3, 6))}),
    ((1, 1, 1, 16), (3, 3, 16, 16), {"padding": 1}),
    ((0, 8, 8, 16), (3, 3, 16, 16), {"padding": 1}),
    ((2, 8, 8, 32), (3, 3, 16, 32), {"padding": 1, "groups": 2}),
    ((1, 7, 9, 57), (3, 3, 19, 66), {"padding": "same", "groups": 3}),
    ((3, 5, 6, 34), (3, 3, 17, 74), {"padding": ((2, 0), (0, 1)), "groups": 2}),
    # The same at stride 2: even and odd padding, unlike along rows and columns, tiles cut at either end, more padding than the
    # filter is wide, pixels that no filter sees.
    ((2, 8, 8, 16), (3, 3, 16, 16), {"padding": 1, "stride": 2}),
    ((1, 16, 12, 17), (3, 3, 17, 33), {"padding": "same", "stride": 2}),
    ((3, 9, 17, 19), (3, 3, 19, 50), {"stride": 2}),
    ((1, 7, 8, 40), (3, 3, 40, 21), {"padding": ((2, 0), (1, 1)), "stride": 2}),
    ((1, 6, 5, 24), (3, 3, 24, 31), {"padding": ((5, 4), (3, 6)), "stride": 2}),
    ((2, 8, 9, 18), (3, 3, 18, 47), {"padding": ((4, 1), (6, 0)), "stride": (2, 2)}),
    ((2, 8, 12, 34), (3, 3, 17, 40), {"padding": 1, "groups": 2, "stride": 2}),
]


def samples(rng: np.random.Generator) -> Iterator[Sample]:
    for i, (image, kernel, options) in enumerate(CASES):
        arguments = [rng.normal(size=image), rng.normal(size=kernel)]
        if i % 3 != 2:
            arguments.append(rng.normal(size=kernel[-1:]))
        yield Sample(tuple(arguments), options)
    for activation in ACTIVATIONS:
        arguments = [rng.normal(size=size) for size in ((2, 4, 5, 3), (3, 3, 3, 18), (18,))]
        yield Sample(tuple(arguments), {"activation": activation})
        arguments = [rng.normal(size=size) for size in ((1, 6, 7, 16), (3, 3, 16, 18), (18,))]
        yield Sample(tuple(arguments), {"activation": activation, "padding": 1})
        arguments = [rng.normal(size=size) for size in ((1, 6, 7, 32), (3, 3, 16, 36), (36,))]
        yield Sample(tuple(arguments), {"activation": activation, "padding": 1, "groups": 2})


X, W, B = np.ones((1, 5, 5, 3), np.float32), np.ones((3, 3, 3, 4), np.float32), np.ones(4, np.float32)
PADDING = (
    r'conv2d: padding must be "valid", "same", an integer, \(rows, columns\) or \(\(top, bottom\), \(left, right\)\); '
)
BAD = (
    Bad((X[0], W), tg.ShapeError, r"conv2d: x must have 4 dimensions \[N, H, W, C\], found \[5, 5, 3\]; add a "
        r"batch dimension of "
        r"1 in front, or a channel axis of 1 at the end"),
    Bad((X, W[0]), tg.ShapeError, r"conv2d: w must have 4 dimensions \[R, S, C / groups, K\], found \[3, 3, 4\]"),
    Bad((X.astype(np.int32), W), tg.DTypeError, r"conv2d: x must be float32 or float64, found int32; cast it with "
        r"\.astype\(tg\.float32\)"),
    Bad((X, W.astype(np.float64)), tg.DTypeError, r"conv2d: operands have dtypes float32 and float64, which are "
        r"never mixed "
        r"silently; cast one with \.astype\(\)"),
    Bad((X, W, B.astype(np.float64)), tg.DTypeError, r"conv2d: operands have dtypes float32 and float64, which "
        r"are never mixed "
        r"silently; cast one with \.astype\(\)"),
    Bad((X, W[:, :, :2]), tg.ShapeError, r"conv2d: x has 3 channels, so w's third dimension must be 3 \(x's "
        r"channels / groups\), "
        r"found 2"),
    Bad((np.ones((2, 3, 8, 8), np.float32), W), tg.ShapeError, r"conv2d: x has 8 channels, so w's third "
        r"dimension must be 8 "
        r"\(x's channels / groups\), found 3; x looks like \[N, C, H, W\], but images are \[N, H, W, C\]: "
        r"permute it with "
        r"\(0, 2, 3, 1\)"),
    Bad((X, W, B[:3]), tg.ShapeError, r"conv2d: b must be \[4\], one number for each of w's output channels, "
        r"found \[3\]"),
    Bad((X, np.ones((6, 3, 3, 4), np.float32)), tg.ShapeError, r"conv2d: the kernel covers 6 rows \(kernel size "
        r"6, dilation 1\), "
        r'but the padded input has 5 \(0 \+ 5 \+ 0\); use a smaller kernel, more padding or padding="same"'),
    Bad((X, W), tg.ShapeError, r"conv2d: the kernel covers 7 columns \(kernel size 3, dilation 3\), but the "
        r"padded input has 5 "
        r'\(0 \+ 5 \+ 0\); use a smaller kernel, more padding or padding="same"', {"dilation": (1, 3)}),
    Bad((X, W), tg.ArgumentError, r"conv2d: stride must be at least 1 along the rows, found 0", {"stride": 0}),
    Bad((X, W), tg.ArgumentError, r"conv2d: stride must be at least 1 along the columns, found -2",
        {"stride": (1, -2)}),
    Bad((X, W), tg.ArgumentError, r"conv2d: stride must be an integer or two, \(rows, columns\); found 1\.5",
        {"stride": 1.5}),
    Bad((X, W), tg.ArgumentError, r"conv2d: dilation must be at least 1 along the rows, found 0 \(1 means "
        r"neighbouring pixels\)",
        {"dilation": 0}),
    Bad((X, W), tg.ArgumentError, r"conv2d: padding must not be negative, found -1 and -1 along the rows; slice "
        r"the input to "
        r"crop it", {"padding": -1}),
    Bad((X, W), tg.ArgumentError, PADDING + "found 'full'", {"padding": "full"}),
    Bad((X, W), tg.ArgumentError, PADDING + r"found \(1, 2, 3\)", {"padding": (1, 2, 3)}),
    Bad((X, W), tg.ArgumentError, r"conv2d: groups must be at least 1, found 0", {"groups": 0}),
    Bad((X, W), tg.ArgumentError, r"conv2d: groups=2 must divide the 3 channels of x and the 4 of w's last dimension",
        {"groups": 2}),
    Bad((X, W), tg.ArgumentError, r"conv2d: activation must be None, 'relu', 'sigmoid', 'tanh' or 'gelu', found "
        r"'swish'",
        {"activation": "swish"}),
    Bad((X, W), tg.ArgumentError, r"conv2d: the size \d+ [x+] \d+ does not fit in 64 bits", {"padding": 2**62}),
    Bad((X, W), tg.ArgumentError, r"conv2d: one window of the padded input, 3 x 1073741827 pixels of 3 "
        r"channels, does not fit in "
        r"memory; use less padding or a smaller dilation", {"padding": 2**29, "stride": 2**30, "dilation": 1}),
    Bad((np.ones((1, 5, 5, 0), np.float32), np.ones((3, 3, 0, 4), np.float32)), tg.ShapeError, r"conv2d: x has "
        r"0 and w makes 4 "
        r"channels; there must be at least 1 of each"),
    Bad((X, np.ones((0, 3, 3, 4), np.float32)), tg.ArgumentError, r"conv2d: kernel size must be at least 1 "
        r"along the rows, "
        r"found 0"),
)  # fmt: skip

OPS = [Op("conv2d", conv2d, samples, tolerance, BAD)]
