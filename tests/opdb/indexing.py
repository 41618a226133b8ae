"""Reading and adding at places that index tensors choose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import tilegrad as tg

from .record import EVERY, NUMERIC, Bad, Op, Sample, exact, not_tensor


def whole(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Whole numbers that every dtype holds exactly, in float64 so that the templates cast them."""
    return rng.integers(0, 100, size=shape).astype(np.float64)


# x's shape, the indices' shape, the axis.
TAKE = [
    ((1,), (1,), 0), ((5,), (3,), 0), ((5,), (), 0), ((5,), (0,), 0), ((0,), (0,), 0), ((17,), (33,), 0), ((300,),
    (1000,), 0),
    ((3, 4), (2,), 0), ((3, 4), (5,), 1), ((3, 4), (2, 3), 0), ((3, 4), (2, 3), 1), ((3, 4), (7,), -1), ((3, 0),
    (2,), 0),
    ((0, 3), (0,), 0), ((2, 3, 4), (5,), 1), ((2, 3, 4), (2, 2), 1), ((2, 3, 4), (), 1), ((2, 3, 4, 5), (3,), 2),
    ((1, 1, 6), (4,), 2), ((9, 65), (31,), 0), ((65, 9), (31,), 1), ((7,), (5,), None), ((3, 5), (4,), None),
]  # fmt: skip
INDEX_DTYPES = (np.int64, np.int32, np.uint8)


def draw_indices(
    rng: np.random.Generator, size: int, shape: tuple[int, ...], number: int, from_end: bool = True
) -> np.ndarray:
    dtype = INDEX_DTYPES[number % 3]
    low = 0 if dtype == np.uint8 or not from_end else -size
    return rng.integers(low, max(size, 1), size=shape).astype(dtype)


def take_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for number, (shape, indices, axis) in enumerate(TAKE):
        size = int(np.prod(shape)) if axis is None else shape[axis]
        yield Sample((whole(rng, shape), draw_indices(rng, size, indices, number)), {"axis": axis})


