"""Winograd's convolution from its definition: what its rounding errors can grow to."""

from __future__ import annotations

import numpy as np

Pads = tuple[tuple[int, int], tuple[int, int]]
POINTS = {2: (0, 1, -1), 4: (0, 11 / 16, -11 / 16, 3 / 2, -3 / 2)}  # and infinity


def matrices(m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A^T [m, m + 2], G [m + 2, 3] and B^T [m + 2, m + 2] with y = A^T ((G g) * (B^T d)).

    Row i of B^T holds the coefficients of the product of (x - q) over all points q but the i-th, row i of G the powers
    of the point over that product's value there; the last rows belong to infinity.
    """
    points = POINTS[m]
    transposed_b, g = np.zeros((m + 2, m + 2)), np.zeros((m + 2, 3))
    for i, point in enumerate(points):
        product = np.poly([q for q in points if q != point])
        transposed_b[i, : m + 1] = product[::-1]
        g[i] = np.power(float(point), range(3)) / np.polyval(product, point)
    transposed_b[m + 1] = np.poly(points)[::-1]
    g[m + 1, 2] = 1
    a = np.zeros((m + 2, m))
    a[: m + 1] = np.power.outer(np.array(points, np.float64), range(m))
    a[m + 1, m - 1] = 1
    return a.T, g, transposed_b


def convolution(x: np.ndarray, w: np.ndarray, pads: Pads, m: int, magnitudes: bool = False) -> np.ndarray:
    """The algorithm in float64. With `magnitudes`, of |x| and |w| by matrices of magnitudes.

    That is what the intermediate results which go into an output add up to at most, so that rounding each of them once
    costs the output at most half an epsilon of it.
    """
    a, g, b = matrices(m)
    if magnitudes:
        x, w, a, g, b = (np.abs(array) for array in (x, w, a, g, b))
    (top, bottom), (left, right) = pads
    N, H, W, C = x.shape
    P, Q = H + top + bottom - 2, W + left + right - 2
    down, across = -(-P // m), -(-Q // m)
    padded = np.zeros((N, m * down + 2, m * across + 2, C))
    padded[:, top : top + H, left : left + W] = x
    seen = np.lib.stride_tricks.sliding_window_view(padded, (m + 2, m + 2), axis=(1, 2))[:, ::m, ::m]
    v = np.einsum("ri,sj,npqcij->rsnpqc", b, b, seen)
    u = np.einsum("ri,sj,ijck->rsck", g, g, w)
    products = np.einsum("rsnpqc,rsck->rsnpqk", v, u)
    y = np.einsum("ir,js,rsnpqk->npiqjk", a, a, products)
    return y.reshape(N, m * down, m * across, w.shape[3])[:, :P, :Q]


def error_bound(x: np.ndarray, w: np.ndarray, pads: Pads, m: int, epsilon: float) -> np.ndarray:
    """What the error of every output is at most.

    From an input to an output a number is rounded at most 4 times in each of the 2 passes of the 3 transforms (rounded
    constants included), once for each channel and chunk of channels, and once with the bias: each time by at most half
    of epsilon. Whole epsilons have room for the products of these errors.
    """
    channels = w.shape[2]
    return (2 * 3 * 4 + channels + channels // 512 + 1) * epsilon * convolution(x, w, pads, m, magnitudes=True)
