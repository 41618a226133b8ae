"""Reductions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.special

import tilegrad as tg

from .record import NUMERIC, Bad, Op, Sample, exact

# (shape, axis): every rank, odd sizes around the 16 lanes and the 1024 elements of a chunk, few and many outputs.
FULL = [
    ((), None), ((1,), None), ((7,), 0), ((15,), None), ((16,), -1), ((17,), 0), ((33,), None), ((1000,), 0),
    ((1023,), 0), ((1025,), 0), ((5000,), None), ((3, 5), 0), ((3, 5), 1), ((3, 5), None), ((5, 17), (0, 1)),
    ((2, 1030), 1), ((1030, 2), 0), ((1030, 67), 0), ((65, 70), 0), ((6, 33), 1), ((2, 3, 5), 1), ((3, 2, 5), (0, 2)),
    ((3, 4, 5), (-1, -2)), ((2, 3, 4, 5), (1, 3)), ((2, 3, 5, 7), (0, 1, 2)), ((2, 3, 5, 7), (1, 2)), ((2, 3), ()),
    ((0, 3), 1), ((5, 0), 0), ((1, 9), 0),
]  # fmt: skip
EMPTY = [((0,), None), ((0, 3), 0), ((3, 0), 1)]


def numpy_axis(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis


def samples(shapes: Any, **options: Any) -> Callable[[np.random.Generator], Iterator[Sample]]:
    def draw(rng: np.random.Generator) -> Iterator[Sample]:
        for number, (shape, axis) in enumerate(shapes):
            yield Sample((rng.normal(size=shape),), {"axis": axis, "keepdims": number % 2 == 0, **options})

    return draw


def integers(shapes: Any) -> Callable[[np.random.Generator], Iterator[Sample]]:
    """Small integers and zeros, which every dtype holds; many are equal."""

    def draw(rng: np.random.Generator) -> Iterator[Sample]:
        for number, (shape, axis) in enumerate(shapes):
            values = rng.integers(0, 4, size=shape).astype(np.float64)
            yield Sample((values,), {"axis": axis, "keepdims": number % 2 == 0})

    return draw


def with_specials(rng: np.random.Generator) -> Iterator[Sample]:
    """Numbers of which some are NaN, infinite, equal or zeros of either sign."""
    for number, (shape, axis) in enumerate(FULL):
        values = rng.normal(size=shape)
        pick = rng.integers(0, 40, size=shape)
        for place, special in enumerate([np.nan, np.inf, -np.inf, 0.0, -0.0, 3.0, 3.0, -3.0, -3.0]):
            values = np.where(pick == place, special, values) if number % 3 or special == special else values
        yield Sample((values,), {"axis": axis, "keepdims": number % 2 == 0})


def magnitude(sample: Sample, power: int = 1) -> float:
    x = np.abs(np.asarray(sample.args[0], np.float64)) ** power
    return float(np.max(x.sum(axis=numpy_axis(sample.kwargs.get("axis"))), initial=0.0))


def terms(sample: Sample, reference: np.ndarray, epsilon: float) -> float:
    """A chunk takes 64 + 4 roundings, each of half an epsilon of a partial sum below the sum of magnitudes."""
    return 34 * epsilon * magnitude(sample)


def mean_terms(sample: Sample, reference: np.ndarray, epsilon: float) -> float:
    x = np.asarray(sample.args[0])
    return terms(sample, reference, epsilon) * reference.size / max(x.size, 1)


def square_terms(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    """As of a sum of squares, whose terms have three roundings more, and of the mean; at most of all elements."""
    x = np.asarray(sample.args[0], np.float64)
    return 40 * epsilon * (np.abs(reference) + np.max(x * x, initial=0.0) * 1e-2) + 1e-300


def factors(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    """A rounding for every factor."""
    return epsilon * np.asarray(sample.args[0]).size * np.abs(reference) + np.finfo(np.float64).tiny


def axis_bad(name: str, **options: Any) -> tuple[Bad, ...]:
    x = np.ones((2, 3), np.float32)
    return (
        Bad((x,), tg.OutOfRangeError, rf"{name}: axis 2 is out of range for a tensor of 2 dimensions",
            {"axis": 2, **options}),
        Bad((x,), tg.OutOfRangeError, rf"{name}: axis -3 is out of range for a tensor of 2 dimensions",
            {"axis": (0, -3), **options}),
        Bad((x,), tg.ArgumentError, rf"{name}: axis -1 comes twice in \[1, -1\] for float32 \[2, 3\]",
            {"axis": (1, -1), **options}),
    )  # fmt: skip


def half_bad(name: str) -> tuple[Bad, ...]:
    x = np.ones((2, 3), np.float16)
    return (*axis_bad(name), Bad((x,), tg.DTypeError, rf"{name}: no kernel for float16; cast first"))


def floating_bad(name: str) -> tuple[Bad, ...]:
    message = rf"{name}: expected a floating tensor, found int64 \[2\]; cast it with \.astype\(\)"
    return (*axis_bad(name), Bad((np.ones(2, np.int64),), tg.DTypeError, message))


def extremum_bad(name: str, kind: str) -> tuple[Bad, ...]:
    message = rf"{name}: the reduced axes of float32 \[0, 3\] have no elements, and nothing has no {kind} element"
    return (*axis_bad(name), Bad((np.ones((0, 3), np.float32),), tg.ShapeError, message, {"axis": 0}))


def numpy_index(function: Any) -> Any:
    """Argmax over several axes at once, with keepdims."""

    def index(x: np.ndarray, axis: Any, keepdims: bool) -> np.ndarray:
        gone = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        gone = sorted(a % x.ndim for a in gone)
        kept = [a for a in range(x.ndim) if a not in gone]
        flat = x.transpose(kept + gone).reshape([x.shape[a] for a in kept] + [-1 if x.size else 1])
        result = np.asarray(function(flat, axis=-1) if flat.size else np.zeros(flat.shape[:-1], np.int64))
        return np.expand_dims(result, tuple(gone)) if keepdims else result

    return index


def mean_reference(x: np.ndarray, axis: Any, keepdims: bool) -> np.ndarray:
    count = x.sum(axis=axis, keepdims=keepdims)
    return count / (x.size / count.size if count.size else 1)


def norm(x: np.ndarray, axis: Any, keepdims: bool, ord: float = 2) -> np.ndarray:
    if ord == 2:
        return np.sqrt((x * x).sum(axis=axis, keepdims=keepdims))
    x = np.abs(x)
    return x.sum(axis=axis, keepdims=keepdims) if ord == 1 else x.max(axis=axis, keepdims=keepdims)


def norms(rng: np.random.Generator) -> Iterator[Sample]:
    yield from samples(FULL)(rng)
    yield from samples(FULL[:12], ord=1)(rng)
    yield from samples(FULL[:12], ord=float("inf"))(rng)


def variances(rng: np.random.Generator) -> Iterator[Sample]:
    large = [(shape, axis) for shape, axis in FULL[2:] if axis != () and shape not in ((1, 9), (0, 3), (5, 0))]
    yield from samples(large, correction=0)(rng)
    yield from samples(large[:12], correction=1)(rng)


def variance_references(root: bool) -> Any:
    def reference(x: np.ndarray, axis: Any, correction: float, keepdims: bool) -> np.ndarray:
        return (np.std if root else np.var)(x, axis=axis, ddof=correction, keepdims=keepdims)

    return reference


def products(rng: np.random.Generator) -> Iterator[Sample]:
    for number, (shape, axis) in enumerate(FULL + EMPTY):
        values = np.asarray(rng.choice([-1, 1], size=shape) * rng.uniform(0.97, 1.03, size=shape))
        if number % 3 == 0 and values.size > 2:
            values.reshape(-1)[values.size // 2] = 0.0
        yield Sample((values,), {"axis": axis, "keepdims": number % 2 == 0})


# (shape, axis) of what goes along one axis.
ALONG = [
    ((1,), 0), ((2,), 0), ((7,), -1), ((16,), 0), ((17,), 0), ((65,), 0), ((130,), 0), ((1030,), 0), ((2, 3), 0),
    ((2, 3), 1), ((17, 10), -1), ((33, 64), 1), ((5, 67), 1), ((3, 1030), 1), ((1030, 3), 0), ((70, 65), 0),
    ((2, 3, 5), 1), ((2, 3, 5), 0), ((2, 3, 5), -1), ((3, 17, 2, 2), 1), ((0,), 0), ((0, 3), 1),
    ((3, 0), 0), ((3, 0), 1), ((1, 1), 1),
]  # fmt: skip


def along(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, axis in ALONG:
        yield Sample((rng.normal(size=shape) * 2,), {"axis": axis})


def integers_along(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, axis in ALONG:
        yield Sample((rng.integers(0, 4, size=shape).astype(np.float64),), {"axis": axis})


def running_terms(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    """One rounding of the result; the sum itself is more exact."""
    x = np.asarray(sample.args[0], np.float64)
    return epsilon * np.abs(reference) + 2.0**-50 * np.abs(x).sum()


def on_any_size(function: Any) -> Any:
    """A function of SciPy's that keeps the shape, also of nothing, which SciPy refuses."""
    return lambda x, axis=-1: function(x, axis=axis) if x.size else x.copy()


