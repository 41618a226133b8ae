"""Initialisers: fans, moments, bounds, orthogonality and bits."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import tilegrad as tg
from tilegrad.nn import init

from .targets import AVAILABLE, running_on

DENSE, CONV = (300, 200), (3, 3, 40, 60)


def test_fans() -> None:
    assert init.fans((300, 200)) == (300, 200)
    assert init.fans((3, 5, 40, 60)) == (3 * 5 * 40, 3 * 5 * 60)
    assert init.fans([7, 4, 6]) == (28, 42)


# The standard deviation that each promises, for a fan-in and a fan-out; and how many of them an element may lie off.
SCALED: list[tuple[Callable[..., tg.Tensor], Callable[[int, int], float], float]] = [
    (init.xavier_uniform, lambda i, o: math.sqrt(2 / (i + o)), math.sqrt(3)),
    (init.xavier_normal, lambda i, o: math.sqrt(2 / (i + o)), 8),
    (init.he_truncated_normal, lambda i, o: math.sqrt(2 / i), 2 / 0.8796),
    (init.he_normal, lambda i, o: math.sqrt(2 / i), 8),
    (init.he_uniform, lambda i, o: math.sqrt(2 / i), math.sqrt(3)),
    (init.lecun_normal, lambda i, o: math.sqrt(1 / i), 8),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [DENSE, CONV])
@pytest.mark.parametrize(("make", "deviation", "furthest"), SCALED, ids=[make.__name__ for make, *_ in SCALED])
def test_moments(make: Any, deviation: Any, furthest: float, shape: tuple[int, ...], dtype: str) -> None:
    """Mean and variance within 4.5 of their standard errors, which for a normal distribution are the largest."""
    values = make(shape, dtype=dtype, generator=tg.Generator(12)).numpy().astype(np.float64).reshape(-1)
    expected = deviation(*init.fans(shape))
    assert abs(values.mean()) < 4.5 * expected / math.sqrt(values.size)
    assert abs(values.var() / expected**2 - 1) < 4.5 * math.sqrt(2 / values.size)
    assert np.abs(values).max() <= furthest * expected * (1 + 1e-4)
    assert np.unique(values).size > 0.9 * values.size


def test_fan_and_gain_may_be_given() -> None:
    def g() -> tg.Generator:
        return tg.Generator(1)

    wide = init.he_normal((10, 10), fan_in=40, generator=g()).numpy()
    assert np.allclose(wide * 2, init.he_normal((10, 10), generator=g()).numpy(), rtol=1e-6)
    assert np.allclose(init.he_normal((10, 10), gain=1.0, generator=g()).numpy(),
                       init.lecun_normal((10, 10), generator=g()).numpy())  # fmt: skip
    tripled = init.xavier_normal((10, 10), gain=3.0, generator=g()).numpy()
    assert np.allclose(tripled, 3 * init.xavier_normal((10, 10), generator=g()).numpy(), rtol=1e-6)
    assert init.he_uniform((5,), fan_in=3).shape == (5,)
    assert init.he_normal((0, 4)).shape == (0, 4)


def test_plain_ones() -> None:
    assert init.zeros((2, 1)).tolist() == [[0.0], [0.0]]
    assert init.ones(2, "float64").tolist() == [1.0, 1.0]
    assert init.constant(2, 7.0).tolist() == [7.0, 7.0]
    assert init.zeros(np.int64(2)).shape == init.ones(np.array([2])).shape == (2,)
    values = init.normal(50_000, std=0.5, mean=2.0, dtype="float64", generator=tg.Generator(0)).numpy()
    assert stats.kstest(values, stats.norm(2.0, 0.5).cdf).pvalue > 1e-3
    values = init.truncated_normal(50_000, std=0.5, dtype="float64", generator=tg.Generator(0)).numpy()
    assert stats.kstest(values, stats.truncnorm(-2, 2, scale=0.5).cdf).pvalue > 1e-3
    values = init.uniform(50_000, -1.0, 3.0, dtype="float64", generator=tg.Generator(0)).numpy()
    assert stats.kstest(values, stats.uniform(-1.0, 4.0).cdf).pvalue > 1e-3


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (17, 9), (9, 17), (3, 3, 2, 8), (2, 2, 2, 20)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    """The product with its own transpose is the identity, to rounding; the bits are everyone's."""
    expected: bytes | None = None
    for isa in AVAILABLE:
        for threads in (1, 3):
            with running_on(isa, threads):
                w = init.orthogonal(shape, gain=2.0, dtype="float64", generator=tg.Generator(3)).numpy()
            expected = expected or w.tobytes()
            assert w.tobytes() == expected
    matrix = w.reshape(-1, shape[-1]) / 2
    product = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    assert np.abs(product - np.eye(len(product))).max() < 1e-14 * max(matrix.shape)
    narrow = init.orthogonal(shape, gain=2.0, generator=tg.Generator(3)).numpy()
    assert narrow.tobytes() == w.astype(np.float32).tobytes()


def test_orthogonal_is_not_always_turned_the_same_way() -> None:
    signs = [init.orthogonal((1, 1), generator=tg.Generator(seed)).item() for seed in range(200)]
    assert set(signs) == {1.0, -1.0}
    assert 60 < signs.count(1.0) < 140


