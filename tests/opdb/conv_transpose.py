"""Transposed convolution."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

import tilegrad as tg
from tilegrad import _C

from .. import winograd
from .conv import ACTIVATIONS, pair
from .record import Bad, Op, Sample


def conv_transpose2d(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    stride: Any = 1,
    padding: Any = "valid",
    output_padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    activation: str | None = None,
) -> np.ndarray:
    """The definition: every pixel adds its product with the filter to the output, tap by tap."""
    N, P, Q, C = x.shape
    R, S, group_out, _ = w.shape
    (sh, sw), (dh, dw), more = pair(stride), pair(dilation), pair(output_padding)
    full = [
        max((n - 1) * s + (k - 1) * d + 1 + e, 0)
        for n, s, k, d, e in zip((P, Q), (sh, sw), (R, S), (dh, dw), more, strict=True)
    ]
    if padding == "same":
        extents = [(k - 1) * d + 1 for k, d in zip((R, S), (dh, dw), strict=True)]
        sizes = [P * sh, Q * sw]
        starts = [max(e - s, 0) // 2 for e, s in zip(extents, (sh, sw), strict=True)]
    else:
        pads = pair(0 if padding == "valid" else padding)
        sides = [pair(p) for p in pads]
        starts = [before for before, _ in sides]
        sizes = [f - before - after for f, (before, after) in zip(full, sides, strict=True)]
    K = group_out * groups
    y = np.zeros((N, *(f + a + z for f, a, z in zip(full, starts, sizes, strict=True)), K))  # room for all crops
    group_in = C // groups
    for g, r, s in itertools.product(range(groups), range(R), range(S)):
        channels, out = slice(g * group_in, (g + 1) * group_in), slice(g * group_out, (g + 1) * group_out)
        rows, columns = slice(r * dh, r * dh + P * sh, sh), slice(s * dw, s * dw + Q * sw, sw)
        y[:, rows, columns, out][:, :P, :Q] += x[..., channels] @ w[r, s, :, channels].T
    y = y[:, starts[0] : starts[0] + sizes[0], starts[1] : starts[1] + sizes[1]]
    if b is not None:
        y = y + b
    return ACTIVATIONS[activation](y) if activation else y


def tolerance(sample: Sample, reference: np.ndarray, epsilon: float) -> np.ndarray:
    """A sum of t products, each rounded once with the sum so far, is off by at most t epsilon sum |a b|.

    Winograd's algorithm, of the turned filter, is off by at most what winograd.error_bound() derives.
    """
    x, w, *rest = (np.abs(a) if isinstance(a, np.ndarray) else a for a in sample.args)
    options = {k: v for k, v in sample.kwargs.items() if k != "activation"}
    groups = options.get("groups", 1)
    terms = w.shape[0] * w.shape[1] * (w.shape[3] // groups) + 1
    sums = terms * epsilon * conv_transpose2d(x, w, *rest, **options)
    stride = options.get("stride", 1)
    if w.shape[:2] == (3, 3) and stride in (1, 2) and "dilation" not in options:
        padding = options.get("padding", "valid")
        dtype = np.float32 if epsilon > 1e-10 else np.float64
        output, weight = tg.zeros(reference.shape, dtype), tg.tensor(w.astype(dtype))
        algorithm = _C.conv2d_algorithm(output, weight, stride, padding, 1, groups)[1]
        if algorithm != "direct" and stride == 2:
            crops = pair({"valid": 0, "same": ((0, 1), (0, 1))}[padding] if isinstance(padding, str) else padding)
            image = (reference.shape[1], reference.shape[2])
            error = winograd.input_gradient_error_bound(x, w, (pair(crops[0]), pair(crops[1])), image, epsilon, groups)
            sums = error + 2 * epsilon * np.abs(reference)
        elif algorithm != "direct":
            crops = pair({"valid": 0, "same": 1}[padding] if isinstance(padding, str) else padding)
            rows, columns = (tuple(2 - side for side in pair(sides)) for sides in crops)
            turned = winograd.turned(w, groups)
            error = winograd.error_bound(x, turned, (rows, columns), int(algorithm[-1]), epsilon, groups)
            sums = error + 2 * epsilon * np.abs(reference)
    return 1.13 * sums + 8 * epsilon * (1 + np.abs(reference)) if "activation" in sample.kwargs else sums


# Image (N, P, Q, C), filter (R, S, K / groups, C), options. Strides with and without overlap, holes where the stride is
# larger than the filter, every form of padding, groups and depthwise, batches that fill the lanes of vectors, products
# of matrices, sums longer than a chunk, Winograd's sizes, empty batches.
CASES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((1, 1, 1, 1), (1, 1, 1, 1), {}),
    ((2, 3, 3, 1), (2, 2, 1, 1), {"stride": 2}),
    ((2, 4, 5, 3), (3, 3, 5, 3), {"stride": 2, "padding": "same"}),
    ((1, 4, 5, 3), (3, 3, 16, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
    ((1, 3, 4, 17), (4, 4, 6, 17), {"stride": 2, "padding": 1}),
    ((1, 5, 3, 6), (3, 2, 33, 6), {"stride": (3, 2), "padding": "same"}),
    ((2, 3, 3, 2), (2, 2, 3, 2), {"stride": 4}),
    ((2, 3, 4, 2), (2, 3, 3, 2), {"stride": 4, "padding": "same"}),
    ((1, 3, 2, 4), (3, 3, 2, 4), {"stride": (2, 3), "output_padding": (1, 2)}),
    ((1, 4, 4, 3), (3, 3, 4, 3), {"stride": 2, "padding": ((1, 0), (0, 2)), "output_padding": (0, 1)}),
    ((1, 5, 4, 3), (3, 2, 5, 3), {"dilation": (2, 3)}),
    ((1, 5, 4, 3), (3, 3, 5, 3), {"dilation": 3, "padding": 2, "output_padding": 2}),
    ((1, 4, 5, 2), (3, 3, 4, 2), {"dilation": 2, "stride": 3, "padding": "same"}),
    ((2, 4, 3, 6), (3, 3, 2, 6), {"groups": 2, "stride": 2, "padding": 1}),
    ((1, 4, 4, 6), (2, 2, 3, 6), {"groups": 3}),
    ((2, 4, 5, 5), (3, 3, 1, 5), {"groups": 5, "stride": 2, "padding": 1, "output_padding": 1}),
    ((1, 5, 5, 33), (3, 3, 1, 33), {"groups": 33, "padding": "same"}),
    ((1, 4, 4, 4), (3, 3, 2, 4), {"groups": 4, "stride": 2, "padding": "same"}),
    ((2, 3, 3, 20), (1, 1, 7, 20), {}),
    ((2, 3, 3, 7), (1, 1, 70, 7), {}),
    ((1, 3, 4, 6), (1, 1, 4, 6), {"stride": 2, "output_padding": 1}),
    ((1, 6, 7, 3), (3, 3, 2, 3), {"padding": 2}),
    ((1, 9, 8, 2), (2, 2, 2, 2), {"padding": ((5, 3), (0, 7))}),
    ((1, 3, 3, 600), (2, 2, 5, 600), {"stride": 2}),
    ((17, 3, 4, 3), (3, 3, 7, 3), {"stride": 2, "padding": "same"}),
    ((16, 4, 4, 1), (5, 5, 6, 1), {}),
    ((0, 4, 4, 3), (3, 3, 4, 3), {"stride": 2}),
    ((2, 0, 3, 3), (3, 3, 4, 3), {"stride": 2, "padding": "same"}),
    ((2, 6, 6, 16), (3, 3, 16, 16), {"padding": "same"}),
    ((1, 7, 9, 33), (3, 3, 17, 33), {"padding": 1}),
    ((1, 5, 6, 40), (3, 3, 21, 40), {}),
    ((1, 9, 8, 18), (3, 3, 47, 18), {"padding": ((0, 2), (1, 0))}),
    ((1, 9, 7, 54), (3, 3, 17, 54), {"padding": 1, "groups": 3}),
    ((2, 4, 4, 16), (3, 3, 16, 16), {"padding": "same", "stride": 2}),
    ((1, 5, 7, 33), (3, 3, 17, 33), {"padding": 1, "stride": 2, "output_padding": 1}),
    ((1, 6, 5, 20), (3, 3, 18, 20), {"stride": 2}),
    ((1, 6, 4, 36), (3, 3, 20, 36), {"stride": 2, "padding": 1, "groups": 2}),
]


def samples(rng: np.random.Generator) -> Iterator[Sample]:
    for i, (image, kernel, options) in enumerate(CASES):
        arguments = [rng.normal(size=image), rng.normal(size=kernel)]
        if i % 3 != 2:
            arguments.append(rng.normal(size=kernel[2] * options.get("groups", 1)))
        yield Sample(tuple(arguments), options)
    for activation in ACTIVATIONS:
        arguments = [rng.normal(size=size) for size in ((2, 3, 4, 3), (3, 3, 18, 3), (18,))]
        yield Sample(tuple(arguments), {"activation": activation, "stride": 2})
        arguments = [rng.normal(size=size) for size in ((1, 6, 7, 16), (3, 3, 18, 16), (18,))]
        yield Sample(tuple(arguments), {"activation": activation, "padding": 1})
        arguments = [rng.normal(size=size) for size in ((2, 2, 3, 16), (1, 1, 5, 16), (5,))]
        yield Sample(tuple(arguments), {"activation": activation})


X, W, B = np.ones((1, 4, 5, 3), np.float32), np.ones((3, 3, 4, 3), np.float32), np.ones(4, np.float32)
BAD = (
    Bad((X[0], W), tg.ShapeError, r"conv_transpose2d: x must have 4 dimensions \[N, H, W, C\], found \[4, 5, 3\]; add a "
        r"batch dimension of 1 in front, or a channel axis of 1 at the end"),
    Bad((X, W[0]), tg.ShapeError, r"conv_transpose2d: w must have 4 dimensions \[R, S, K / groups, C\], found \[3, 4, 3\]"),
    Bad((X.astype(np.int32), W), tg.DTypeError, r"conv_transpose2d: x must be float32 or float64, found int32; cast it "
        r"with \.astype\(tg\.float32\)"),
    Bad((X, W.astype(np.float64)), tg.DTypeError, r"conv_transpose2d: operands have dtypes float32 and float64, which "
        r"are never mixed silently; cast one with \.astype\(\)"),
    Bad((X, W[..., :2]), tg.ShapeError, r"conv_transpose2d: x has 3 channels, so w's last dimension must be 3, found 2; "
        r"w is \[R, S, K / groups, C\], the weight of the convolution that is transposed"),
    Bad((X, W, B[:3]), tg.ShapeError, r"conv_transpose2d: b must be \[4\], one number for each output channel, found "
        r"\[3\]"),
    Bad((X, W, B.astype(np.float64)), tg.DTypeError, r"conv_transpose2d: operands have dtypes float32 and float64, .*"),
    Bad((X, W), tg.ArgumentError, r"conv_transpose2d: stride must be at least 1 along the rows, found 0", {"stride": 0}),
    Bad((X, W), tg.ArgumentError, r"conv_transpose2d: dilation must be at least 1 along the columns, found -1 \(1 means "
        r"neighbouring pixels\)", {"dilation": (1, -1)}),
    Bad((X, W), tg.ArgumentError, r"conv_transpose2d: padding must not be negative, found -1 and -1 along the rows; "
        r"slice the input to crop it", {"padding": -1}),
    Bad((X, W), tg.ShapeError, r"conv_transpose2d: padding crops 6 of the 6 rows that 4 of x make \(stride 1, kernel "
        r"size 3, dilation 1\); use less padding", {"padding": (3, 0)}),
    Bad((X, W), tg.ArgumentError, r"conv_transpose2d: output_padding must be at least 0 and below the larger of stride "
        r"and dilation along the columns, found 2 with stride 2 and dilation 1",
        {"stride": 2, "output_padding": (0, 2)}),
    Bad((X, W), tg.ArgumentError, r"conv_transpose2d: output_padding must be at least 0 .* along the rows, found -1 .*",
        {"output_padding": -1}),
    Bad((X, W), tg.ArgumentError, r"conv_transpose2d: output_padding goes with explicit padding, found 1 along the rows "
        r'with padding="same", where the output is the input times the stride',
        {"stride": 2, "output_padding": 1, "padding": "same"}),
    Bad((X, W), tg.ArgumentError, r"conv_transpose2d: output_padding must be an integer or two, \(rows, columns\); found "
        r"'1'", {"output_padding": "1"}),
    Bad((X, W), tg.ArgumentError, r"conv_transpose2d: groups must be at least 1, found 0", {"groups": 0}),
    Bad((X, W), tg.ArgumentError, r"conv_transpose2d: groups=2 must divide the 3 channels of x", {"groups": 2}),
    Bad((X, W), tg.ArgumentError, r"conv_transpose2d: activation must be None, 'relu', 'sigmoid', 'tanh' or 'gelu', found "
        r"'swish'", {"activation": "swish"}),
    Bad((X[:, :0], W), tg.ShapeError, r"conv_transpose2d: x has no rows"),
    Bad((X[..., :0], W[..., :0]), tg.ShapeError, r"conv_transpose2d: x has 0 and w makes 4 channels; there must be at "
        r"least 1 of each"),
    Bad((X, W[:0]), tg.ArgumentError, r"conv_transpose2d: kernel size must be at least 1 along the rows, found 0"),
    Bad((X, W), tg.ArgumentError, r"conv_transpose2d: the size \d+ [x+] \d+ does not fit in 64 bits", {"stride": 2**62}),
    Bad((X, W), tg.ArgumentError, r"conv_transpose2d: the size \d+ [x+] \d+ does not fit in 64 bits",
        {"dilation": 2**62}),
)  # fmt: skip

OPS = [Op("conv_transpose2d", conv_transpose2d, samples, tolerance, BAD)]
