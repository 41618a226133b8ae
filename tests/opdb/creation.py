"""Sequences, and tensors like others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import tilegrad as tg

from .indexing import whole
from .record import EVERY, SHAPES, Bad, Op, Sample, exact, not_tensor, ulps


def arange_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for args in ((0,), (1,), (7,), (17,), (1000,), (-3,), (2, 9), (9, 2), (0, 10, 3), (10, 0, -3), (10, 0, 3), (5, 5)):
        yield Sample(args)
    for args in ((0.0, 1.0, 0.1), (1.5,), (3, 0, -0.5), (-1.0, 1.0, 0.25), (0.0, 33.0)):
        yield Sample(args)
    for dtype in ("int32", "uint8", "float64", "float32", "int64"):
        yield Sample((1, 100, 7), {"dtype": dtype})


def arange_reference(*args: Any, dtype: str | None = None) -> np.ndarray:
    if dtype is None:
        dtype = "float32" if any(isinstance(a, float) for a in args) else "int64"
    start, stop, step = (0, args[0], 1) if len(args) == 1 else (*args, 1)[:3]
    count = max(0, int(np.ceil((stop - start) / step)))
    return (start + np.arange(count, dtype=np.float64) * step).astype(dtype)


def linspace_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for num in (0, 1, 2, 3, 5, 7, 16, 17, 33, 50):
        yield Sample((0, 1, num))
        yield Sample((2.5, -1.5, num), {"dtype": "float64"})


def eye_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for n, m in ((0, 0), (1, 1), (3, 3), (2, 5), (5, 2), (17, 9)):
        for k in (-20, -1, 0, 2):
            yield Sample((n, m, k), {"dtype": ("float32", "int64", "bool", "uint8")[k % 4]})


def like_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in SHAPES:
        yield Sample((whole(rng, shape),))


def full_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in SHAPES:
        yield Sample((whole(rng, shape), 1))


def band_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in ((1, 1), (3, 5), (5, 3), (17, 9), (0, 3), (3, 0), (2, 3, 4), (2, 2, 5, 5)):
        for k in (-2, 0, 1):
            yield Sample((whole(rng, shape), k))


def band_bad(name: str) -> tuple[Bad, ...]:
    def flat(x: np.ndarray, found: str) -> Bad:
        return Bad((x,), tg.ShapeError, rf"{name}: expected a matrix or a batch of matrices, found {found}")

    return (flat(np.ones(3), r"float64 \[3\]"), flat(np.array(1), r"int64 \[\]"), not_tensor(name))


def like_bad(name: str, *value: Any) -> tuple[Bad, ...]:
    unknown = (
        rf"{name}: dtype 'float8' is not one of float32, .*, bool \(as tg\.float32, \"float32\" or numpy\.float32\)"
    )
    return (
        not_tensor(name, *value),
        not_tensor(name, *value, found=[1.0]),
        Bad((np.ones(2), *value, "float8"), tg.DTypeError, unknown),
    )


OPS = [
    Op(
        "arange",
        arange_reference,
        arange_samples,
        ulps(1),
        (
            Bad((0, 5, 0), tg.ArgumentError, "arange: step must not be zero"),
            Bad(
                (0, 1.5),
                tg.DTypeError,
                r"arange: start 0, stop 1\.5 and step 1 must be integers for int64",
                {"dtype": "int64"},
            ),
            Bad((300,), tg.ArgumentError, "arange: the number 299 does not fit in uint8", {"dtype": "uint8"}),
            Bad(
                (0, float("inf")),
                tg.ArgumentError,
                "arange: from 0 to inf in steps of 1 is no finite number of elements",
            ),
            Bad(
                (0, 5),
                tg.DTypeError,
                "arange: dtype bool cannot be computed; make it in float32 and cast",
                {"dtype": "bool"},
            ),
        ),
        ("float32",),
        gradient=False,
    ),
    Op(
        "linspace",
        lambda a, b, n, dtype="float32": np.linspace(a, b, n),
        linspace_samples,
        ulps(2),
        (
            Bad((0, 1, -1), tg.ArgumentError, "linspace: num must not be negative, found -1"),
            Bad(
                (0, 1, 3, "int64"), tg.DTypeError, "linspace: dtype int64 is not floating; make it in float32 and cast"
            ),
            Bad(
                (0, 1, 1 << 62), tg.ArgumentError, r"linspace: the size 4 x 4611686018427387904 does not fit in 64 bits"
            ),
        ),
        ("float32",),
        gradient=False,
    ),
    Op(
        "eye",
        lambda n, m, k, dtype: np.eye(n, m, k),
        eye_samples,
        exact,
        (
            Bad((-1,), tg.ShapeError, r"eye: negative dimension in shape \[-1, -1\]"),
            Bad((2, -3), tg.ShapeError, r"eye: negative dimension in shape \[2, -3\]"),
            Bad((1 << 40,), tg.ArgumentError, r"eye: the size 1099511627776 x 1099511627776 does not fit in 64 bits"),
        ),
        ("float32",),
        gradient=False,
    ),
    Op(
        "tril",
        np.tril,
        band_samples,
        exact,
        band_bad("tril"),
        EVERY,
    ),
    Op(
        "triu",
        np.triu,
        band_samples,
        exact,
        band_bad("triu"),
        EVERY,
    ),
    Op("zeros_like", np.zeros_like, like_samples, exact, like_bad("zeros_like"), EVERY, gradient=False),
    Op("ones_like", np.ones_like, like_samples, exact, like_bad("ones_like"), EVERY, gradient=False),
    Op(
        "full_like",
        np.full_like,
        full_samples,
        exact,
        (
            Bad(
                (np.array([1]), 1.5),
                tg.DTypeError,
                r"full_like: the number 1\.5 is floating and the tensor is int64; .*",
            ),
            Bad((np.array([1], np.uint8), -1), tg.ArgumentError, r"full_like: the number -1 does not fit in uint8"),
            *like_bad("full_like", 1),
        ),
        EVERY,
        gradient=False,
    ),
]
