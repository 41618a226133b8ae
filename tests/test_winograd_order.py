"""Winograd's convolution: its operations run in the documented order, in NumPy with each rounding made by hand."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import tilegrad as tg

from .targets import AVAILABLE, running_on
from .test_conv2d import round_to_float32


def fma(a: Any, b: Any, c: Any) -> np.ndarray:
    """The product of a and b, plus c, each element rounded once."""
    factors, others, addends = np.broadcast_arrays(a, b, c)
    exact = (Fraction(float(p)) * Fraction(float(q)) for p, q in zip(factors.flat, others.flat, strict=True))
    flat = [round_to_float32(product + Fraction(float(t))) for product, t in zip(exact, addends.flat, strict=True)]
    return np.array(flat, np.float32).reshape(addends.shape)


def along_both(transform: Callable[[np.ndarray], np.ndarray], a: np.ndarray) -> np.ndarray:
    """Along columns, then along rows."""
    return transform(transform(a).swapaxes(0, 1)).swapaxes(0, 1)


def convolved(isa: str, seed: int, channels: int, stride: int) -> list[np.ndarray]:
    """x, w, bias, and their convolution with padding 1."""
    rng = np.random.default_rng(seed)
    sizes = (2, 8, 8, channels), (3, 3, channels, 16), 16
    given = [rng.normal(size=size).astype(np.float32) for size in sizes]
    with running_on(isa):
        return [*given, tg.conv2d(*map(tg.tensor, given), padding=1, stride=stride).numpy()]


A, B = 11 / 16, 3 / 2  # the points


def weights(g: np.ndarray) -> np.ndarray:
    """One pass of the weights' transform, along the first axis, as csrc/cpu/winograd_transforms.h writes it."""
    near, far = fma(A * A, g[2], g[0]), fma(B * B, g[2], g[0])
    first, second = np.float32(1 / (2 * A * A * (A * A - B * B))), np.float32(1 / (2 * B * B * (B * B - A * A)))
    return np.stack([
        np.float32(1 / (A * A * B * B)) * g[0], first * fma(A, g[1], near), first * fma(-A, g[1], near),
        second * fma(B, g[1], far), second * fma(-B, g[1], far), g[2],
    ])  # fmt: skip


def inputs(d: np.ndarray) -> np.ndarray:
    near_even, near_odd = fma(-B * B, d[2], d[4]), fma(-B * B, d[1], d[3])
    far_even, far_odd = fma(-A * A, d[2], d[4]), fma(-A * A, d[1], d[3])
    both, product = A * A + B * B, A * A * B * B
    return np.stack([
        fma(product, d[0], fma(-both, d[2], d[4])), fma(A, near_odd, near_even), fma(-A, near_odd, near_even),
        fma(B, far_odd, far_even), fma(-B, far_odd, far_even), fma(product, d[1], fma(-both, d[3], d[5])),
    ])  # fmt: skip


def results(m: np.ndarray) -> np.ndarray:
    near_even, near_odd, far_even, far_odd = m[1] + m[2], m[1] - m[2], m[3] + m[4], m[3] - m[4]
    return np.stack([
        m[0] + (near_even + far_even), fma(B, far_odd, np.float32(A) * near_odd),
        fma(B * B, far_even, np.float32(A * A) * near_even), fma(B**3, far_odd, fma(A**3, near_odd, m[5])),
    ])  # fmt: skip


@pytest.mark.parametrize("isa", AVAILABLE)
def test_operations_run_in_the_documented_order(isa: str) -> None:
    """Bit for bit: a tile of 4x4 outputs of one channel, from 515 input channels."""
    x, w, bias, y = convolved(isa, 8, 515, 1)
    n, k = 1, 5
    d = np.pad(x[n], ((1, 1), (1, 1), (0, 0)))[4:10, 0:6]  # of the tile of rows 4 to 7 and columns 0 to 3
    v, u = along_both(inputs, d), along_both(weights, w[..., k])
    chunks = []
    for channels in (range(512), range(512, 515)):
        total = np.zeros((6, 6), np.float32)
        for c in channels:
            total = fma(v[..., c], u[..., c], total)
        chunks.append(total)
    tile = along_both(results, chunks[0] + chunks[1]) + bias[k]
    assert np.array_equal(y[n, 4:8, 0:4, k], tile)


@pytest.mark.parametrize("isa", AVAILABLE)
def test_operations_run_in_the_documented_order_at_stride_2(isa: str) -> None:
    """Bit for bit: a tile of 2x2 outputs of one channel, whose sums run over 129, 258 and 516 terms."""
    x, w, bias, y = convolved(isa, 9, 129, 2)
    n, k = 1, 5
    d = np.pad(x[n], ((1, 1), (1, 1), (0, 0)))[4:9, 0:5]  # of the tile of rows 2 and 3 and columns 0 and 1
    v = along_both(lambda d: np.stack([d[0] - d[2], d[1], d[2], d[4] - d[2], d[3]]), d)
    u = along_both(lambda g: np.stack([g[0], g[1], g[0] + g[2], g[2], g[1]]), w[..., k])
    parts = ((0, 1), (2,), (3, 4))  # that make up each plane of an axis
    m = np.zeros((3, 3), np.float32)
    for plane in itertools.product(range(3), range(3)):
        places = itertools.product(*(parts[p] for p in plane))
        pairs = [factors for i, j in places for factors in zip(v[i, j], u[i, j], strict=True)]
        for chunk in (pairs[:512], pairs[512:]):
            total = np.zeros((), np.float32)
            for p, q in chunk:
                total = fma(p, q, total)
            m[plane] += total
    tile = along_both(lambda m: np.stack([m[0] + m[1], m[1] + m[2]]), m) + bias[k]
    assert np.array_equal(y[n, 2:4, 0:2, k], tile)
