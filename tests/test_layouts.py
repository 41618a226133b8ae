"""Kernels that go another way for some layouts, lengths or values: the results are those of the plain way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import tilegrad as tg


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8", "bool", "float16"])
@pytest.mark.parametrize("shape", [(1, 40), (16, 16), (33, 65), (100, 37), (3, 70, 41), (2, 5, 33, 18)])
def test_transposed_copies(shape: tuple[int, ...], dtype: str) -> None:
    x = (np.random.default_rng(0).normal(size=shape) * 100).astype("int32").astype(dtype)
    tensor = tg.tensor(x)
    for axes in [
        tuple(reversed(range(x.ndim))),
        (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2),
        (x.ndim - 1, *range(x.ndim - 1)),
    ]:
        np.testing.assert_array_equal(tg.copy(tg.permute(tensor, axes)).numpy(), x.transpose(axes))
    window = tg.permute(tensor[..., 1:], tuple(reversed(range(x.ndim))))
    np.testing.assert_array_equal(tg.copy(window).numpy(), x[..., 1:].T)


@pytest.mark.parametrize("shape", [(200, 200), (3, 150, 150)])
def test_operands_that_lie_across(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
    axes = (*range(len(shape) - 2), len(shape) - 1, len(shape) - 2)
    across = tg.permute(tg.tensor(y), axes)
    np.testing.assert_array_equal((tg.tensor(x) + across).numpy(), x + y.transpose(axes))
    np.testing.assert_array_equal((across * tg.tensor(x)).numpy(), x * y.transpose(axes))
    np.testing.assert_array_equal((across - across).numpy(), np.zeros_like(x))
    np.testing.assert_array_equal((across < tg.tensor(x)).numpy(), y.transpose(axes) < x)


@pytest.mark.parametrize("step", [-3, -2, -1, 2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_strided_operands(dtype: str, step: int) -> None:
    x = np.arange(1, 1 + 5 * 701).reshape(5, 701).astype(dtype)
    seen = tg.tensor(x)[:, ::step]
    np.testing.assert_array_equal(tg.copy(seen).numpy(), x[:, ::step])
    np.testing.assert_array_equal((seen + seen).numpy(), x[:, ::step] + x[:, ::step])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "bool"])
@pytest.mark.parametrize("shape", [(5, 3), (300, 4), (40, 65), (7, 200)])
def test_running_sums_of_rows_and_columns(shape: tuple[int, int], dtype: str) -> None:
    x = tg.tensor((np.random.default_rng(0).normal(size=shape) * 10).astype(dtype))
    turned = tg.copy(tg.permute(x, (1, 0)))
    np.testing.assert_array_equal(tg.cumsum(x, 0).numpy(), tg.cumsum(turned, 1).numpy().T)
    if dtype.startswith("float"):
        y, z = (tg.tensor(t.numpy(), requires_grad=True) for t in (x, turned))
        weight = tg.tensor(np.random.default_rng(1).normal(size=shape).astype(dtype))
        tg.sum(tg.cumsum(y, 0) * weight).backward()
        tg.sum(tg.cumsum(z, 1) * tg.permute(weight, (1, 0))).backward()
        np.testing.assert_array_equal(y.grad.numpy(), z.grad.numpy().T)


@pytest.mark.parametrize("k", [-400, -70, -1, 0, 1, 37, 400])
@pytest.mark.parametrize("shape", [(1, 1), (70, 30), (30, 70), (2, 40, 300)])
def test_triangles(shape: tuple[int, ...], k: int) -> None:
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    np.testing.assert_array_equal(tg.tril(tg.tensor(x), k).numpy(), np.tril(x, k))
    np.testing.assert_array_equal(tg.triu(tg.tensor(x), k).numpy(), np.triu(x, k))


@pytest.mark.parametrize("op", [tg.remainder, tg.floor_divide])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_divisions_do_not_depend_on_their_neighbours(dtype: str, op: Callable[..., tg.Tensor]) -> None:
    rng = np.random.default_rng(0)
    simple = rng.normal(size=(2, 4096)).astype(dtype)
    a, b = simple.copy()
    a[::3], b[::3] = np.round(a[::3] * 8), np.round(b[::3] * 8)  # exact quotients, and zeros
    b[b == 0] = 1
    alone = op(tg.tensor(a), tg.tensor(b)).numpy()
    # With a quotient that takes many steps in every block, or none.
    hard_a, hard_b = a.copy(), b.copy()
    hard_a[100::256], hard_b[100::256] = 1e30, 3e-3
    hard_a[101::256], hard_b[101::256] = -np.inf, 1
    hard_a[102::256], hard_b[102::256] = 5, 0
    hard_a[103::256], hard_b[103::256] = -5, np.inf
    found = op(tg.tensor(hard_a), tg.tensor(hard_b)).numpy()
    plain = np.ones(4096, bool)
    for k in range(100, 104):
        plain[k::256] = False
    np.testing.assert_array_equal(found[plain].view(f"u{a.itemsize}"), alone[plain].view(f"u{a.itemsize}"))
    with np.errstate(all="ignore"):
        expected = (np.remainder if op is tg.remainder else np.floor_divide)(hard_a, hard_b)
    checked = slice(None) if op is tg.remainder else plain  # NumPy's -inf // 1 is NaN
    np.testing.assert_array_equal(found[checked], expected[checked])
    in_place = tg.tensor(a)
    in_place %= tg.tensor(b)
    np.testing.assert_array_equal(in_place.numpy(), tg.remainder(tg.tensor(a), tg.tensor(b)).numpy())


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_small_whole_powers_are_products(dtype: str) -> None:
    x = np.array([-3, -1, 0, 2, 5], dtype)
    tensor = tg.tensor(x, requires_grad=dtype == "float32")
    np.testing.assert_array_equal((tensor**2).numpy(), x * x)
    cube = tensor**3
    np.testing.assert_array_equal(cube.numpy(), x * x * x)
    if dtype == "float32":
        tg.sum(cube).backward()
        np.testing.assert_array_equal(tensor.grad.numpy(), 3 * x * x)