def scatter_add_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for number, (shape, indices, axis) in enumerate(TAKE):
        if axis is None:
            continue
        index = draw_indices(rng, shape[axis], indices, number)
        values = np.take(np.zeros(shape), index.astype(np.int64), axis=axis).shape
        yield Sample((whole(rng, shape), index, rng.integers(0, 2, size=values).astype(np.float64)), {"axis": axis})
    yield Sample((whole(rng, (4, 3)), np.array([0, 0, 3]), whole(rng, (1,)) // 8), {"axis": 0})
    yield Sample((whole(rng, (4, 3)), np.array([1, -1]), whole(rng, (3,)) // 8), {"axis": 0})


def scatter_add_reference(x: np.ndarray, indices: np.ndarray, values: np.ndarray, axis: int) -> np.ndarray:
    out = np.moveaxis(x.copy(), axis, 0)
    shape = x.shape[:axis] + indices.shape + x.shape[axis % x.ndim + 1 :] if axis >= 0 else None
    if shape is None:
        return scatter_add_reference(x, indices, values, axis % x.ndim)
    spread = np.moveaxis(np.broadcast_to(values, shape), range(axis, axis + indices.ndim), range(indices.ndim))
    np.add.at(out, indices.astype(np.int64), spread)
    result: np.ndarray = np.moveaxis(out, 0, axis)
    return result


ALONG = [
    ((1,), (1,), 0), ((5,), (3,), 0), ((5,), (0,), 0), ((17,), (33,), 0), ((3, 4), (2, 4), 0), ((3, 4), (3, 9), 1),
    ((3, 4), (3, 1), -1), ((3, 4), (1, 2), 1), ((1, 4), (3, 2), 1), ((3, 4), (7, 1), 0), ((0, 4), (0, 4), 0),
    ((4, 0), (2, 0), 0),
    ((2, 3, 4), (2, 5, 4), 1), ((2, 3, 4), (1, 5, 4), 1), ((2, 1, 4), (2, 3, 4), 2), ((2, 3, 4, 5), (2, 3, 2, 5), 2),
    ((9, 65), (9, 31), 1), ((65, 9), (31, 9), 0), ((2, 300), (2, 300), 1), ((300, 2), (100, 2), 0), ((1, 1, 6),
    (1, 1, 4), 2),
]  # fmt: skip


def along_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for number, (shape, indices, axis) in enumerate(ALONG):
        yield Sample((whole(rng, shape), draw_indices(rng, shape[axis], indices, number)), {"axis": axis})


def take_along_reference(x: np.ndarray, indices: np.ndarray, axis: int) -> np.ndarray:
    return np.take_along_axis(x, indices.astype(np.int64), axis)


def embedding_samples(rng: np.random.Generator) -> Iterator[Sample]:
    shapes: list[tuple[int, ...]] = [(), (1,), (3,), (0,), (2, 3), (4, 1), (7,), (2, 2, 2), (33,), (100,)]
    for number, shape in enumerate(shapes):
        for words, features in ((5, 3), (17, 33)):
            yield Sample((whole(rng, (words, features)), draw_indices(rng, words, shape, number, from_end=False)))
    yield Sample((whole(rng, (1, 1)), np.zeros(5, np.int64)))
    yield Sample((whole(rng, (3, 0)), np.zeros(5, np.int64)))
    # A word that does not occur: that of others gets no gradient (tests/test_recurrent.py).
    yield Sample((whole(rng, (4, 3)), np.array([0, 2, 2, 3])), {"padding_idx": 1})
    yield Sample((whole(rng, (4, 2)), np.array([[0, 2], [1, 1]])), {"padding_idx": -1})


def one_hot_samples(rng: np.random.Generator) -> Iterator[Sample]:
    shapes: list[tuple[int, ...]] = [(), (1,), (3,), (0,), (2, 3), (4, 1), (7,), (2, 2, 2), (33,), (1000,)]
    for number, shape in enumerate(shapes):
        for classes in (1, 10, 65):
            yield Sample((draw_indices(rng, classes, shape, number, from_end=False), classes))
    yield Sample((np.array([1, 0]), 3), {"dtype": "int64"})
    yield Sample((np.array([1, 0]), 2), {"dtype": "bool"})


def one_hot_reference(indices: np.ndarray, classes: int, dtype: str = "float32") -> np.ndarray:
    return (np.asarray(indices)[..., None] == np.arange(classes)).astype(dtype)


MASKS: list[tuple[int, ...]] = [
    (1,), (2,), (7,), (16,), (17,), (33,), (100,), (5000,), (9000,), (0,), (3, 5), (1, 7), (17, 9), (0, 3), (3, 0),
    (2, 3, 4),
    (3, 1, 5), (2, 3, 5, 7), (1, 2, 1, 3, 2), (64,), (65,),
]  # fmt: skip


def nonzero_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in MASKS:
        yield Sample((rng.integers(0, 2, size=shape).astype(np.float64),))


def masked_samples(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in MASKS:
        yield Sample((whole(rng, shape), rng.integers(0, 2, size=shape).astype(bool)))
    yield Sample((whole(rng, ()), np.array(True)))
    yield Sample((whole(rng, (3, 4)), np.array([True, False, True, True])))
    yield Sample((whole(rng, (3, 1)), np.array([True, False, True, True])))
    yield Sample((whole(rng, (5,)), np.zeros(5, bool)))


def masked_reference(x: np.ndarray, mask: np.ndarray) -> np.ndarray:
    x, mask = np.broadcast_arrays(x, mask)
    return x[mask]


def keys(rng: np.random.Generator) -> Iterator[Sample]:
    s = slice
    five: list[Any] = [
        0, -1, (1, 2), s(1, 3), s(None, None, -1), s(-1, None, -2), (s(None), 1), (..., 0), (None, 0),
        (0, ..., None, 1),
        (s(10, 20), 0), (s(2, 0), s(None)), np.array([0, 2, -1]), np.array([[0, 1], [2, 3]]), np.zeros(0, np.int64),
        (np.array([0, 1]), np.array([2, 0])), (np.array([[0], [1]]), np.array([2, 0, 1])), (s(None),
        np.array([1, 1, 0])),
        (np.array([0, 1]), s(None), np.array([2, 0])), (0, s(None), np.array([2, 0])),
        (np.array([0, 1]), None, np.array([0, 2])),
        (np.array([0, 1]), s(None, None, 2), 1), (..., np.array([3, 0], np.int32)),
        (None, np.array([3, 0], np.uint8), ...),
        np.array([True, False, True, False]), (s(None), np.array([True, False, True])), (s(None), s(1, None),
        np.ones(5, bool)),
        (np.array([1, 0]), np.array([True, False, True])), np.array(True), np.array(False),
        (s(None), True, np.array([0, 2])),
    ]  # fmt: skip
    for key in five:
        yield Sample((whole(rng, (4, 3, 5)), key))
    yield Sample((whole(rng, (4, 3)), rng.integers(0, 2, size=(4, 3)).astype(bool)))
    yield Sample((whole(rng, (3, 4, 3)), (..., rng.integers(0, 2, size=(4, 3)).astype(bool))))
    yield Sample((whole(rng, ()), ()))
    yield Sample((whole(rng, ()), ...))
    yield Sample((whole(rng, (0, 3)), s(None)))


def read(x: Any, key: Any) -> Any:
    return x[key]


def written(x: Any, key: Any, value: Any) -> Any:
    """A copy of x in which x[key] = value."""
    x = x.copy()
    x[key] = value
    return x


def assignments(rng: np.random.Generator) -> Iterator[Sample]:
    for sample in keys(rng):
        x, key = sample.args
        chosen = x[key]
        yield Sample((x, key, whole(rng, chosen.shape)))
    yield Sample((whole(rng, (4, 3)), s := slice(1, 3), 1))
    yield Sample((whole(rng, (4, 3)), (s, np.array([0, 2])), whole(rng, (2,))))
    yield Sample((whole(rng, (4, 3)), np.array([0, 0, 1]), whole(rng, (3, 1))))  # the last one wins
    yield Sample((whole(rng, (6,)), np.array([1, 1, 5, 1]), whole(rng, (4,))))


two = np.ones(2, np.float32)
grid = np.ones((3, 4), np.float32)
OPS = [
    Op(
        "take",
        lambda x, i, axis=None: np.take(x, i.astype(np.int64), axis),
        take_samples,
        exact,
        (
            Bad(
                (grid, np.array([0, 4])),
                tg.OutOfRangeError,
                r"take: index 4 at position \[1\] is out of range for axis 1 of "
                "size 4",
                {"axis": 1},
            ),
            Bad(
                (grid, np.array([[0], [-4]])),
                tg.OutOfRangeError,
                r"take: index -4 at position \[1, 0\] is out of range for "
                "axis 0 of size 3",
                {"axis": 0},
            ),
            Bad(
                (grid, np.array([0.0, 1.0])),
                tg.DTypeError,
                r"take: indices must be int64, int32 or uint8, found float64 \[2\]",
                {"axis": 0},
            ),
            Bad(
                (grid, np.array([0])),
                tg.OutOfRangeError,
                "take: axis 2 is out of range for a tensor of 2 dimensions",
                {"axis": 2},
            ),
            Bad(
                (np.ones((0, 3)), np.array([0])),
                tg.OutOfRangeError,
                r"take: index 0 at position \[0\] is out of range for axis "
                "0 of size 0",
                {"axis": 0},
            ),
        ),
        EVERY,
    ),
    Op(
        "take_along_axis",
        take_along_reference,
        along_samples,
        exact,
        (
            Bad(
                (grid, np.zeros((2, 2), np.int64)),
                tg.ShapeError,
                r"take_along_axis: indices of shape \[2, 2\] do not fit "
                r"float32 \[3, 4\]: all axes but axis 1 must agree",
                {"axis": 1},
            ),
            Bad(
                (grid, np.zeros(3, np.int64)),
                tg.ShapeError,
                r"take_along_axis: indices of shape \[3\] do not fit float32 "
                r"\[3, 4\]: all axes but axis 1 must agree",
                {"axis": 1},
            ),
            Bad(
                (two, np.array([2])),
                tg.OutOfRangeError,
                r"take_along_axis: index 2 at position \[0\] is out of range for axis 0 "
                "of size 2",
                {"axis": 0},
            ),
        ),
        EVERY,
    ),
    Op(
        "scatter_add",
        scatter_add_reference,
        scatter_add_samples,
        exact,
        (
            Bad(
                (grid, np.array([3]), np.ones(4, np.float32)),
                tg.OutOfRangeError,
                r"scatter_add: index 3 at position \[0\] is "
                "out of range for axis 0 of size 3",
            ),
            Bad(
                (grid, np.array([0]), np.ones(3, np.float32)),
                tg.ShapeError,
                r"scatter_add: a value of shape \[3\] does not "
                r"broadcast to the shape \[1, 4\] that is written",
            ),
            Bad(
                (grid, np.array([0]), np.ones(4)),
                tg.DTypeError,
                "scatter_add: operands have dtypes float32 and float64, which "
                r"are never mixed silently; cast one with \.astype\(\)",
            ),
        ),
        NUMERIC,
    ),
    Op(
        "embedding",
        lambda w, i, padding_idx=None: w[i.astype(np.int64)],
        embedding_samples,
        exact,
        (
            Bad(
                (grid, np.array([0, 3])),
                tg.OutOfRangeError,
                r"embedding: index 3 at position \[1\] is out of range for axis 0 "
                "of size 3",
            ),
            Bad(
                (grid, np.array([-1])),
                tg.OutOfRangeError,
                r"embedding: index -1 at position \[0\] is out of range for axis 0 "
                "of size 3",
            ),
            Bad(
                (two, np.array([0])),
                tg.ShapeError,
                r"embedding: weight must be \[words, features\], found float32 \[2\]",
            ),
            Bad(
                (grid, np.array([0])),
                tg.OutOfRangeError,
                r"embedding: padding_idx must be from -3 to 2, as weight has 3 rows, found 3",
                {"padding_idx": 3},
            ),
        ),
        EVERY,
    ),
    Op(
        "one_hot",
        one_hot_reference,
        one_hot_samples,
        exact,
        (
            Bad(
                (np.array([1, 5]), 5),
                tg.OutOfRangeError,
                r"one_hot: index 5 at position \[1\] is out of range for axis 1 of "
                "size 5",
            ),
            Bad(
                (np.array([-1]), 5),
                tg.OutOfRangeError,
                r"one_hot: index -1 at position \[0\] is out of range for axis 1 of "
                "size 5",
            ),
            Bad((two, 5), tg.DTypeError, r"one_hot: indices must be int64, int32 or uint8, found float32 \[2\]"),
            Bad((np.array([1]), -1), tg.ArgumentError, "one_hot: num_classes must not be negative, found -1"),
        ),
        ("float32",),
        gradient=False,
    ),
    Op(
        "nonzero",
        np.nonzero,
        nonzero_samples,
        exact,
        (
            Bad((np.array(1.0),), tg.ShapeError, r"nonzero: a 0-d tensor has no axes; reshape it to \[1\] first"),
            not_tensor("nonzero"),
            not_tensor("nonzero", found=[1, 0]),
        ),
        (*NUMERIC, "bool"),
        gradient=False,
    ),
    Op(
        "masked_select",
        masked_reference,
        masked_samples,
        exact,
        (
            Bad((two, two), tg.DTypeError, r"masked_select: mask must be bool, found float32 \[2\]"),
            not_tensor("masked_select", two),
            Bad((two, np.ones(3, bool)), tg.ShapeError, r"masked_select: shapes \[2\] and \[3\] do not broadcast.*"),
        ),
        EVERY,
    ),
    Op(
        "getitem",
        read,
        keys,
        exact,
        (
            Bad((grid, 3), tg.OutOfRangeError, r"getitem: index 3 is out of range for axis 0 of float32 \[3, 4\]"),
            Bad(
                (grid, (0, 0, 0)),
                tg.OutOfRangeError,
                r"getitem: 3 indices are too many for the 2 axes of float32 \[3, 4\]",
            ),
            Bad((grid, (..., 0, ...)), tg.OutOfRangeError, "getitem: a key may hold one Ellipsis, found 2"),
            Bad(
                (grid, np.array([0, 7])),
                tg.OutOfRangeError,
                r"getitem: index 7 at position \[1\] is out of range for axis 0 of "
                "size 3",
            ),
            Bad(
                (grid, np.ones(2, bool)),
                tg.OutOfRangeError,
                r"getitem: a mask of shape \[2\] does not fit the axes \[3\] that it "
                r"indexes, from axis 0 of float32 \[3, 4\]",
            ),
            Bad(
                (grid, two),
                tg.DTypeError,
                r"getitem: index arrays must be int64, int32, uint8 or bool, found float32 \[2\]",
            ),
            Bad(
                (grid, "a"),
                tg.DTypeError,
                "getitem: a key holds integers, slices, None, Ellipsis and integer or bool arrays, found str",
            ),
            Bad(
                (grid, (np.array([0, 1]), np.array([0, 1, 2]))),
                tg.ShapeError,
                r"getitem: shapes \[2\] and \[3\] do not "
                "broadcast.*",
            ),
        ),
        EVERY,
        function=read,
    ),
    Op(
        "setitem",
        written,
        assignments,
        exact,
        (
            Bad((grid, 3, 0), tg.OutOfRangeError, r"setitem: index 3 is out of range for axis 0 of float32 \[3, 4\]"),
            Bad(
                (grid, 0, np.ones(3, np.float32)),
                tg.ShapeError,
                r"setitem: a value of shape \[3\] does not broadcast to the "
                r"shape \[4\] that is written",
            ),
            Bad(
                (grid, 0, np.ones(4)),
                tg.DTypeError,
                "setitem: operands have dtypes float32 and float64, which are never mixed "
                r"silently; cast one with \.astype\(\)",
            ),
            Bad(
                (np.array([1, 2]), 0, 1.5),
                tg.DTypeError,
                r"setitem: the number 1\.5 is floating and the tensor is int64; .*",
            ),
            Bad((grid, 0, "a"), tg.DTypeError, "setitem: expected a tensor or a number, found str"),
        ),
        EVERY,
        function=written,
    ),
]
