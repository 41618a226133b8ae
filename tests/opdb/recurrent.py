"""Recurrent layers, step by step in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import tilegrad as tg

from .record import Bad, Op, Sample

Array = np.ndarray
# x [., .], the state, and what a cell does with one row of sums: (x w + b, h u, state) -> state.
Cell = Callable[[Array, Array, tuple[Array, ...]], tuple[Array, ...]]


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def run(
    cell: Cell, x: Array, w: Array, u: Array, b: Array | None, states: list[Array | None], lengths: Any, reverse: bool,
    batch_first: bool,
) -> tuple[Array, ...]:  # fmt: skip
    """Every sequence on its own, every step on its own: the outputs and the last states."""
    if not batch_first:
        x = x.swapaxes(0, 1)
    N, T, _ = x.shape
    H = u.shape[0]
    y = np.zeros((N, T, H))
    last = [np.zeros((N, H)) if state is None else state.copy() for state in states]
    for n in range(N):
        length = T if lengths is None else int(lengths[n])
        for t in range(length)[::-1] if reverse else range(length):
            projected = x[n, t] @ w + (0 if b is None else b)
            after = cell(projected, last[0][n] @ u, tuple(state[n] for state in last))
            for state, value in zip(last, after, strict=True):
                state[n] = value
            y[n, t] = after[0]
    return (y if batch_first else y.swapaxes(0, 1), *last)


def rnn(
    x: Array, w: Array, u: Array, b: Array | None = None, h0: Array | None = None, lengths: Any = None,
    nonlinearity: str = "tanh", reverse: bool = False, batch_first: bool = True,
) -> tuple[Array, ...]:  # fmt: skip
    function = np.tanh if nonlinearity == "tanh" else lambda s: np.maximum(s, 0)
    return run(lambda a, s, _: (function(a + s),), x, w, u, b, [h0], lengths, reverse, batch_first)


def gru(
    x: Array, w: Array, u: Array, b: Array | None = None, b_n: Array | None = None, h0: Array | None = None,
    lengths: Any = None, reverse: bool = False, batch_first: bool = True,
) -> tuple[Array, ...]:  # fmt: skip
    def cell(a: Array, s: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        (a_r, a_z, a_n), (s_r, s_z, s_n) = np.split(a, 3), np.split(s, 3)
        r, z = sigmoid(a_r + s_r), sigmoid(a_z + s_z)
        n = np.tanh(a_n + r * (s_n + (0 if b_n is None else b_n)))
        return ((1 - z) * n + z * states[0],)

    return run(cell, x, w, u, b, [h0], lengths, reverse, batch_first)


def lstm(
    x: Array, w: Array, u: Array, b: Array | None = None, h0: Array | None = None, c0: Array | None = None,
    lengths: Any = None, reverse: bool = False, batch_first: bool = True,
) -> tuple[Array, ...]:  # fmt: skip
    def cell(a: Array, s: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        i, f, g, o = np.split(a + s, 4)
        c = sigmoid(f) * states[1] + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c

    return run(cell, x, w, u, b, [h0, c0], lengths, reverse, batch_first)


# N, T, C, H (C numbers a step): around vectors, tiles and the sharing of few sequences; empty ones.
SIZES = [
    (1, 1, 1, 1), (1, 3, 2, 1), (2, 1, 3, 5), (1, 4, 3, 17), (3, 2, 1, 16), (2, 5, 4, 7), (5, 3, 2, 33), (7, 2, 5, 3),
    (13, 3, 3, 9), (4, 4, 8, 8), (9, 2, 17, 2), (1, 2, 3, 65), (30, 2, 2, 4), (2, 7, 1, 2), (6, 3, 2, 24), (3, 3, 0, 4),
    (0, 3, 2, 4), (2, 0, 3, 5), (0, 0, 1, 1), (3, 6, 2, 15),
]  # fmt: skip


def recurrent_samples(gates: int, states: int) -> Callable[[np.random.Generator], Iterator[Sample]]:
    def samples(rng: np.random.Generator) -> Iterator[Sample]:
        for number, (N, T, C, H) in enumerate([*SIZES, (3, 2, 2, 600), (2, 5, 3, 4), (5, 4, 2, 3)]):
            scale = 1 / np.sqrt(H)
            options: dict[str, Any] = {"reverse": number % 2 == 1, "batch_first": number % 3 != 2}
            shape = (N, T, C) if options["batch_first"] else (T, N, C)
            args: list[Any] = [rng.normal(size=shape), rng.normal(size=(C, gates * H)) * 0.7]
            args.append(rng.normal(size=(H, gates * H)) * scale)
            if number % 4 != 3:
                options["b"] = rng.normal(size=gates * H)
                if gates == 3:
                    options["b_n"] = rng.normal(size=H)
            if number % 5 in (0, 1, 4):
                options["h0"] = rng.normal(size=(N, H))
            if states == 2 and number % 5 in (0, 2, 4):
                options["c0"] = rng.normal(size=(N, H))
            if number % 3 != 1:
                options["lengths"] = rng.integers(0, T + 1, size=N, dtype=("int64", "int32", "uint8")[number % 3])
            if gates == 1:
                # A sum at the kink of relu has no central difference: sums of normal numbers are none.
                options["nonlinearity"] = ("tanh", "relu")[number // 2 % 2]
            yield Sample(tuple(args), options)

    return samples


def recurrent_terms(sample: Sample, reference: Array, epsilon: float) -> Any:
    """Sums of C and H terms, whose errors the steps pass on: each may double what the step before brought."""
    x, w, u = sample.args
    if not x.size or not reference.size:
        return 4 * epsilon * (1 + np.max(np.abs(reference), initial=0.0))
    T = x.shape[1 if sample.kwargs["batch_first"] else 0]
    largest = np.max(np.abs(reference)) + 1
    sums = np.abs(x).max() * np.abs(w).sum(0).max(initial=0.0) + largest * np.abs(u).sum(0).max() + 4
    terms = x.shape[2] + u.shape[0] + 20
    growth = sum((1 + min(np.abs(u).sum(0).max(), 2.0)) ** t for t in range(T))
    return 0.5 * epsilon * np.sqrt(terms) * sums * growth


def recurrent_bad(name: str, gates: int) -> tuple[Bad, ...]:
    def ones(*shape: int, dtype: str = "float32") -> Array:
        return np.ones(shape, dtype)

    H, wide = 5, gates * 5
    x, w, u = ones(2, 3, 4), ones(4, wide), ones(H, wide)
    width = {1: "", 3: "3 ", 4: "4 "}[gates]
    return (
        Bad((x[0], w, u), tg.ShapeError, rf"{name}: x must be \[N, T, in\], found float32 \[3, 4\]"),
        Bad((x[0], w, u), tg.ShapeError,
            rf"{name}: x must be \[T, N, in\] \(batch_first=False\), found float32 \[3, 4\]", {"batch_first": False}),
        Bad((x, w[:3], u), tg.ShapeError, rf"{name}: w must be \[in, {width}H\] = \[4, {wide}\], found \[3, {wide}\]"),
        Bad((x, w, u[:, 1:]), tg.ShapeError, rf"{name}: u must be \[H, {width}H\], found \[5, {wide - 1}\]"),
        Bad((x, w, u, ones(3)), tg.ShapeError, rf"{name}: b must be \[{width}H\] = \[{wide}\], found \[3\]"),
        Bad((x, w, u), tg.ShapeError, rf"{name}: h0 must be \[N, H\] = \[2, 5\], found \[3, 5\]", {"h0": ones(3, 5)}),
        Bad((x.astype(np.int64), w, u), tg.DTypeError,
            rf"{name}: x must be float32 or float64, found int64 \[2, 3, 4\]; cast it with \.astype\(\)"),
        Bad((x, w.astype(np.float64), u), tg.DTypeError,
            rf"{name}: operands have dtypes float32 and float64, which are never mixed silently; cast one with "
            r"\.astype\(\)"),
        Bad((x, w, u), tg.OutOfRangeError, rf"{name}: lengths\[1\] is 4, expected 0 to 3, the steps of x",
            {"lengths": np.array([3, 4])}),
        Bad((x, w, u), tg.OutOfRangeError, rf"{name}: lengths\[0\] is -1, expected 0 to 3, the steps of x",
            {"lengths": np.array([-1, 4], np.int32)}),
        Bad((x, w, u), tg.ShapeError, rf"{name}: lengths must be \[N\] = \[2\], one for each sequence, found \[3\]",
            {"lengths": np.array([1, 1, 1])}),
        Bad((x, w, u), tg.DTypeError, rf"{name}: lengths must be int64, int32 or uint8, found float32 \[2\]",
            {"lengths": ones(2)}),
        Bad((x, w, u), tg.DTypeError, rf"{name}: lengths must be an integer tensor, found str", {"lengths": "all"}),
    )  # fmt: skip


X, W, U = np.ones((2, 3, 4), np.float32), np.ones((4, 5), np.float32), np.ones((5, 5), np.float32)
MORE_BAD = {
    "rnn": (
        Bad((X, W, U), tg.ArgumentError, r"rnn: nonlinearity must be 'tanh' or 'relu', found 'sigmoid'",
            {"nonlinearity": "sigmoid"}),
    ),
    "gru": (
        Bad((X, np.tile(W, 3), np.tile(U, 3)), tg.ShapeError, r"gru: b_n must be \[H\] = \[5\], found \[15\]",
            {"b_n": np.ones(15, np.float32)}),
        Bad((X, np.tile(W, 3), np.tile(U, 3).T), tg.ShapeError,
            r"gru: u must be \[H, 3 H\], found \[15, 5\]; is it transposed\?"),
    ),
    "lstm": (
        Bad((X, np.tile(W, 4), np.tile(U, 4)), tg.ShapeError, r"lstm: c0 must be \[N, H\] = \[2, 5\], found \[2, 4\]",
            {"c0": np.ones((2, 4), np.float32)}),
        Bad((X, np.tile(W, 4), np.tile(U, 4).T), tg.ShapeError,
            r"lstm: u must be \[H, 4 H\], found \[20, 5\]; is it transposed\?"),
    ),
}  # fmt: skip

OPS = [
    Op(name, reference, recurrent_samples(gates, states), recurrent_terms,
       (*recurrent_bad(name, gates), *MORE_BAD[name]))
    for name, reference, gates, states in (("rnn", rnn, 1, 1), ("gru", gru, 3, 1), ("lstm", lstm, 4, 2))
]  # fmt: skip
