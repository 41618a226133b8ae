"""Normalisation layers: statistics over which axes, options, sizes that are inferred, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn

RNG = np.random.default_rng(3)
EPS = 1e-5
Array = np.ndarray[Any, Any]


def normal(*shape: int) -> Array:
    return (RNG.normal(size=shape) * 2 + 1).astype(np.float32)


def close(found: tg.Tensor, expected: Array) -> None:
    """Within the rounding of sums of some hundred float32 numbers of order 1."""
    np.testing.assert_allclose(found.detach().numpy(), expected, 1e-5, 1e-5)


def normalised(x: Array, axes: tuple[int, ...], eps: float = EPS) -> Array:
    x = x.astype(np.float64)
    return np.asarray((x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps))


def test_group_norm() -> None:
    layer, x = nn.GroupNorm(2), normal(3, 4, 5, 6)
    close(layer(tg.tensor(x)), normalised(x.reshape(3, 4, 5, 2, 3), (1, 2, 4)).reshape(x.shape))
    assert repr(layer) == "GroupNorm(2, num_channels=6)"
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    layer.load_state_dict({"weight": np.arange(6, dtype=np.float32), "bias": np.ones(6, np.float32)})
    close(layer(tg.tensor(x)), normalised(x.reshape(3, 4, 5, 2, 3), (1, 2, 4)).reshape(x.shape) * np.arange(6) + 1)
    assert not list(nn.GroupNorm(3, 6, affine=False).parameters())


def test_one_group_is_layer_norm_and_one_channel_a_group_instance_norm() -> None:
    x = tg.tensor(normal(3, 4, 5, 6))
    close(nn.GroupNorm(1, 6)(x), nn.LayerNorm((4, 5, 6))(x).detach().numpy())
    close(nn.GroupNorm(6, 6)(x), nn.InstanceNorm2d(6)(x).numpy())


def test_instance_norm() -> None:
    x = normal(3, 4, 5, 6)
    close(nn.InstanceNorm2d(6)(tg.tensor(x)), normalised(x, (1, 2)))
    close(nn.InstanceNorm1d()(tg.tensor(x[0])), normalised(x[0], (1,)))
    layer = nn.InstanceNorm2d(affine=True).build((4, 5, 6))
    assert repr(layer) == "InstanceNorm2d(affine=True, num_features=6)"
    assert layer.summary((4, 5, 6)).total == 12
    with pytest.raises(tg.ShapeError, match=r"instance_norm: the input must have 6 channels, found \[2, 4, 5, 3\]"):
        layer(tg.zeros((2, 4, 5, 3)))


def test_alexnet_response_norm() -> None:
    """N = 5, alpha = 1e-4 (not divided by n there), beta = 0.75, k = 2 of the paper."""
    x = normal(2, 3, 3, 96) * 30
    layer = nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0)
    squares = np.pad(x.astype(np.float64) ** 2, ((0, 0),) * 3 + ((2, 2),))
    sums = sum(squares[..., i : i + 96] for i in range(5))
    close(layer(tg.tensor(x)), x / (2 + 1e-4 * sums) ** 0.75)
    assert repr(layer) == "LocalResponseNorm(5, 0.0005, 0.75, 2.0)"


def test_layer_norm_options() -> None:
    x = normal(2, 3, 4, 5)
    for shape in (5, (4, 5), [3, 4, 5]):
        layer = nn.LayerNorm(shape)
        rank = 1 if isinstance(shape, int) else len(shape)
        close(layer(tg.tensor(x)), normalised(x, tuple(range(-rank, 0))))
        assert layer.weight is not None
        assert layer.weight.shape == x.shape[-rank:]
    assert nn.LayerNorm(5, bias=False).bias is None
    plain = nn.LayerNorm((4, 5), elementwise_affine=False)
    assert not list(plain.parameters())
    close(plain(tg.tensor(x)), normalised(x, (-2, -1)))
    close(nn.LayerNorm(5)(tg.tensor(x[0, 0, 0])), normalised(x[0, 0, 0], (0,)))


def test_rms_norm() -> None:
    x = normal(2, 3, 4)
    expected = x / np.sqrt((x.astype(np.float64) ** 2).mean(-1, keepdims=True))
    close(nn.RMSNorm(4)(tg.tensor(x)), expected)
    close(nn.RMSNorm(4, eps=0.5, elementwise_affine=False)(tg.tensor(x)),
          x / np.sqrt((x.astype(np.float64) ** 2).mean(-1, keepdims=True) + 0.5))  # fmt: skip


def test_batch_norm_options() -> None:
    x = normal(64, 3)
    plain = nn.BatchNorm1d(3, affine=False)
    assert not list(plain.parameters())
    close(plain(tg.tensor(x)), normalised(x, (0,)))
    untracked = nn.BatchNorm1d(3, track_running_stats=False).eval()
    assert not list(untracked.buffers())
    close(untracked(tg.tensor(x)), normalised(x, (0,)))
    averaged = nn.BatchNorm1d(momentum=None)
    batches = [normal(8, 3) for _ in range(4)]
    for batch in batches:
        averaged(tg.tensor(batch))
    assert [name for name, _ in averaged.named_buffers()] == ["running_mean", "running_var", "num_batches_tracked"]
    assert averaged.num_batches_tracked is not None
    assert averaged.running_mean is not None
    assert averaged.running_var is not None
    assert averaged.num_batches_tracked.item() == 4
    close(averaged.running_mean, np.mean([batch.mean(0) for batch in batches], axis=0))
    close(averaged.running_var, np.mean([batch.var(0, ddof=1) for batch in batches], axis=0))


def test_a_captured_average_counts_its_batches() -> None:
    """The count is read by the kernel: were it baked into the program, every replay would weigh its batch alike."""
    batches = [tg.tensor(normal(8, 3)) for _ in range(6)]
    layers = [nn.BatchNorm1d(3, momentum=None) for _ in range(2)]
    captured = tg.capture(lambda x: layers[1](x))
    for batch in batches:
        assert np.array_equal(layers[0](batch).detach().numpy(), captured(batch).detach().numpy())
    for (name, a), (_, b) in zip(layers[0].named_buffers(), layers[1].named_buffers(), strict=True):
        assert np.array_equal(a.numpy(), b.numpy()), name


LAYERS = [
    nn.GroupNorm(2, 6), nn.GroupNorm(3), nn.InstanceNorm2d(affine=True), nn.LocalResponseNorm(3), nn.RMSNorm((5, 6)),
    nn.LayerNorm([5, 6], bias=False), nn.LayerNorm(6, elementwise_affine=False), nn.BatchNorm2d(affine=False),
    nn.BatchNorm2d(6, momentum=None), nn.BatchNorm2d(6, track_running_stats=False),
]  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_layers_are_saved(layer: nn.Module, tmp_path: Path) -> None:
    x = tg.tensor(normal(3, 4, 5, 6))
    layer(x)
    expected = layer.eval()(x).detach().numpy()
    tg.save(layer, tmp_path / "layer.safetensors")
    loaded = tg.load(tmp_path / "layer.safetensors")
    assert repr(loaded) == repr(layer)
    assert np.array_equal(loaded.eval()(x).detach().numpy(), expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.GroupNorm(0), "GroupNorm: num_groups must be a positive integer, found 0"),
        (lambda: nn.GroupNorm(4, 6), "GroupNorm: num_groups=4 must divide num_channels=6"),
        (lambda: nn.GroupNorm(2, 6, eps=0), "GroupNorm: eps must be between 0 and 1, found 0"),
        (lambda: nn.GroupNorm(4)(tg.zeros((2, 3, 6))), "GroupNorm: num_groups=4 must divide num_channels=6"),
        (lambda: nn.InstanceNorm2d(0), "InstanceNorm2d: num_features must be a positive integer, found 0"),
        (lambda: nn.LocalResponseNorm(0), "LocalResponseNorm: size must be a positive integer, found 0"),
        (lambda: nn.LayerNorm(()), "LayerNorm: normalized_shape must have at least one size, found"),
        (lambda: nn.LayerNorm(3, eps=-1), "LayerNorm: eps must be between 0 and 1, found -1"),
        (lambda: nn.BatchNorm1d(3, momentum=1.5), "BatchNorm1d: momentum must be between 0 and 1 or None, found 1.5"),
    ],
)
def test_bad_arguments(make: Any, message: str) -> None:
    with pytest.raises(tg.ArgumentError, match=message):
        make()
