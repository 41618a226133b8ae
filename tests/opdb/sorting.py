"""Sort, argsort, topk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import tilegrad as tg

from .record import NUMERIC, Bad, Op, Sample, exact, not_tensor

CASES = [
    ((1,), 0), ((2,), 0), ((3,), -1), ((15,), 0), ((16,), 0), ((17,), 0), ((33,), 0), ((64,), 0), ((65,), 0),
    ((257,), 0),
    ((1000,), 0), ((0,), 0), ((3, 5), 0), ((3, 5), 1), ((5, 1), 0), ((17, 9), 0), ((17, 40), 1), ((3, 0), 1),
    ((0, 3), 1),
    ((2, 3, 4), 1), ((2, 3, 5, 7), -2), ((100,), 0),
]  # fmt: skip


def distinct(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Different numbers, so that central differences do not swap them; many are equal in integer dtypes."""
    return 0.37 * rng.permutation(int(np.prod(shape))).reshape(shape) % 90


def sort_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape, axis in CASES:
        for descending in (False, True):
            yield Sample((distinct(rng, shape),), {"axis": axis, "descending": descending})


def ordered(x: np.ndarray, axis: int, descending: bool) -> np.ndarray:
    """Stable order; in descending order equal elements keep theirs too."""
    if not descending:
        return np.argsort(x, axis, kind="stable")
    ranks = np.unique(x, return_inverse=True)[1].reshape(x.shape)
    return np.argsort(-ranks, axis, kind="stable")


def sort_reference(x: np.ndarray, axis: int = -1, descending: bool = False) -> np.ndarray:
    return np.take_along_axis(x, ordered(x, axis, descending), axis)


def topk_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for number, (shape, axis) in enumerate(CASES):
        k = number % (shape[axis] + 1)
        yield Sample((distinct(rng, shape), k), {"axis": axis, "largest": number % 2 == 0})


def topk_reference(x: np.ndarray, k: int, axis: int, largest: bool) -> tuple[Any, Any]:
    indices = np.take(ordered(x, axis, largest), np.arange(k), axis)
    return np.take_along_axis(x, indices, axis), indices


three = np.ones(3, np.float32)
BAD_AXIS = "axis 1 is out of range for a tensor of 1 dimensions"
OPS = [
    Op(
        "sort",
        sort_reference,
        sort_samples,
        exact,
        (
            Bad((three, 1), tg.OutOfRangeError, f"sort: {BAD_AXIS}"),
            Bad((np.ones(3, np.float16),), tg.DTypeError, "sort: no kernel for float16; cast first"),
            not_tensor("sort"),
        ),
        (*NUMERIC, "bool"),
    ),
    Op(
        "argsort",
        lambda x, axis, descending: ordered(x, axis, descending),
        sort_samples,
        exact,
        (
            Bad((three, 1), tg.OutOfRangeError, f"argsort: {BAD_AXIS}"),
            Bad((np.array(1),), tg.OutOfRangeError, "argsort: axis -1 is out of range for a tensor of 0 dimensions"),
            not_tensor("argsort"),
        ),
        (*NUMERIC, "bool"),
        gradient=False,
    ),
    Op(
        "topk",
        topk_reference,
        topk_samples,
        exact,
        (
            Bad((three, 1, 1), tg.OutOfRangeError, f"topk: {BAD_AXIS}"),
            Bad((three, 4), tg.ArgumentError, "topk: k must be from 0 to 3, the size of axis 0, found 4"),
            Bad((three, -1), tg.ArgumentError, "topk: k must be from 0 to 3, the size of axis 0, found -1"),
        ),
        (*NUMERIC, "bool"),
    ),
]
