"""Winograd's convolution from its definition: what its rounding errors can grow to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


def _tiles(x: np.ndarray, size: int, step: int, down: int, across: int, top: int = 0, left: int = 0) -> np.ndarray:
    """Windows of size x size pixels, [N, down, across, C, size, size], with zeros outside the images."""
    N, H, W, C = x.shape
    padded = np.zeros((N, max(top + H, step * down + size), max(left + W, step * across + size), C))
    padded[:, top : top + H, left : left + W] = x
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
    return windows[:, ::step, ::step][:, :down, :across]


def in_groups(f: Callable[..., np.ndarray], x: np.ndarray, y: np.ndarray, groups: int, *rest: Any) -> np.ndarray:
    """f(x, y, *rest) of each group of channels, the last axes, side by side."""
    parts = zip(np.split(x, groups, 3), np.split(y, groups, 3), strict=True)
    return np.concatenate([f(*part, *rest) for part in parts], 3)


def turned(w: np.ndarray, groups: int = 1) -> np.ndarray:
    """The filter whose convolution with dy is the gradient of the input."""
    return np.concatenate([part[::-1, ::-1].transpose(0, 1, 3, 2) for part in np.split(w, groups, 3)], 3)


def convolution(x: np.ndarray, w: np.ndarray, pads: Pads, m: int, magnitudes: bool = False) -> np.ndarray:
    """The algorithm in float64. With `magnitudes`, of |x| and |w| by matrices of magnitudes.

    That is what the intermediate results which go into an output add up to at most, so that rounding each of them once
    costs the output at most half an epsilon of it.
    """
    a, g, b = matrices(m)
    if magnitudes:
        x, w, a, g, b = (np.abs(array) for array in (x, w, a, g, b))
    (top, bottom), (left, right) = pads
    N, H, W, _ = x.shape
    P, Q = H + top + bottom - 2, W + left + right - 2
    down, across = -(-P // m), -(-Q // m)
    v = np.einsum("ri,sj,npqcij->rsnpqc", b, b, _tiles(x, m + 2, m, down, across, top, left))
    u = np.einsum("ri,sj,ijck->rsck", g, g, w)
    products = np.einsum("rsnpqc,rsck->rsnpqk", v, u)
    y = np.einsum("ir,js,rsnpqk->npiqjk", a, a, products)
    return y.reshape(N, m * down, m * across, w.shape[3])[:, :P, :Q]


def weights_gradient(x: np.ndarray, dy: np.ndarray, pads: Pads, magnitudes: bool = False) -> np.ndarray:
    """The gradient of the weights through tiles of 4 x 4 outputs, likewise."""
    a, g, b = matrices(4)
    if magnitudes:
        x, dy, a, g, b = (np.abs(array) for array in (x, dy, a, g, b))
    down, across = -(-dy.shape[1] // 4), -(-dy.shape[2] // 4)
    v = np.einsum("ri,sj,npqcij->rsnpqc", b, b, _tiles(x, 6, 4, down, across, pads[0][0], pads[1][0]))
    d = np.einsum("ir,js,npqkij->rsnpqk", a, a, _tiles(dy, 4, 4, down, across))
    return np.einsum("ri,sj,rsck->ijck", g, g, np.einsum("rsnpqc,rsnpqk->rsck", v, d))


# From an input to an output a number is rounded at most 4 times in each of the 2 passes of the 3 transforms (rounded
# constants included), once for each term and each chunk of the sum, and once with the bias: each time by at most half
# an epsilon. Whole epsilons have room for the products of these errors.
def roundings(terms: int) -> int:
    return 2 * 3 * 4 + terms + terms // 512 + 1


def error_bound(x: np.ndarray, w: np.ndarray, pads: Pads, m: int, epsilon: float, groups: int = 1) -> np.ndarray:
    """What the error of every output is at most."""
    return roundings(w.shape[2]) * epsilon * in_groups(convolution, x, w, groups, pads, m, True)


def weights_gradient_error_bound(
    x: np.ndarray, dy: np.ndarray, pads: Pads, epsilon: float, groups: int = 1
) -> np.ndarray:
    """The same for the gradient of the weights, whose sums run over tiles."""
    tiles = dy.shape[0] * -(-dy.shape[1] // 4) * -(-dy.shape[2] // 4)
    return roundings(tiles) * epsilon * in_groups(weights_gradient, x, dy, groups, pads, True)