@pytest.mark.parametrize("make", [init.normal, init.truncated_normal, init.uniform])
def test_moments_of_plain_ones(make: Any) -> None:
    """Mean and variance within 4.5 of their standard errors; nothing beyond the bounds."""
    values = make((300, 200), dtype="float64", generator=tg.Generator(5)).numpy().reshape(-1)
    mean, variance, furthest = {
        init.normal: (0, 1, 8),
        init.truncated_normal: (0, stats.truncnorm(-2, 2).var(), 2),
        init.uniform: (0.5, 1 / 12, 1),
    }[make]
    assert abs(values.mean() - mean) < 4.5 * math.sqrt(variance / values.size)
    assert abs(values.var() / variance - 1) < 4.5 * math.sqrt(2 / values.size)
    assert np.abs(values).max() <= furthest


LAYERS: list[tuple[Callable[..., tg.nn.Module], tuple[int, ...], int]] = [
    (lambda **how: tg.nn.Linear(30, 20, **how), (30, 20), 20),
    (lambda **how: tg.nn.Linear(None, 20, **how).build((30,)), (30, 20), 20),
    (lambda **how: tg.nn.Conv2d(4, 6, 3, groups=2, **how), (3, 3, 2, 6), 6),
]


@pytest.mark.parametrize(("layer", "shape", "units"), LAYERS)
def test_layers_start_from_what_they_are_told(layer: Any, shape: tuple[int, ...], units: int) -> None:
    for name in ("xavier_uniform", "he_normal", "lecun_normal", "orthogonal", "zeros", "truncated_normal"):
        tg.manual_seed(3)
        found = layer(weight_init=name)
        tg.manual_seed(3)
        assert found.weight.detach().tolist() == getattr(init, name)(shape).tolist()
        assert found.bias.tolist() == [0.0] * units
    tg.manual_seed(3)
    found = layer(weight_init=("normal", {"std": 0.01}), bias_init=("constant", {"value": 0.5}))
    tg.manual_seed(3)
    assert found.weight.detach().tolist() == init.normal(shape, std=0.01).tolist()
    assert found.bias.tolist() == [0.5] * units
    mine = tg.ones(shape)
    found = layer(weight_init=lambda size: mine, bias_init="ones")
    assert found.weight.detach().tolist() == mine.tolist()
    assert found.weight.data_ptr() != mine.data_ptr()
    assert found.weight.requires_grad
    assert found.bias.tolist() == [1.0] * units


def test_a_layer_s_initialisers_are_saved(tmp_path: Path) -> None:
    model = tg.nn.Sequential(tg.nn.Linear(3, 2, weight_init=("normal", {"std": 0.1}), bias_init="ones"))
    tg.save(model, tmp_path / "m.safetensors")
    assert tg.load(tmp_path / "m.safetensors")[0].config().named == model[0].config().named


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: init.he_normal((5,)), tg.ShapeError,
         "init: a weight has at least two axes, [in, out], found [5]; pass fan_in and fan_out"),
        (lambda: init.orthogonal((5,)), tg.ShapeError,
         "init: a weight has at least two axes, [in, out], found [5]; pass fan_in and fan_out"),
        (lambda: init.he_normal((5, 5), fan_in=0), tg.ArgumentError, "init: fan_in must be positive, found 0"),
        (lambda: init.xavier_normal((5, 5), gain=-1), tg.ArgumentError,
         "init: gain must be finite and at least 0, found -1"),
        (lambda: init.orthogonal((5, 5), gain=float("nan")), tg.ArgumentError,
         "init: gain must be finite and at least 0, found nan"),
        (lambda: init.orthogonal((5, 5), dtype="int64"), tg.DTypeError,
         "init: dtype must be float32 or float64, found int64"),
        (lambda: tg.nn.Linear(2, 2, weight_init="glorot"), tg.ArgumentError,
         "Linear: weight_init must be one of constant, he_normal, he_truncated_normal, he_uniform, lecun_normal, "
         "normal, ones, orthogonal, truncated_normal, uniform, xavier_normal, xavier_uniform, zeros, such a name with "
         "options as in ('normal', {'std': 0.01}), or a function of the shape, found 'glorot'"),
        (lambda: tg.nn.Linear(2, 2, bias_init=("normal", {"sd": 1})), tg.ArgumentError,
         "the initialiser 'normal' cannot be called: normal() got an unexpected keyword argument 'sd'"),
        (lambda: tg.nn.Conv2d(2, 2, 3, weight_init=lambda shape: tg.zeros(2)), tg.ShapeError,
         "an initialiser must return a tensor of shape [3, 3, 2, 2], found [2]"),
        (lambda: tg.nn.Linear(2, 2, bias_init="he_normal"), tg.ShapeError,
         "init: a weight has at least two axes, [in, out], found [2]; pass fan_in and fan_out"),
        (lambda: init.normal((2, 2), std=-1), tg.ArgumentError, "normal: std must not be negative, found -1"),
        (lambda: init.zeros(2.0), tg.ShapeError,
         "init.zeros: shape must be an integer or a sequence of integers, found 2.0"),
        (lambda: init.ones(2, 3), tg.ShapeError,
         "init.ones: the sizes are one argument: write init.ones((2, 3, ...))"),
    ],
)  # fmt: skip
def test_bad_arguments(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message
