"""Pooling beyond the table: special values, ties, wide windows and batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tilegrad as tg

from .targets import AVAILABLE, THREADS, running_on


def pooled(values: list[float], *args: Any, **kwargs: Any) -> tuple[np.ndarray, np.ndarray]:
    """Max pooling over a row of pixels, with the gradient of the sum of the results."""
    x = tg.tensor(np.array(values, np.float32).reshape(1, 1, -1, 1), requires_grad=True)
    y = tg.max_pool2d(x, *args, **kwargs)
    y.backward(tg.ones(y.shape))
    assert x.grad is not None
    return y.detach().numpy().reshape(-1), x.grad.numpy().reshape(-1)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("isa", AVAILABLE)
@pytest.mark.parametrize(
    ("values", "best", "gradient"),
    [
        ([1, 1, 1], 1, [1, 0, 0]),  # ties take the first
        ([0.0, -0.0, 0.0], 0, [1, 0, 0]),
        ([1, NAN, INF], NAN, [0, 1, 0]),  # NaN is more than any number
        ([NAN, 1, NAN], NAN, [1, 0, 0]),  # and the first NaN wins
        ([-INF, -INF, -INF], -INF, [1, 0, 0]),
        ([-INF, -3, -INF], -3, [0, 1, 0]),
    ],
)
def test_max_of_special_values(isa: str, values: list[float], best: float, gradient: list[float]) -> None:
    with running_on(isa):
        y, dx = pooled(values, (1, 3))
    assert np.array_equal(y, np.array([best], np.float32), equal_nan=True)
    assert dx.tolist() == gradient


def test_padding_never_wins() -> None:
    y, dx = pooled([-5, -4], (1, 3), (1, 3), ((0, 0), (1, 0)))
    assert y.tolist() == [-4]
    assert dx.tolist() == [0, 1]


def test_gradients_of_overlapping_windows_add_up() -> None:
    _, dx = pooled([1, 9, 2, 3], (1, 2), (1, 1))
    assert dx.tolist() == [0, 2, 0, 1]


@pytest.mark.parametrize("isa", AVAILABLE)
def test_windows_of_more_than_256_taps(isa: str) -> None:
    """Their taps need a wider index; the gradient arrives at the one that won."""
    x = np.zeros((1, 20, 20, 3), np.float32)
    x[0, 19, 18, 0], x[0, 0, 5, 1], x[0, 13, 1, 2] = 1, 2, 3
    with running_on(isa):
        tensor = tg.tensor(x, requires_grad=True)
        y = tg.max_pool2d(tensor, 20)
        y.backward(tg.ones(y.shape))
    assert y.detach().numpy().reshape(-1).tolist() == [1, 2, 3]
    assert tensor.grad is not None
    assert np.array_equal(tensor.grad.numpy(), (x > 0).astype(np.float32))


@pytest.mark.parametrize("pool", [tg.max_pool2d, tg.avg_pool2d])
def test_a_sample_does_not_see_its_batch(pool: Any) -> None:
    images = np.random.default_rng(0).normal(size=(256, 7, 6, 5)).astype(np.float32)
    everything = pool(tg.tensor(images), 3, 2, 1).numpy()
    for i, j in ((3, 10), (0, 1), (255, 256)):
        assert pool(tg.tensor(images[i:j]), 3, 2, 1).numpy().tobytes() == everything[i:j].tobytes()


def test_average_does_not_count_padding() -> None:
    y = tg.avg_pool2d(tg.ones((1, 3, 3, 1)), 3, 1, "same")
    assert np.array_equal(y.numpy(), np.ones((1, 3, 3, 1), np.float32))


@pytest.mark.parametrize("isa", AVAILABLE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("C", range(1, 10))
def test_gradients_of_few_channels(C: int, dtype: type, isa: str) -> None:
    """Pairs of columns, side by side: several windows a vector, rows and columns that no window covers, any team."""
    rng = np.random.default_rng(C)
    for N, H, W, rows in [(1, 2, 2, 2), (2, 5, 7, 2), (3, 6, 18, 3), (1, 4, 33, 1), (2, 9, 8, 4)]:
        P, Q = H // rows, W // 2
        images = rng.normal(size=(N, H, W, C)).astype(dtype)
        dy = rng.normal(size=(N, P, Q, C)).astype(dtype)
        windows = images[:, : P * rows, : Q * 2].reshape(N, P, rows, Q, 2, C)
        spread = dy[:, :, None, :, None]
        expected = {
            tg.max_pool2d: np.where(windows == windows.max(axis=(2, 4), keepdims=True), spread, dtype(0)),
            tg.avg_pool2d: np.broadcast_to(spread / dtype(2 * rows), windows.shape),
        }
        for pool, covered in expected.items():
            dx = np.zeros_like(images)
            dx[:, : P * rows, : Q * 2] = covered.reshape(N, P * rows, Q * 2, C)
            for threads in THREADS:
                with running_on(isa, threads):
                    x = tg.tensor(images, requires_grad=True)
                    pool(x, (rows, 2)).backward(tg.tensor(dy))
                assert x.grad is not None
                assert np.array_equal(x.grad.numpy(), dx), (pool.__name__, N, H, W, rows, threads)
