"""What tg.inspect measures of arrays, of layers while they compute, and of runs from their history."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn
from tilegrad.inspect.activity import Activity, activation_kind
from tilegrad.inspect.statistics import ActivationStatistics, dead_units, norm, saturated_units


@pytest.mark.parametrize("size", [1, 2, 31, 1000, 2048])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_histograms_are_numpys(size: int, dtype: Any) -> None:
    values = np.random.default_rng(size).normal(size=size).astype(dtype)
    found = tg.inspect.histogram(values)
    wide = values.astype(np.float64)
    counts, edges = np.histogram(wide, bins=32, range=(wide.min(), wide.max() + (size == 1)))
    assert (found.low, found.high) == (values.min(), values.max())
    assert sum(found.counts) == size
    # A value on the bound of two bins may be in either: it is rounded once here and once there.
    assert np.abs(np.cumsum(found.counts) - np.cumsum(counts)).max() <= 1
    if size > 1:
        np.testing.assert_allclose(found.edges, edges, rtol=1e-12, atol=1e-12)


def test_histograms_of_many_values_are_of_some() -> None:
    values = np.random.default_rng(0).normal(size=(100, 40, 32)).astype(np.float32)
    found = tg.inspect.histogram(values)
    assert 1000 < sum(found.counts) <= 2048
    whole, _ = np.histogram(values, found.edges)
    shares, expected = np.array(found.counts) / sum(found.counts), whole / values.size
    assert np.abs(shares - expected).max() < 4 * 0.5 / math.sqrt(sum(found.counts))  # four standard errors
    channels = np.broadcast_to(np.arange(32, dtype=np.float32), (100, 40, 32))
    assert min(tg.inspect.histogram(np.ascontiguousarray(channels)).counts) > 0  # all channels are among them


def test_histograms_of_odd_values() -> None:
    found = tg.inspect.histogram(np.float32([np.nan, 1, 3, np.inf, -np.inf, 2]), bins=2)
    assert (found.low, found.high, found.counts, found.not_finite) == (1, 3, [1, 2], 3)
    assert sum(tg.inspect.histogram(np.zeros((0, 4), np.float32)).counts) == 0
    assert tg.inspect.histogram(np.full(5, 7.0)).counts[0] == 5
    assert tg.inspect.histogram(np.float32([np.nan])).not_finite == 1
    assert sum(tg.inspect.histogram(np.float64([-1.7e308, 0, 1.7e308])).counts) == 3
    assert sum(tg.inspect.histogram(np.float64([0, 5e-324])).counts) == 2


@pytest.mark.parametrize("options", [{"bins": 0}, {"most": 0}, {"bins": 2.5}])
def test_histograms_have_bins_and_values(options: dict[str, Any]) -> None:
    with pytest.raises(tg.ArgumentError, match=f"{next(iter(options))} must be a positive integer"):
        tg.inspect.histogram(np.ones(3), **options)


def test_norms() -> None:
    values = np.random.default_rng(0).normal(size=(30, 7)).astype(np.float32)
    assert norm(values) == pytest.approx(np.linalg.norm(values.astype(np.float64)), rel=210 * 2**-24)
    assert norm(np.float32([3e30, 4e30])) == pytest.approx(5e30, rel=1e-6)  # the square overflows float32
    assert math.isnan(norm(np.float32([1, np.nan])))
    assert norm(np.float32([np.inf])) == math.inf
    assert norm(np.zeros((0,), np.float32)) == 0


def test_dead_and_saturated_units() -> None:
    outputs = np.float32([[0, 1, 0], [0, 0, 0], [0, 2, 1e-9]])
    assert dead_units(outputs).tolist() == [True, False, False]
    assert dead_units(outputs.reshape(1, 3, 1, 3)).tolist() == [True, False, False]
    z = np.random.default_rng(0).normal(size=(200, 30)) * np.linspace(0.1, 20, 30)
    for kind, y, dz in (("tanh", np.tanh, 1e-6), ("sigmoid", lambda z: 1 / (1 + np.exp(-z)), 1e-6)):
        slopes = (y(z + dz) - y(z - dz)) / (2 * dz) / ((y(dz) - y(-dz)) / (2 * dz))  # by differences, of the steepest
        found = saturated_units(y(z), kind)
        assert np.array_equal(found, slopes.mean(axis=0) < 0.1)
        assert 3 < found.sum() < 27
        assert np.array_equal(saturated_units(y(z).reshape(10, 4, 5, 30), kind), found)
    assert not dead_units(np.zeros((0, 3))).any()
    assert not saturated_units(np.zeros((0, 3)), "tanh").any()


def test_statistics_of_outputs() -> None:
    outputs = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    found = ActivationStatistics.of("", outputs)
    assert found.mean == pytest.approx(outputs.mean(), abs=1e-6)
    assert found.std == pytest.approx(outputs.std(), rel=1e-5)
    assert (found.dead, found.saturated) == (None, None)
    relu = ActivationStatistics.of("relu", np.maximum(outputs, 0) * (np.arange(8) < 6))
    assert (relu.dead, relu.saturated) == (0.25, None)
    tanh = ActivationStatistics.of("tanh", np.tanh(outputs * np.where(np.arange(8) < 2, 1e4, 0.1)))
    assert (tanh.dead, tanh.saturated) == (None, 0.25)


class Block(nn.Module):
    def __init__(self) -> None:
        self.first, self.second = (
            nn.Conv2d(2, 4, 3, padding="same"),
            nn.Conv2d(4, 4, 3, padding="same", activation="relu"),
        )

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return tg.relu(self.second(tg.relu(self.first(x))))


class Net(nn.Module):
    def __init__(self) -> None:
        self.block, self.flatten, self.head = Block(), nn.Flatten(), nn.Sequential(nn.Linear(36, 5), nn.Tanh())

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return tg.sigmoid(self.head(self.flatten(self.block(x))))


def test_activity_sees_layers_and_functions() -> None:
    model, seen = Net(), []
    x = tg.randn((3, 3, 3, 2))
    with Activity(model, lambda name, kind, output: seen.append((name, kind, output.shape))):
        y = model(x)
    images, rows = (3, 3, 3, 4), (3, 5)
    assert seen == [
        ("block.first", "", images), ("block.relu", "relu", images), ("block.second", "relu", images),
        ("block.relu#1", "relu", images), ("head.0", "", rows), ("head.1", "tanh", rows), ("sigmoid", "sigmoid", rows),
    ]  # fmt: skip
    assert not any(layer._hooks or layer._pre_hooks for layer in model.modules())
    count = len(seen)
    assert np.array_equal(model(x).numpy(), y.numpy())
    assert len(seen) == count


def test_activity_after_an_error() -> None:
    model, seen = nn.Sequential(nn.Linear(2, 3), nn.ReLU()), []
    with Activity(model, lambda name, kind, output: seen.append(name)):
        with pytest.raises(tg.ShapeError):
            model(tg.zeros((1, 5)))
        model(tg.zeros((1, 2)))
    assert seen == ["0", "1"]
    layer = nn.Linear(2, 3, activation="sigmoid")
    with Activity(layer, lambda name, kind, output: seen.append((name, kind))):
        layer(tg.zeros((1, 2)))
    assert seen[2:] == [("Linear", "sigmoid")]
    assert [activation_kind(m) for m in (nn.ReLU6(), nn.GELU(), nn.Linear(1, 1))] == ["relu", "", ""]


def test_overfitting_is_found_where_it_begins() -> None:
    epochs = np.arange(20)
    loss = 2.0 * 0.8**epochs
    turned = np.where(epochs < 8, 2.0 - 0.15 * epochs, 0.95 + 0.06 * (epochs - 8))
    found = tg.inspect.overfitting({"loss": loss.tolist(), "val_loss": turned.tolist()})
    assert found is not None
    assert found.epoch == np.argmin(turned)
    assert found.best == turned.min()
    assert found.last == np.median(turned[-3:])
    assert found.given_back == pytest.approx((found.last - found.best) / (turned[0] - found.best))
    noise = np.random.default_rng(0).normal(size=20)
    quiet: dict[str, Any] = {
        "falling together": loss + 0.1,
        "flat with noise": 1.0 + 0.02 * noise,
        "small against the gain": np.where(epochs < 8, 2.0 - 0.24 * epochs, 0.1 + 0.012 * (epochs - 8)),
        "one bad epoch": np.where(epochs == 19, 3.0, loss + 0.1),
        "not finite": np.where(epochs == 3, np.nan, turned),
        "short": turned[:3],
    }
    for name, validation in quiet.items():
        history = {"loss": loss[: len(validation)].tolist(), "val_loss": validation.tolist()}
        assert tg.inspect.overfitting(history) is None, name
    both = {"loss": turned.tolist(), "val_loss": turned.tolist()}  # training got worse too: that is something else
    assert tg.inspect.overfitting(both) is None
    assert tg.inspect.overfitting({"loss": [1.0] * 9}) is None
