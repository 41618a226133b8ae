"""Activation layers: formulas, limits, parameters of their own, and what they refuse."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import integrate
from scipy.special import erf, expit, log_expit, log_softmax, softmax

import tilegrad as tg
from tilegrad import nn

LAYERS: list[tuple[nn.Module, Any]] = [
    (nn.ReLU(), lambda x: np.maximum(x, 0)),
    (nn.ReLU6(), lambda x: np.clip(x, 0, 6)),
    (nn.LeakyReLU(), lambda x: np.where(x > 0, x, 0.01 * x)),
    (nn.LeakyReLU(0.2), lambda x: np.where(x > 0, x, 0.2 * x)),
    (nn.LeakyReLU(negative_slope=-1.5), lambda x: np.where(x > 0, x, -1.5 * x)),
    (nn.PReLU(), lambda x: np.where(x > 0, x, 0.25 * x)),
    (nn.PReLU(5, init=0.5), lambda x: np.where(x > 0, x, 0.5 * x)),
    (nn.ELU(), lambda x: np.where(x > 0, x, np.expm1(x))),
    (nn.ELU(alpha=0.5), lambda x: np.where(x > 0, x, 0.5 * np.expm1(x))),
    (nn.SELU(), lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x))),
    (nn.Step(), lambda x: (x >= 0) * 1.0),
    (nn.Sigmoid(), expit),
    (nn.LogSigmoid(), log_expit),
    (nn.HardSigmoid(), lambda x: np.clip(x + 3, 0, 6) / 6),
    (nn.Hardswish(), lambda x: x * np.clip(x + 3, 0, 6) / 6),
    (nn.Tanh(), np.tanh),
    (nn.GELU(), lambda x: x * (1 + erf(x / math.sqrt(2))) / 2),
    (nn.GELU(approximate="tanh"), lambda x: x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2),
    (nn.SiLU(), lambda x: x * expit(x)),
    (nn.Mish(), lambda x: x * np.tanh(np.logaddexp(0, x))),
    (nn.Softplus(), lambda x: np.logaddexp(0, x)),
    (nn.Softmax(), lambda x: softmax(x, axis=-1)),
    (nn.Softmax(axis=0), lambda x: softmax(x, axis=0)),
    (nn.LogSoftmax(), lambda x: log_softmax(x, axis=-1)),
]


@pytest.mark.parametrize(("layer", "formula"), LAYERS, ids=lambda v: repr(v) if isinstance(v, nn.Module) else "")
def test_layers(layer: nn.Module, formula: Any, tmp_path: Path) -> None:
    x = (np.random.default_rng(0).normal(size=(4, 5)) * 3).astype(np.float32)
    found = layer(tg.tensor(x)).detach().numpy()
    expected = formula(x.astype(np.float64))
    # A few roundings of numbers of the size of x and of the result.
    np.testing.assert_allclose(found, expected, 1e-6, 2e-6)
    tg.save(layer, tmp_path / "layer.safetensors")
    loaded = tg.load(tmp_path / "layer.safetensors")
    assert repr(loaded) == repr(layer)
    assert np.array_equal(loaded(tg.tensor(x)).detach().numpy(), found)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_limits(dtype: str) -> None:
    """At infinity and at NaN, and nothing overflows on the way."""
    x = tg.tensor([math.inf, -math.inf, math.nan, 1e30, -1e30], dtype=dtype)

    def values(y: tg.Tensor) -> list[float]:
        assert math.isnan(y.tolist()[2])
        return [round(v, 6) for v in y.tolist() if not math.isnan(v)]

    big, limit = float(np.asarray(1e30, dtype)), round(-1.7580993408473766, 6)
    assert values(tg.step(x)) == [1, 0, 1, 0]
    assert values(tg.relu6(x)) == [6, 0, 6, 0]
    assert values(tg.elu(x, 2.0)) == [math.inf, -2, big, -2]
    assert values(tg.selu(x))[1::2] == [limit, limit]
    assert values(tg.hard_sigmoid(x)) == [1, 0, 1, 0]
    assert values(tg.hard_swish(x)) == [math.inf, 0, big, 0]
    assert values(tg.log_sigmoid(x)) == [0, -math.inf, 0, -big]
    assert values(tg.mish(x)) == [math.inf, big, 0]  # minus infinity gives NaN, as silu does
    for op in (tg.elu, tg.selu, tg.hard_sigmoid, tg.hard_swish, tg.log_sigmoid, tg.mish, tg.relu6, tg.leaky_relu):
        leaf = tg.tensor([1e30, 80.0, 21.5, 22.5, -80.0, -1e30, 0.0], dtype=dtype, requires_grad=True)
        op(leaf).backward(tg.ones(7, dtype))
        assert leaf.grad is not None
        assert np.isfinite(leaf.grad.numpy()).all(), op
        assert (np.abs(leaf.grad.numpy()) <= 1.8).all(), op


def test_selu_keeps_mean_and_variance() -> None:
    """Its constants solve the equations from which the paper has them: integrated here over the normal density."""

    def moment(power: int) -> float:
        def integrand(x: float) -> float:
            y = tg.selu(tg.tensor([x], dtype="float64")).item()
            return float(y**power * math.exp(-x * x / 2) / math.sqrt(2 * math.pi))

        return sum(float(integrate.quad(integrand, *ends, epsabs=1e-13)[0]) for ends in ((-12, 0), (0, 12)))

    assert abs(moment(1)) < 1e-12
    assert abs(moment(2) - 1) < 1e-12


def test_prelu_learns_its_slopes() -> None:
    layer = nn.PReLU(2)
    x = tg.tensor([[-1.0, -2.0], [3.0, -4.0]])
    layer(x).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.tolist() == [-1.0, -6.0]
    with pytest.raises(tg.ShapeError, match=r"PReLU: prelu: slope must be .* of x \[2, 3\], found \[2\]"):
        layer(tg.zeros((2, 3)))


def test_maxout_is_the_largest_of_its_linear_pieces() -> None:
    rng = np.random.default_rng(0)
    layer, x = nn.Maxout(3, 4, pieces=5), rng.normal(size=(2, 7, 3)).astype(np.float32)
    weight, bias = rng.normal(size=(3, 20)).astype(np.float32), rng.normal(size=20).astype(np.float32)
    layer.load_state_dict({"weight": weight, "bias": bias})
    expected = (x.astype(np.float64) @ weight + bias).reshape(2, 7, 4, 5).max(-1)
    np.testing.assert_allclose(layer(tg.tensor(x)).detach().numpy(), expected, 1e-6, 1e-5)
    inferred = nn.Sequential(nn.Maxout(None, 4, 3, bias=False)).build((6,))
    assert repr(inferred[0]) == "Maxout(6, 4, 3, bias=False)"
    assert inferred[0].weight.shape == (6, 12)
    assert inferred.summary((6,)).total == 72


def test_an_absolute_value_is_a_maxout_of_two_pieces() -> None:
    layer = nn.Maxout(1, 1, bias=False)
    layer.load_state_dict({"weight": np.float32([[1, -1]])})
    assert layer(tg.tensor([[-2.0], [3.0]])).tolist() == [[2.0], [3.0]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.LeakyReLU("x"), "LeakyReLU: negative_slope must be a finite number, found 'x'"),  # type: ignore[arg-type]
        (lambda: nn.LeakyReLU(math.inf), "LeakyReLU: negative_slope must be a finite number, found inf"),
        (lambda: nn.ELU(math.nan), "ELU: alpha must be a finite number, found nan"),
        (lambda: nn.GELU("fast"), "GELU: approximate must be .* found 'fast'"),
        (lambda: nn.PReLU(0), "PReLU: num_parameters must be a positive integer, found 0"),
        (lambda: nn.PReLU(init=math.nan), "PReLU: init must be a finite number, found nan"),
        (lambda: nn.Maxout(3), "Maxout: out_features must be a positive integer, found None"),
        (lambda: nn.Maxout(3, 4, 0), "Maxout: pieces must be a positive integer, found 0"),
    ],
)
def test_bad_arguments(make: Any, message: str) -> None:
    with pytest.raises(tg.ArgumentError, match=message):
        make()
