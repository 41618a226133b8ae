"""Matrix products."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import tilegrad as tg

from .record import Bad, Op, Sample

# M, N, K: around the tiles and vectors of every ISA, sums of several chunks (512 each; 640 from 16385 on), nothing.
PRODUCTS = [
    (1, 1, 1), (1, 5, 3), (5, 1, 3), (2, 3, 4), (3, 7, 513), (1, 33, 600), (33, 1, 600), (7, 15, 16), (6, 16, 17),
    (8, 17, 31), (9, 31, 33), (13, 33, 2), (14, 48, 5), (15, 64, 9), (29, 65, 8), (17, 100, 12), (64, 10, 65),
    (2, 3, 1025), (1, 2, 16385), (3, 2, 16385), (40, 36, 1100), (5, 4, 0), (0, 3, 2), (3, 0, 2), (0, 0, 0),
]  # fmt: skip
# Operands of other ranks and broadcast batches.
PAIRS: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((3,), (3,)), ((0,), (0,)), ((600,), (600,)), ((3,), (3, 5)), ((4, 3), (3,)), ((3,), (2, 3, 5)), ((2, 4, 3), (3,)),
    ((2, 4, 3), (3, 5)), ((2, 1, 3), (3, 5)), ((4, 3), (2, 3, 5)), ((2, 4, 3), (2, 3, 5)), ((1, 4, 3), (2, 3, 5)),
    ((3, 1, 4, 2), (5, 2, 6)), ((2, 3, 7, 9), (2, 1, 9, 17)), ((0, 4, 3), (3, 5)), ((9, 1, 20), (9, 20, 1)),
]  # fmt: skip


def contraction(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    """Epsilon times the longest chain of roundings times the sum of magnitudes."""
    a, b = (np.abs(v) for v in sample.args[:2])
    terms = a.shape[-1]
    bias = np.abs(sample.args[2]) if len(sample.args) > 2 and sample.args[2] is not None else 0.0
    return epsilon * (min(terms, 640) + 32) * (a @ b + bias) + np.finfo(np.float64).tiny


def products(rng: np.random.Generator) -> Iterator[Sample]:
    for M, N, K in PRODUCTS:
        yield Sample((rng.normal(size=(M, K)), rng.normal(size=(K, N))))
    for a, b in PAIRS:
        yield Sample((rng.normal(size=a), rng.normal(size=b)))


def f32(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


MATMUL_BAD = (
    Bad((f32(2, 3), f32(2, 3)), tg.ShapeError, r"matmul: a \[2, 3\] and b \[2, 3\] do not fit: the last axis of a has "
        r"3 elements and the second to last axis of b has 2, expected the same number; is b transposed\? swap its last "
        r"two axes"),
    Bad((f32(2, 3), f32(4, 2)), tg.ShapeError, r"matmul: a \[2, 3\] and b \[4, 2\] do not fit: the last axis of a has "
        r"3 elements and the second to last axis of b has 4, expected the same number"),
    Bad((f32(3), f32(2)), tg.ShapeError, r"matmul: a \[3\] and b \[2\] do not fit: the last axis of a has 3 elements "
        r"and the axis of b has 2, expected the same number"),
    Bad((2.0, f32(2, 3)), tg.DTypeError, r"matmul: a must be a tensor, found float; tg\.tensor\(\) makes one from "
        r"other data"),
    Bad((f32(), f32(2, 3)), tg.ShapeError, r"matmul: a has no axes; multiply by a single number with \*"),
    Bad((f32(2, 3), f32()), tg.ShapeError, r"matmul: b has no axes; multiply by a single number with \*"),
    Bad((f32(2, 2, 3), f32(3, 3, 2)), tg.ShapeError, r"matmul: shapes \[2\] and \[3\] do not broadcast: axis -1 \(from "
        r"the end\) is 2 in one and 3 in the other, and neither is 1"),
    Bad((f32(2, 3), np.ones((3, 2))), tg.DTypeError, r"matmul: operands have dtypes float32 and float64, which are "
        r"never mixed silently; cast one with \.astype\(\)"),
    Bad((np.ones((2, 3), np.int64), np.ones((3, 2), np.int64)), tg.DTypeError, r"matmul: a must be float32 or float64, "
        r"found int64 \[2, 3\]; cast it with \.astype\(\)"),
)  # fmt: skip


def layers(rng: np.random.Generator) -> Iterator[Sample]:
    activations = [None, "relu", "sigmoid", "tanh", "gelu"]
    for i, (M, N, K) in enumerate(PRODUCTS):
        bias = rng.normal(size=N) if i % 3 else None
        # Scaled so that the activations are neither saturated nor linear.
        w = rng.normal(size=(K, N)) / np.sqrt(max(K, 1))
        yield Sample((rng.normal(size=(M, K)), w, bias), {"activation": activations[i % len(activations)]})
    for shape in [(3,), (2, 4, 3), (2, 1, 3), (0, 4, 3), (2, 3, 4, 3)]:
        yield Sample((rng.normal(size=shape), rng.normal(size=(3, 5)), rng.normal(size=5)))
    for activation in activations[1:]:
        args = rng.normal(size=(4, 3)), rng.normal(size=(3, 17)), rng.normal(size=17)
        yield Sample(args, {"activation": activation})


def linear(x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None, activation: str | None = None) -> np.ndarray:
    from scipy.special import erf, expit

    y = x @ w + (0.0 if b is None else b)
    if activation == "relu":
        return np.where(y < 0, 0.0, y)
    if activation == "sigmoid":
        return expit(y)
    if activation == "tanh":
        return np.tanh(y)
    return y * (0.5 * (1 + erf(y / np.sqrt(2)))) if activation == "gelu" else y


def layer_tolerance(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    """The product's tolerance through an activation, whose slope is at most 1.13, and the activation's own rounding."""
    return 1.2 * contraction(sample, reference, epsilon) + 8 * epsilon * np.abs(reference)


LINEAR_BAD = (
    Bad((f32(2, 3), f32(4, 5)), tg.ShapeError, r"linear: the last axis of x \[2, 3\] has 3 elements, expected 4 as w "
        r"is \[in, out\] = \[4, 5\]"),
    Bad((f32(2, 3), f32(4, 3)), tg.ShapeError, r"linear: the last axis of x \[2, 3\] has 3 elements, expected 4 as w "
        r"is \[in, out\] = \[4, 3\]; is w transposed \(\[out, in\]\)\?"),
    Bad((f32(2, 3), f32(3)), tg.ShapeError, r"linear: w must be \[in, out\], found \[3\]"),
    Bad((f32(), f32(3, 3)), tg.ShapeError, r"linear: x must be \[\.\.\., in\], found a single number"),
    Bad((f32(2, 3), f32(3, 4), f32(3)), tg.ShapeError, r"linear: b must be \[out\] = \[4\] as w is \[in, out\] = \[3, "
        r"4\], found \[3\]"),
    Bad((f32(2, 3), np.ones((3, 4))), tg.DTypeError, r"linear: operands have dtypes float32 and float64, which are "
        r"never mixed silently; cast one with \.astype\(\)"),
    Bad((f32(2, 3), f32(3, 4), np.ones(4)), tg.DTypeError, r"linear: operands have dtypes float32 and float64, which "
        r"are never mixed silently; cast one with \.astype\(\)"),
    Bad((f32(2, 3), f32(3, 4), 1.0), tg.DTypeError, r"linear: b must be a tensor or None, found float; tg\.tensor\(\) makes "
        r"one from other data"),
    Bad((f32(2, 3), f32(3, 4)), tg.ArgumentError, r"linear: activation must be None, 'relu', 'sigmoid', 'tanh' or "
        r"'gelu', found 'swish'", {"activation": "swish"}),
)  # fmt: skip

# Subscripts and the shapes of their operands.
SUMS: list[tuple[str, list[tuple[int, ...]]]] = [
    ("ij,jk->ik", [(3, 4), (4, 5)]), ("ij,jk", [(2, 7), (7, 3)]), ("ij,kj->ik", [(3, 5), (2, 5)]),
    ("ji,jk->ik", [(513, 2), (513, 3)]), ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]), ("bij,jk->bik", [(2, 3, 4), (4, 5)]),
    ("ii->i", [(4, 4)]), ("ii", [(5, 5)]), ("ij->ji", [(3, 4)]), ("ij->", [(3, 4)]), ("ij->j", [(3, 4)]),
    ("ba", [(2, 3)]), ("i,j->ij", [(3,), (4,)]), ("i,i->", [(600,), (600,)]), ("ij,ij->ij", [(3, 4), (3, 4)]),
    ("ij,ij->", [(3, 4), (3, 4)]), ("ij,j", [(3, 4), (4,)]), ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)]),
    ("a,b,c->cab", [(2,), (3,), (4,)]),
    ("iij->ij", [(3, 3, 2)]), ("iji->j", [(3, 2, 3)]), ("aab,bcc->ac", [(2, 2, 3), (3, 4, 4)]), ("iii->i", [(3, 3, 3)]),
    ("abc,cd,be->ade", [(2, 3, 4), (4, 2), (3, 5)]), ("ij,k->i", [(2, 3), (4,)]), ("->", [()]), (",i->i", [(), (3,)]),
    ("...ij,...jk->...ik", [(2, 3, 4), (2, 4, 5)]), ("...ij,...jk->...ik", [(3, 1, 2, 4), (5, 4, 2)]),
    ("...ij->...ji", [(2, 3, 4)]), ("...i,...i", [(2, 3), (3,)]), ("ij...,j->i...", [(2, 3, 4), (3,)]),
    ("ij,jk->ik", [(3, 0), (0, 2)]), ("ij,jk->ik", [(0, 3), (3, 2)]), ("ij,ij->ij", [(1, 4), (3, 1)]),
    ("bqhd,bkhd->bhqk", [(2, 3, 2, 4), (2, 5, 2, 4)]),
]  # fmt: skip


def sums(rng: np.random.Generator) -> Iterator[Sample]:
    for subscripts, shapes in SUMS:
        yield Sample((subscripts, *(rng.normal(size=shape) for shape in shapes)))


def sum_tolerance(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    """Epsilon times the number of terms and operands times the sum of magnitudes."""
    subscripts, *operands = sample.args
    sizes = [size for operand in operands for size in operand.shape]
    terms = min(640, int(np.prod([max(size, 1) for size in sizes])))
    return epsilon * (terms + 32) * len(operands) * np.einsum(subscripts, *map(np.abs, operands)) + 1e-300


EINSUM_BAD = (
    Bad((3, f32(2)), tg.ArgumentError, r"einsum: subscripts must be a string such as 'ij,jk->ik', found int"),
    Bad(("i", 2.0), tg.DTypeError, r"einsum: operand 0 must be a tensor, found float"),
    Bad(("ij,jk", f32(2, 3)), tg.ArgumentError, r"einsum: subscripts 'ij,jk' describe 2 operands, found 1; separate "
        r"the letters of different operands by commas"),
    Bad(("i$", f32(2)), tg.ArgumentError, r"einsum: '\$' in 'i\$' is not a letter; use letters, commas, one '->' and "
        r"at most one '\.\.\.' per operand"),
    Bad(("ij->ik", f32(2, 3)), tg.ArgumentError, r"einsum: the output of 'ij->ik' names 'k', which no operand has"),
    Bad(("ij->ii", f32(2, 3)), tg.ArgumentError, r"einsum: the output of 'ij->ii' names 'i' more than once"),
    Bad(("ii", f32(2, 3)), tg.ShapeError, r"einsum: 'i' in 'ii' has size 2, but size 3 in operand 0 \[2, 3\]"),
    Bad(("ij,jk", f32(2, 3), f32(2, 3)), tg.ShapeError, r"einsum: 'j' in 'ij,jk' has size 3, but size 2 in operand 1 "
        r"\[2, 3\]"),
    Bad(("ijk", f32(2, 3)), tg.ShapeError, r"einsum: operand 0 \[2, 3\] has 2 axes, but 'ijk' in 'ijk' names 3"),
    Bad(("...i,...i", f32(2, 2), f32(3, 2)), tg.ShapeError, r"einsum: an axis of '\.\.\.' in '\.\.\.i,\.\.\.i' has "
        r"size 2, but size 3 in operand 1 \[3, 2\]"),
    Bad(("ij,jk", f32(2, 3), np.ones((3, 2))), tg.DTypeError, r"einsum: operands have dtypes float32 and float64, "
        r"which are never mixed silently; cast one with \.astype\(\)"),
)  # fmt: skip


OPS = [
    Op("matmul", np.matmul, products, contraction, MATMUL_BAD),
    Op("linear", linear, layers, layer_tolerance, LINEAR_BAD),
    Op("einsum", np.einsum, sums, sum_tolerance, EINSUM_BAD),
]
