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


# At stride 2: the same three matrices for the forward pass and the gradient of the weights, of five parts, some of
# whose sums share a plane. That of the input: gradient_matrices().
STRIDED_A = np.array([[1, 1, 1, 0, 0], [0, 0, 1, 1, 1]], np.float64)
STRIDED_G = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 1], [0, 0, 1], [0, 1, 0]], np.float64)
STRIDED_B = np.array(
    [[1, 0, -1, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, -1, 0, 1], [0, 0, 0, 1, 0]], np.float64
)


def gradient_matrices(swapped: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of four neighbours two see two inputs, and one each the others: those come first if `swapped`."""
    a = np.array([[1, 1, 0, 0, 0], [0, 0, 0, 1, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 1]], np.float64)
    g = np.array([[1, 0, 0], [1, 0, 1], [0, 0, 1], [0, 1, 0], [0, 1, 0]], np.float64)
    alone = [[1, 0, 0], [0, 1, 0]] if swapped else [[0, 1, 0], [0, 0, 1]]
    return (a[[1, 0, 3, 2]] if swapped else a), g, np.array([[1, -1, 0], [0, 1, 0], [0, -1, 1], *alone], np.float64)


def _tiles(x: np.ndarray, size: int, step: int, down: int, across: int, top: int = 0, left: int = 0) -> np.ndarray:
    """Windows of size x size pixels, [N, down, across, C, size, size], with zeros outside the images."""
    x, top, left = x[:, max(-top, 0) :, max(-left, 0) :], max(top, 0), max(left, 0)
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


def convolution(
    x: np.ndarray, w: np.ndarray, pads: Pads, m: int, magnitudes: bool = False, stride: int = 1
) -> np.ndarray:
    """The algorithm in float64. With `magnitudes`, of |x| and |w| by matrices of magnitudes.

    That is what the intermediate results which go into an output add up to at most, so that rounding each of them once
    costs the output at most half an epsilon of it.
    """
    (top, bottom), (left, right) = pads
    P, Q = ((size - 3) // stride + 1 for size in (x.shape[1] + top + bottom, x.shape[2] + left + right))
    transforms = matrices(m) if stride == 1 else (STRIDED_A, STRIDED_G, STRIDED_B)
    return _from_tiles(x, w, transforms, m * stride, (top, left), (P, Q), magnitudes)


def _from_tiles(
    x: np.ndarray,
    w: np.ndarray,
    transforms: tuple[np.ndarray, np.ndarray, np.ndarray],
    step: int,
    before: tuple[int, int],
    size: tuple[int, int],
    magnitudes: bool,
) -> np.ndarray:
    """Outputs of `size` pixels, from tiles `step` inputs apart, the first `before` pixels outside the image."""
    a, g, b = transforms
    if magnitudes:
        x, w, a, g, b = (np.abs(array) for array in (x, w, a, g, b))
    m = a.shape[0]
    down, across = -(-size[0] // m), -(-size[1] // m)
    v = np.einsum("ri,sj,npqcij->rsnpqc", b, b, _tiles(x, b.shape[1], step, down, across, *before))
    u = np.einsum("ri,sj,ijck->rsck", g, g, w)
    products = np.einsum("rsnpqc,rsck->rsnpqk", v, u)
    y = np.einsum("ir,js,rsnpqk->npiqjk", a, a, products)
    return y.reshape(x.shape[0], m * down, m * across, w.shape[3])[:, : size[0], : size[1]]


def input_gradient(
    dy: np.ndarray, w: np.ndarray, pads: Pads, image: tuple[int, int], magnitudes: bool = False
) -> np.ndarray:
    """The gradient of the input of a convolution with stride 2, w [3, 3, C, K], likewise."""
    before = [-(side // 2) if side % 2 else 1 - side // 2 for side in (pads[0][0], pads[1][0])]
    transforms = gradient_matrices(pads[0][0] % 2 == 1)
    return _from_tiles(dy, turned(w), transforms, 2, (before[0], before[1]), image, magnitudes)


def weights_gradient(
    x: np.ndarray, dy: np.ndarray, pads: Pads, magnitudes: bool = False, stride: int = 1
) -> np.ndarray:
    """The gradient of the weights through tiles of 4 x 4 outputs, or 2 x 2 at stride 2, likewise."""
    a, g, b = matrices(4) if stride == 1 else (STRIDED_A, STRIDED_G, STRIDED_B)
    m, size = a.shape[0], b.shape[1]
    if magnitudes:
        x, dy, a, g, b = (np.abs(array) for array in (x, dy, a, g, b))
    down, across = -(-dy.shape[1] // m), -(-dy.shape[2] // m)
    v = np.einsum("ri,sj,npqcij->rsnpqc", b, b, _tiles(x, size, 4, down, across, pads[0][0], pads[1][0]))
    d = np.einsum("ir,js,npqkij->rsnpqk", a, a, _tiles(dy, m, m, down, across))
    return np.einsum("ri,sj,rsck->ijck", g, g, np.einsum("rsnpqc,rsnpqk->rsck", v, d))


# From an input to an output a number is rounded at most 4 times in each of the 2 passes of the 3 transforms (rounded
# constants included), once for each term and each chunk of the sum, and once with the bias: each time by at most half
# an epsilon. Whole epsilons have room for the products of these errors.
def roundings(terms: int) -> int:
    return 2 * 3 * 4 + terms + terms // 512 + 1


def error_bound(
    x: np.ndarray, w: np.ndarray, pads: Pads, m: int, epsilon: float, groups: int = 1, stride: int = 1
) -> np.ndarray:
    """What the error of every output is at most. At stride 2 a sum runs over four parts."""
    magnitudes = in_groups(convolution, x, w, groups, pads, m, True, stride)
    return roundings(w.shape[2] * stride**2) * epsilon * magnitudes


def input_gradient_error_bound(
    dy: np.ndarray, w: np.ndarray, pads: Pads, image: tuple[int, int], epsilon: float, groups: int = 1
) -> np.ndarray:
    """The same for the gradient of the input at stride 2."""
    magnitudes = in_groups(input_gradient, dy, w, groups, pads, image, True)
    return roundings(w.shape[3] // groups) * epsilon * magnitudes


def weights_gradient_error_bound(
    x: np.ndarray, dy: np.ndarray, pads: Pads, epsilon: float, groups: int = 1, stride: int = 1
) -> np.ndarray:
    """The same for the gradient of the weights, whose sums run over tiles."""
    m = 4 // stride
    tiles = dy.shape[0] * -(-dy.shape[1] // m) * -(-dy.shape[2] // m)
    return roundings(tiles) * epsilon * in_groups(weights_gradient, x, dy, groups, pads, True, stride)
