"""Shapes and views."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import tilegrad as tg

from .record import SHAPES, Bad, Op, Sample, exact, not_tensor


def singles(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in SHAPES:
        yield Sample((rng.normal(size=shape),))


def with_argument(
    choose: Callable[[tuple[int, ...]], Iterator[Any]],
) -> Callable[[np.random.Generator], Iterator[Sample]]:
    """Every shape with the arguments that `choose` makes for it."""

    def samples(rng: np.random.Generator) -> Iterator[Sample]:
        for shape in SHAPES:
            for arguments in choose(shape):
                yield Sample((rng.normal(size=shape), *arguments))

    return samples


def new_shapes(shape: tuple[int, ...]) -> Iterator[tuple[Any, ...]]:
    size = int(np.prod(shape))
    yield ((size,),)
    yield (shape[::-1],)
    if size:
        yield ((-1, 1),)
    yield ((1, *shape, 1),)


def axis_orders(shape: tuple[int, ...]) -> Iterator[tuple[Any, ...]]:
    axes = tuple(range(len(shape)))
    yield (axes[::-1],)
    yield (axes[1:] + axes[:1],)


def axis_pairs(shape: tuple[int, ...]) -> Iterator[tuple[Any, ...]]:
    if shape:
        yield 0, -1
        yield -1, 0


def new_axes(shape: tuple[int, ...]) -> Iterator[tuple[Any, ...]]:
    yield (0,)
    yield (-1,)
    yield (len(shape),)


def stretched(shape: tuple[int, ...]) -> Iterator[tuple[Any, ...]]:
    yield (shape,)
    yield ((2, *shape),)
    yield (tuple(3 if size == 1 else size for size in shape),)


def no_tensors(name: str) -> tuple[Bad, ...]:
    return (not_tensor(name), not_tensor(name, found=[[1.0]]), not_tensor(name, found=None))


two_by_three = np.ones((2, 3), np.float32)

OPS = [
    Op("copy", np.copy, singles, exact, no_tensors("copy")),
    Op("contiguous", np.ascontiguousarray, lambda rng: (s for s in singles(rng) if s.args[0].ndim), exact,
       no_tensors("contiguous")),
    Op("transpose", np.transpose, singles, exact, no_tensors("transpose")),
    Op(
        "reshape", np.reshape, with_argument(new_shapes), exact,
        (
            Bad((two_by_three, (4,)), tg.ShapeError,
                r"reshape: float32 \[2, 3\] has 6 elements and cannot take shape \[4\]"),
            Bad((two_by_three, (-1, 4)), tg.ShapeError,
                r"reshape: float32 \[2, 3\] has 6 elements and cannot take shape \[-1, 4\]"),
            Bad((two_by_three, (-1, -1)), tg.ShapeError,
                r"reshape: shape \[-1, -1\] has a negative size \(only one size may be -1, to be inferred\)"),
            Bad((two_by_three, (1 << 62, 4)), tg.ArgumentError,
                r"reshape: the size 4611686018427387904 x 4 does not fit in 64 bits"),
        ),
    ),
    Op(
        "permute", np.transpose, with_argument(axis_orders), exact,
        (
            Bad((two_by_three, (0,)), tg.ShapeError,
                r"permute: axes \[0\] must name each of the 2 axes of float32 \[2, 3\] once"),
            Bad((two_by_three, (0, 0)), tg.ShapeError, r"permute: axis 0 comes twice in \[0, 0\]"),
            Bad((two_by_three, (0, 2)), tg.OutOfRangeError,
                r"permute: axis 2 is out of range for a tensor of 2 dimensions"),
        ),
    ),
    Op(
        "swapaxes", np.swapaxes, with_argument(axis_pairs), exact,
        (
            Bad((two_by_three, 0, 2), tg.OutOfRangeError,
                r"swapaxes: axis 2 is out of range for a tensor of 2 dimensions"),
            Bad((two_by_three, -3, 0), tg.OutOfRangeError,
                r"swapaxes: axis -3 is out of range for a tensor of 2 dimensions"),
            not_tensor("swapaxes", 0, 1),
        ),
    ),
    Op(
        "expand_dims", np.expand_dims, with_argument(new_axes), exact,
        (
            Bad((two_by_three, 4), tg.OutOfRangeError,
                r"expand_dims: axis 4 is out of range for a tensor of 3 dimensions"),
            Bad((two_by_three, -4), tg.OutOfRangeError,
                r"expand_dims: axis -4 is out of range for a tensor of 3 dimensions"),
            not_tensor("expand_dims", 0),
        ),
    ),
    Op(
        "squeeze", np.squeeze, singles, exact,
        (
            Bad((two_by_three, 0), tg.ShapeError, r"squeeze: axis 0 of float32 \[2, 3\] has size 2, not 1"),
            Bad((two_by_three, 2), tg.OutOfRangeError,
                r"squeeze: axis 2 is out of range for a tensor of 2 dimensions"),
            not_tensor("squeeze"),
        ),
    ),
    Op(
        "broadcast_to", np.broadcast_to, with_argument(stretched), exact,
        (
            Bad((two_by_three, (3, 3)), tg.ShapeError, r"broadcast_to: shapes \[2, 3\] and \[3, 3\] do not broadcast: .*"),
            Bad((two_by_three, (3,)), tg.ShapeError, r"broadcast_to: float32 \[2, 3\] does not broadcast to \[3\]"),
            Bad((two_by_three, (-1, 3)), tg.ShapeError, r"broadcast_to: negative dimension in shape \[-1, 3\]"),
            not_tensor("broadcast_to", (3,)),
        ),
    ),
]  # fmt: skip
