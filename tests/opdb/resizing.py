"""Images in another size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import tilegrad as tg

from .record import Bad, Op, Sample


def matrix(size: int, out: int, step: float, mode: str) -> np.ndarray:
    """[out, size]: the share of every input position in every output position."""
    shares = np.zeros((out, size))
    for i in range(out):
        if mode == "nearest":
            shares[i, min(int(np.floor(i * step + 1e-9)), size - 1)] = 1
            continue
        at = min(max((i + 0.5) * step - 0.5, 0), size - 1)
        low = int(at)
        shares[i, low] += 1 - (at - low)
        shares[i, min(low + 1, size - 1)] += at - low
    return shares


def interpolate(x: np.ndarray, size: Any = None, scale_factor: Any = None, mode: str = "nearest") -> np.ndarray:
    """The definition: one matrix along rows and one along columns."""
    if size is not None:
        outs = (size, size) if isinstance(size, int) else size
        steps = [n / out for n, out in zip(x.shape[1:3], outs, strict=True)]
    else:
        factors = scale_factor if isinstance(scale_factor, tuple) else (scale_factor, scale_factor)
        outs = [int(np.floor(n * f)) for n, f in zip(x.shape[1:3], factors, strict=True)]
        steps = [1 / f for f in factors]
    rows, columns = (matrix(n, o, s, mode) for n, o, s in zip(x.shape[1:3], outs, steps, strict=True))
    return np.einsum("ph,qw,nhwc->npqc", rows, columns, x)


def tolerance(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    """Nearest copies. Bilinear rounds the weights (of float64 positions) and four products and sums."""
    if sample.kwargs.get("mode", "nearest") == "nearest":
        return 0.0
    return 8 * epsilon * np.abs(sample.args[0]).max(initial=0.0)


CASES: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((1, 1, 1, 1), {"size": 1}), ((1, 1, 1, 3), {"size": (3, 4)}), ((2, 3, 4, 3), {"scale_factor": 2}),
    ((1, 5, 4, 17), {"scale_factor": 3}), ((1, 5, 4, 2), {"size": (7, 9)}), ((1, 5, 4, 2), {"size": (2, 3)}),
    ((1, 9, 8, 16), {"scale_factor": 0.5}), ((1, 9, 7, 3), {"scale_factor": (0.4, 1.7)}),
    ((1, 6, 5, 33), {"size": (6, 5)}), ((2, 1, 9, 4), {"size": (1, 4)}), ((1, 7, 1, 5), {"size": (49, 2)}),
    ((1, 4, 4, 1), {"scale_factor": 2.5}), ((0, 4, 4, 3), {"scale_factor": 2}), ((2, 4, 4, 0), {"size": 2}),
]  # fmt: skip


def samples(rng: np.random.Generator) -> Iterator[Sample]:
    for image, options in CASES:
        for mode in ("nearest", "bilinear"):
            yield Sample((rng.normal(size=image),), {**options, "mode": mode})


X = np.ones((1, 4, 5, 3), np.float32)
BAD = (
    Bad((X[0],), tg.ShapeError, r"interpolate: x must have 4 dimensions \[N, H, W, C\], found \[4, 5, 3\]; add a batch "
        r"dimension of 1 in front, or a channel axis of 1 at the end", {"size": 2}),
    Bad((X.astype(np.int32),), tg.DTypeError, r"interpolate: x must be float32 or float64, found int32; cast it with "
        r"\.astype\(tg\.float32\)", {"size": 2}),
    Bad((X,), tg.ArgumentError, r"interpolate: give either size or scale_factor"),
    Bad((X,), tg.ArgumentError, r"interpolate: give either size or scale_factor", {"size": 2, "scale_factor": 2}),
    Bad((X,), tg.ArgumentError, r"interpolate: mode must be 'nearest' or 'bilinear', found 'cubic'",
        {"size": 2, "mode": "cubic"}),
    Bad((X,), tg.ArgumentError, r"interpolate: size must be at least 1 along the columns, found 0", {"size": (1, 0)}),
    Bad((X,), tg.ArgumentError, r"interpolate: size must be an integer or two, \(rows, columns\); found 1\.5",
        {"size": 1.5}),
    Bad((X,), tg.ArgumentError, r"interpolate: scale_factor must be a positive number or two, \(rows, columns\); found -1",
        {"scale_factor": -1}),
    Bad((X,), tg.ArgumentError, r"interpolate: scale_factor must be a positive number or two, .*; found nan",
        {"scale_factor": float("nan")}),
    Bad((X,), tg.ArgumentError, r"interpolate: scale_factor must be positive and leave at least 1 of the 4 rows, found 0\.1",
        {"scale_factor": 0.1}),
    Bad((X,), tg.ArgumentError, r"interpolate: scale_factor must be positive and leave at least 1 of the 4 rows, found inf",
        {"scale_factor": float("inf")}),
    Bad((X[:, :0],), tg.ShapeError, r"interpolate: x has no rows", {"size": 2}),
)  # fmt: skip

OPS = [Op("interpolate", interpolate, samples, tolerance, BAD)]
