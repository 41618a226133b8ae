"""Sorts of rows of any length, and the first few of them."""

from __future__ import annotations

import numpy as np
import pytest

import tilegrad as tg

from .targets import ISAS, THREADS, running_on

SPECIAL = [np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40, 1.0, -1.0, 3e38, -3e38]
# By insertion up to 16, by the network up to 256 (one byte), 4096 (with places) and 8192 (without), then in buckets.
LENGTHS = [1, 2, 16, 17, 31, 32, 33, 100, 256, 257, 4096, 4097, 8192, 8193, 70_000]


def rows_of(dtype: str, length: int) -> np.ndarray:
    """Two rows with many equal elements, and one of all kinds."""
    rng = np.random.default_rng(length)
    if dtype == "bool":
        return rng.random((3, length)) < 0.5
    if dtype == "uint8":
        return rng.integers(0, 256, (3, length)).astype(dtype)
    if dtype.startswith("int"):
        limits = np.iinfo(dtype)
        few = rng.integers(-3, 4, (2, length))
        return np.concatenate([few, rng.integers(limits.min, limits.max, (1, length), endpoint=True)]).astype(dtype)
    special = rng.choice(SPECIAL, (1, length))
    wide = rng.normal(size=(1, length)) * 10.0 ** rng.integers(-30, 30, (1, length))
    return np.concatenate([special, rng.integers(-3, 4, (1, length)), wide]).astype(dtype)


def stable_order(x: np.ndarray, descending: bool) -> np.ndarray:
    """Places of the sorted elements; all NaNs are equal and the largest."""
    places = np.empty(x.shape, np.int64)
    for row, values in enumerate(x):
        _, ranks = np.unique(values, return_inverse=True)  # (equal NaNs, and zeros, are one)
        places[row] = np.argsort(-ranks if descending else ranks, kind="stable")
    return places


def bits(x: np.ndarray) -> np.ndarray:
    return x.view(f"u{x.dtype.itemsize}") if x.dtype.kind == "f" else x


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8", "bool"])
@pytest.mark.parametrize("length", LENGTHS)
def test_sorts_are_stable(length: int, dtype: str, descending: bool) -> None:
    x = rows_of(dtype, length)
    order = stable_order(x, descending)
    expected = np.take_along_axis(x, order, 1)
    np.testing.assert_array_equal(tg.argsort(tg.tensor(x), 1, descending).numpy(), order)
    # The elements themselves come back, to the sign of a zero.
    np.testing.assert_array_equal(bits(tg.sort(tg.tensor(x), 1, descending).numpy()), bits(expected))
    columns = tg.permute(tg.tensor(np.ascontiguousarray(x.T)), (1, 0))
    np.testing.assert_array_equal(tg.argsort(columns, 1, descending).numpy(), order)
    for k in {0, 1, 5, 64, 65, length} - {k for k in (5, 64, 65) if k > length}:
        values, indices = tg.topk(tg.tensor(x), k, largest=descending)
        np.testing.assert_array_equal(indices.numpy(), order[:, :k])
        np.testing.assert_array_equal(bits(values.numpy()), bits(np.ascontiguousarray(expected[:, :k])))


def test_topk_along_another_axis() -> None:
    x = np.random.default_rng(0).normal(size=(50, 3, 4)).astype(np.float32)
    values, indices = tg.topk(tg.tensor(x), 7, axis=0, largest=False)
    order = np.argsort(x, 0, kind="stable")[:7]
    np.testing.assert_array_equal(indices.numpy(), order)
    np.testing.assert_array_equal(values.numpy(), np.take_along_axis(x, order, 0))


@pytest.mark.parametrize("length", [1000, 5000, 70_000])
def test_bits_that_do_not_fit_a_word(length: int) -> None:
    """Places take a part of a word: keys that differ below what is left are sorted in another round."""
    rng = np.random.default_rng(length)
    close = 1 + rng.integers(0, 2000, (2, length)) * np.finfo(np.float64).eps
    close[0, ::3] = -close[0, ::3]
    close[1, 5] = 1e300
    x = np.concatenate([close, np.where(rng.random((1, length)) < 0.5, 1.0, -1.0), np.full((1, length), np.nan)])
    order = stable_order(x, False)
    np.testing.assert_array_equal(tg.argsort(tg.tensor(x)).numpy(), order)
    np.testing.assert_array_equal(tg.sort(tg.tensor(x)).numpy(), np.take_along_axis(x, order, 1))


def sorted_bytes(x: tg.Tensor) -> list[bytes]:
    results = [order(x, descending=down) for order in (tg.sort, tg.argsort) for down in (False, True)]
    rows = [result for row in range(x.shape[0]) for result in (*tg.topk(x[row], x.shape[1]), tg.sort(x[row]))]
    return [result.numpy().tobytes() for result in (*results, *rows)]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8", "bool"])
@pytest.mark.parametrize("isa", ISAS)
def test_a_team_sorts_as_one_thread_does(isa: str, dtype: str) -> None:
    for length in (300, 5000, 40_003):
        x = tg.tensor(rows_of(dtype, length))
        expected = sorted_bytes(x)
        for threads in THREADS:
            with running_on(isa, threads):
                assert sorted_bytes(x) == expected
