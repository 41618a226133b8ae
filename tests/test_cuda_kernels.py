"""GPU kernels whose results are the CPU's to the bit: draws, steps of optimizers, augmentation; and sums in pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import _C, optim

from .targets import NEEDS_GPU

pytestmark = NEEDS_GPU
SIZES = [0, 1, 15, 16, 17, 63, 64, 65, 129, 1000]


def on_both(run: Callable[[str], list[Any]]) -> None:
    for here, there in zip(run("cpu"), run("cuda"), strict=True):
        np.testing.assert_array_equal(here.cpu().numpy(), there.cpu().numpy())


@pytest.mark.parametrize("size", SIZES)
def test_draws(size: int) -> None:
    def run(device: str) -> list[Any]:
        generator = tg.Generator(5, stream=2**40)
        drawn = [_C.permutation(size, generator._state_on(device)), _C.permutation(size, generator._state_on(device))]
        for dtype in (_C.float32, _C.float64):
            x = _C.full((size,), 1.5, dtype, device)
            drawn += _C.dropout(x, 0.3, generator._state_on(device))
            _C.truncated_normal_(x, generator._state_on(device), 0.5, 2.0)
            drawn.append(x)
        whole = _C.empty((size,), _C.int64, device)
        _C.randint_(whole, generator._state_on(device), -5, 2**40)
        return [*drawn, whole]

    on_both(run)


def many_parameters(device: str, dtype: str, count: int) -> list[Any]:
    rng = np.random.default_rng(3)
    parameters = []
    for k in range(count):
        shape = [(3,), (), (33, 17), (2049,), (0,), (4096,)][k % 6]
        x = tg.tensor(rng.standard_normal(shape), dtype=dtype, device=device).requires_grad_()
        x.grad = tg.tensor(rng.standard_normal(shape), dtype=dtype, device=device)
        parameters.append(x)
    return parameters


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("count", [1, 6, 700])  # the last is more than one launch has room for
def test_optimizers(dtype: str, count: int) -> None:
    kinds: list[Callable[[Any], Any]] = [
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda p: optim.Adam(p, lr=0.01, amsgrad=True),
        lambda p: optim.NAdam(p, lr=0.01),
        lambda p: optim.RMSprop(p, lr=0.01, centered=True),
    ]
    for kind in kinds[: 4 if count < 100 else 2]:

        def run(device: str, kind: Callable[[Any], Any] = kind) -> list[Any]:
            parameters = many_parameters(device, dtype, count)
            optimizer = kind(parameters)
            for _ in range(3):
                optimizer.step()
            return [parameter.detach() for parameter in parameters]

        on_both(run)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clipping_by_the_norm(dtype: str) -> None:
    here, there = many_parameters("cpu", dtype, 12), many_parameters("cuda", dtype, 12)
    norms = [optim.clip_grad_norm_(parameters, 1.0).item() for parameters in (here, there)]
    assert norms[1] == pytest.approx(norms[0], rel=1e-14)
    for a, b in zip(here, there, strict=True):
        np.testing.assert_allclose(b.grad.cpu().numpy(), a.grad.numpy(), rtol=4 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
@pytest.mark.parametrize(("places", "count"), [(1, 31), (1, 33), (1, 1000), (5, 65), (50, 500)])
def test_many_values_for_one_place(dtype: str, places: int, count: int) -> None:
    rng = np.random.default_rng(count)
    index = rng.integers(0, places, count)
    values = rng.integers(-8, 9, (count, 3)).astype(dtype)  # sums of whole numbers are exact
    expected = np.zeros((places, 3), dtype)
    np.add.at(expected, index, values)
    y = tg.zeros((places, 3), dtype=dtype, device="cuda")
    _C.scatter_add("scatter_add", y, [tg.tensor(index, device="cuda"), None], False, tg.tensor(values, device="cuda"))
    np.testing.assert_array_equal(y.cpu().numpy(), expected)


@pytest.mark.parametrize("rank", [1, 2, 5, 6, 7, 9])
@pytest.mark.parametrize("dtype", ["float32", "uint8", "int64"])
def test_elements_of_high_rank(rank: int, dtype: str) -> None:
    """Axes in reverse, of which no two are one loop; from the seventh on there is more than one launch."""
    shape = ([2, 3] * 5)[:rank]
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)

    def run(device: str) -> list[Any]:
        x = tg.tensor(values, device=device)
        turned = x.transpose(*reversed(range(rank)))
        other = tg.tensor(values.T.copy(), device=device)
        # One element for all along every axis but the first.
        row = other[tuple([slice(None)] + [slice(1)] * (rank - 1))]
        return [turned + other, turned > row, tg.where(turned == other, turned, row), turned.astype("float64")]

    on_both(run)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int64", "uint8"])
@pytest.mark.parametrize("width", [1, 4, 6, 8, 48])  # whole vectors of some types, of all, and of none
def test_elements_beside_rows_and_columns(width: int, dtype: str) -> None:
    values = np.random.default_rng(width).integers(0, 9, (70, 3, width + 4))

    def run(device: str) -> list[Any]:
        own = "float32" if (device, dtype) == ("cpu", "bfloat16") else dtype  # exact in both
        all_of = tg.tensor(values, dtype=own, device=device)
        x = all_of[:, :, :width].contiguous()
        views = [all_of[:, :, :width], all_of[:, :, 1 : width + 1], all_of[:, :1, 4:], x[::-1], x.transpose(1, 0, 2)]
        rows, columns = x[0, 0], x[:, :, :1]
        found = [f for a in (x, *views) for f in (a + rows[:width], rows[:width] * a, a[..., :1] + rows, a < rows)]
        found += [x + columns, columns * x, x + columns[:1], x[:, :1] + columns, tg.where(x > columns, rows, x)]
        found += [a.astype(to) for a in views[:3] for to in ("float32", "int64")]
        x += rows
        return [y if y.dtype != "bfloat16" else y.astype("float32") for y in (*found, x)]

    on_both(run)


@pytest.mark.parametrize("images", ["uint8", "float32"])
@pytest.mark.parametrize("mixed", [False, True])
def test_augmentation(images: str, mixed: bool) -> None:
    rng = np.random.default_rng(8)
    x = rng.integers(0, 256, (5, 11, 9, 3)).astype(images)
    rows, samples, key = rng.integers(0, 5, 7), rng.integers(0, 10**9, 7), np.array([12, 3])
    scales = rng.standard_normal((1, 2, 3)).astype(np.float32)
    partners, shares = rng.integers(0, 7, 7), rng.random(7).astype(np.float32)
    # kind, border, nearest, fill, number, probability, rows, columns, values: csrc/params/augment.h
    steps = [
        (0, 3, False, 0.0, 0, 1.0, 10, 8, [-2.0, 2.0, -1.0, 3.0]),
        (1, 0, False, 0.0, 1, 0.5, 10, 8, [1.0]),
        (2, 1, False, 9.0, 2, 0.8, 10, 8, [-30.0, 30.0, -2.0, 2.0, -1.0, 1.0, 0.8, 1.3, -10.0, 10.0, -5.0, 5.0]),
        (4, 2, False, 0.0, 3, 1.0, 12, 20, [0.1, 1.0, 0.5, 2.0]),
        (6, 0, False, 0.0, 4, 1.0, 12, 20, [0.5, 1.5, 0.6, 1.4, 0.2, 1.8, -0.3, 0.3, 255.0]),
        (5, 0, False, 0.0, 5, 1.0, 12, 20, [0.0]),
        (7, 0, False, 0.0, 6, 1.0, 12, 20, [3.0, 4.0, 5.0, 7.5]),
    ]

    def run(device: str) -> list[Any]:
        def put(array: Any) -> Any:
            return tg.tensor(array, device=device)

        others = (put(partners), put(shares)) if mixed else (None, None)
        return [_C.augment(put(x), put(rows), put(samples), put(key), put(scales), *others, steps)]

    on_both(run)


def test_rows_out_of_range_are_not_read() -> None:
    def put(values: list[int]) -> Any:
        return tg.tensor(values, device="cuda")

    x = tg.ones((2, 3, 3, 1), dtype="uint8", device="cuda")
    y = _C.augment(x, put([0, 7]), put([0, 1]), put([1, 2]), None, None, None, [])
    with pytest.raises(IndexError, match=r"rows\[1\] is 7, expected a number from 0 to 1"):
        y.tolist()
    assert tg.ones(2, device="cuda").tolist() == [1.0, 1.0]