def logsumexp_reference(x: np.ndarray, axis: Any = None, keepdims: bool = False) -> Any:
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0.0)
    terms = np.exp(x - top).sum(axis=axis, keepdims=True)
    result = np.log(terms) + top
    return result if keepdims else result.reshape(np.sum(x, axis=axis).shape)


def softmax_ulps(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    """The rounding of x - m moves exp by as much as |x - m| ulps; the sum adds its own."""
    x = np.asarray(sample.args[0], np.float64)
    return (8 + np.ptp(x) if x.size else 1.0) * epsilon * np.abs(reference)


def log_softmax_ulps(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    x = np.asarray(sample.args[0], np.float64)
    return 8 * epsilon * (np.ptp(x) + 8 if x.size else 1.0)


def one_axis_bad(name: str) -> tuple[Bad, ...]:
    x = np.ones((2, 3), np.float32)
    return (
        Bad((x,), tg.OutOfRangeError, rf"{name}: axis 2 is out of range for a tensor of 2 dimensions", {"axis": 2}),
        Bad((np.ones((), np.float32),), tg.OutOfRangeError,
            rf"{name}: axis -1 is out of range for a tensor of 0 dimensions"),
        Bad((x.astype(np.float16),), tg.DTypeError, rf"{name}: no kernel for float16; cast first"),
    )  # fmt: skip


def logs(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    return 8 * epsilon * (np.abs(reference) + 8) if np.asarray(reference).size else 0.0


WHOLE = ("int64", "int32", "uint8", "bool")
OPS = [
    Op("sum", np.sum, samples(FULL + EMPTY), terms, half_bad("sum")),
    Op("sum", np.sum, integers(FULL + EMPTY), dtypes=WHOLE, gradient=False),
    Op("mean", mean_reference, samples(FULL), mean_terms, floating_bad("mean")),
    Op("max", np.max, samples(FULL), exact, extremum_bad("max", "largest")),
    Op("max", np.max, with_specials, exact, gradient=False),
    Op("max", np.max, integers(FULL), exact, dtypes=NUMERIC[2:], gradient=False),
    Op("min", np.min, samples(FULL), exact, extremum_bad("min", "smallest")),
    Op("min", np.min, with_specials, exact, gradient=False),
    Op("min", np.min, integers(FULL), exact, dtypes=NUMERIC[2:], gradient=False),
    Op("argmax", numpy_index(np.argmax), with_specials, exact, extremum_bad("argmax", "largest"), gradient=False),
    Op("argmax", numpy_index(np.argmax), integers(FULL), exact, dtypes=NUMERIC[2:], gradient=False),
    Op("argmin", numpy_index(np.argmin), with_specials, exact, extremum_bad("argmin", "smallest"), gradient=False),
    Op("argmin", numpy_index(np.argmin), integers(FULL), exact, dtypes=NUMERIC[2:], gradient=False),
    Op("var", variance_references(False), variances, square_terms, floating_bad("var")),
    Op("std", variance_references(True), variances, square_terms, floating_bad("std")),
    Op("norm", norm, norms, terms, (*floating_bad("norm"), Bad(
        (np.ones(2),), tg.ArgumentError, r"norm: ord must be 1, 2 or infinity, found 3", {"ord": 3}))),
    Op("prod", np.prod, products, factors, half_bad("prod")),
    Op("prod", np.prod, integers(FULL + EMPTY), dtypes=WHOLE, gradient=False),
    Op("any", np.any, integers(FULL + EMPTY), dtypes=(*NUMERIC, "bool"), gradient=False, bad=half_bad("any")),
    Op("all", np.all, integers(FULL + EMPTY), dtypes=(*NUMERIC, "bool"), gradient=False, bad=half_bad("all")),
    Op("logsumexp", logsumexp_reference, samples(FULL), logs, floating_bad("logsumexp")),
    Op("cumsum", np.cumsum, along, running_terms, one_axis_bad("cumsum")),
    Op("cumsum", np.cumsum, integers_along, dtypes=WHOLE, gradient=False),
    Op("softmax", on_any_size(scipy.special.softmax), along, softmax_ulps, one_axis_bad("softmax")),
    Op("log_softmax", on_any_size(scipy.special.log_softmax), along, log_softmax_ulps, one_axis_bad("log_softmax")),
]  # fmt: skip
