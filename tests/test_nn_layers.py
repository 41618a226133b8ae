"""Layers: their formulas, the sizes they infer, their first weights, and what they refuse."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, log_softmax

import tilegrad as tg
from tilegrad import nn

RNG = np.random.default_rng(7)


def normal(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.normal(size=shape).astype(np.float32)


def value(tensor: tg.Tensor) -> np.ndarray[Any, Any]:
    return np.asarray(tensor.detach().numpy(), dtype=np.float64)


def close(found: tg.Tensor, expected: Any, tolerance: float = 2e-6) -> None:
    expected = np.asarray(expected, dtype=np.float64)
    assert found.shape == expected.shape
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    assert np.abs(value(found) - expected).max(initial=0.0) <= tolerance * scale


def correlated(x: np.ndarray[Any, Any], w: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Valid correlation [N, H, W, C] with [R, S, C, K], straight from the definition."""
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), w.shape[:2], axis=(1, 2))
    return np.einsum("npqcrs,rsck->npqk", windows, w.astype(np.float64))


def test_linear() -> None:
    layer, x = nn.Linear(5, 3), normal(2, 4, 5)
    layer.bias.detach().numpy()[:] = [1, 2, 3]
    expected = x.astype(np.float64) @ value(layer.weight) + value(layer.bias)
    close(layer(tg.tensor(x)), expected)
    layer = nn.Linear(5, 3, bias=False, activation="relu")
    assert layer.bias is None
    close(layer(tg.tensor(x)), np.maximum(x.astype(np.float64) @ value(layer.weight), 0))


def test_conv2d() -> None:
    layer, x = nn.Conv2d(3, 4, (2, 3)), normal(2, 6, 5, 3)
    assert layer.weight.shape == (2, 3, 3, 4)
    layer.bias.detach().numpy()[:] = [1, 2, 3, 4]
    expected = correlated(x, value(layer.weight)) + value(layer.bias)
    close(layer(tg.tensor(x)), expected)
    layer = nn.Conv2d(3, 4, 3, padding="same", activation="tanh", bias=False)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    close(layer(tg.tensor(x)), np.tanh(correlated(padded, value(layer.weight))))
    layer = nn.Conv2d(4, 4, 3, stride=2, padding=((1, 0), (0, 1)), groups=2)
    x = normal(2, 6, 5, 4)
    padded = np.pad(x, ((0, 0), (1, 0), (0, 1), (0, 0)))
    halves = [correlated(padded[..., 2 * g : 2 * g + 2], value(layer.weight)[..., 2 * g : 2 * g + 2]) for g in (0, 1)]
    close(layer(tg.tensor(x)), np.concatenate(halves, axis=-1)[:, ::2, ::2])


def test_pooling() -> None:
    x = normal(2, 4, 6, 3)
    blocks = x.reshape(2, 2, 2, 3, 2, 3)
    close(nn.MaxPool2d(2)(tg.tensor(x)), blocks.max((2, 4)), 0.0)
    close(nn.AvgPool2d(2)(tg.tensor(x)), blocks.mean((2, 4), dtype=np.float64))
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 2), (1, 2))
    close(nn.MaxPool2d(2, stride=1)(tg.tensor(x)), windows.max((-1, -2)), 0.0)
    close(nn.GlobalAvgPool2d()(tg.tensor(x)), x.mean((1, 2), dtype=np.float64))
    close(nn.GlobalMaxPool2d()(tg.tensor(x)), x.max((1, 2)), 0.0)


def test_shapes() -> None:
    x = tg.tensor(normal(3, 4, 5))
    assert np.array_equal(nn.Flatten()(x).numpy(), x.numpy().reshape(3, 20))
    assert nn.Flatten()(tg.zeros((0, 4, 5))).shape == (0, 20)
    assert nn.Flatten()(tg.zeros(3)).shape == (3, 1)
    assert nn.Reshape((5, -1))(x).shape == (3, 5, 4)
    assert nn.Reshape(20)(x).shape == nn.Reshape(np.int64(20))(x).shape == (3, 20)
    with pytest.raises(tg.ShapeError, match="Reshape: shape must be an integer or a sequence of integers, found"):
        nn.Reshape(2.5)  # type: ignore[arg-type]
    with pytest.raises(tg.ShapeError, match="Flatten: flatten: the input must have a batch axis"):
        nn.Flatten()(tg.zeros(()))


@pytest.mark.parametrize(
    ("kind", "shape"), [(nn.BatchNorm1d, (64, 3)), (nn.BatchNorm1d, (9, 7, 3)), (nn.BatchNorm2d, (4, 5, 6, 3))]
)
def test_batch_norm(kind: Any, shape: tuple[int, ...]) -> None:
    layer, x = kind(3), 2 * normal(*shape) + 5
    layer.load_state_dict({**layer.state_dict(), "weight": np.float32([1, 2, 3]), "bias": np.float32([0, 1, 2])})
    axes = tuple(range(len(shape) - 1))
    count = np.prod(shape[:-1])
    mean, var = x.mean(axes, dtype=np.float64), x.var(axes, dtype=np.float64)
    close(layer(tg.tensor(x)), (x - mean) / np.sqrt(var + 1e-5) * [1, 2, 3] + [0, 1, 2], 1e-5)
    running_mean, running_var = 0.1 * mean, 0.9 + 0.1 * var * count / (count - 1)
    close(layer.running_mean, running_mean, 1e-5)
    close(layer.running_var, running_var, 1e-5)
    layer.eval()
    close(layer(tg.tensor(x)), (x - running_mean) / np.sqrt(running_var + 1e-5) * [1, 2, 3] + [0, 1, 2], 1e-5)
    close(layer.running_mean, running_mean, 1e-5)
    assert [name for name, _ in layer.named_buffers()] == ["running_mean", "running_var"]


def test_layer_norm() -> None:
    layer, x = nn.LayerNorm((4, 5)), normal(2, 3, 4, 5)
    mean, var = x.mean((-1, -2), keepdims=True), x.var((-1, -2), keepdims=True)
    close(layer(tg.tensor(x)), (x - mean) / np.sqrt(var + 1e-5), 1e-5)


def test_dropout_drops_only_while_training() -> None:
    tg.manual_seed(3)
    layer, x = nn.Dropout(0.25), tg.ones((100, 100))
    y = layer(x).numpy()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1) / np.float32(0.75)}
    assert abs((y == 0).mean() - 0.25) < 5 * math.sqrt(0.25 * 0.75 / 10_000)
    assert not np.array_equal(layer(x).numpy(), y)
    tg.manual_seed(3)
    assert np.array_equal(layer(x).numpy(), y)
    assert np.array_equal(layer.eval()(x).numpy(), x.numpy())


def test_losses() -> None:
    logits, labels = normal(6, 4), np.array([0, 1, 2, 3, 1, 0])
    lost = -log_softmax(logits.astype(np.float64), axis=-1)[np.arange(6), labels]
    close(nn.CrossEntropyLoss()(tg.tensor(logits), tg.tensor(labels)), lost.mean())
    close(nn.CrossEntropyLoss(reduction="sum")(tg.tensor(logits), tg.tensor(labels)), lost.sum())
    kept = labels != 1
    close(nn.CrossEntropyLoss(ignore_index=1)(tg.tensor(logits), tg.tensor(labels)), lost[kept].mean())
    x, y = normal(3, 4), normal(3, 4)
    close(nn.MSELoss()(tg.tensor(x), tg.tensor(y)), ((x - y).astype(np.float64) ** 2).mean())
    target = (y > 0).astype(np.float32)
    expected = -(
        target * np.log(expit(x.astype(np.float64))) + (1 - target) * np.log(expit(-x.astype(np.float64)))
    ).mean()
    close(nn.BCEWithLogitsLoss()(tg.tensor(x), tg.tensor(target)), expected)
    with pytest.raises(tg.OutOfRangeError, match="CrossEntropyLoss: "):
        nn.CrossEntropyLoss()(tg.tensor(logits), tg.tensor(labels + 1))


# Sizes.


def test_sizes_that_are_left_out_are_inferred() -> None:
    model = nn.Sequential(
        nn.Conv2d(None, 4, 3, groups=1), nn.BatchNorm2d(), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(None, 5),
        nn.BatchNorm1d(), nn.Linear(out_features=2),
    )  # fmt: skip
    assert model.build((8, 8, 2)) is model
    assert model[0].weight.shape == (3, 3, 2, 4)
    assert model[5].weight.shape == (36, 5)
    assert repr(model[0]) == "Conv2d(2, 4, 3, groups=1)"
    assert repr(model[1]) == "BatchNorm2d(num_features=4)"
    assert repr(model[7]) == "Linear(out_features=2, in_features=5)"
    assert value(model[1].running_mean).tolist() == [0, 0, 0, 0]
    assert all(module.training for module in model.modules())


def test_parameter_counts_of_the_summary() -> None:
    assert nn.Sequential(nn.Conv2d(3, 20, 8)).summary((32, 32, 3)).total == 3860
    summary = tg.models.lenet5().summary((28, 28, 1))
    assert [row.parameters for row in summary.rows if row.parameters] == [156, 2416, 48120, 10164, 850]
    assert summary.rows[0].output_shape == (28, 28, 6)
    assert summary.total == 61706


def test_images_with_channels_first_are_warned_about() -> None:
    for shape in ((2, 3, 32, 32), (2, 1, 28, 28), (2, 3, 9, 12)):
        with pytest.warns(UserWarning, match=r"images are \[N, H, W, C\].*permute\(0, 2, 3, 1\)"):
            nn.Conv2d(None, 4, 1)(tg.zeros(shape))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for shape in ((2, 32, 32, 3), (2, 3, 3, 64), (2, 1, 1, 64), (2, 3, 32, 3)):
            nn.Conv2d(None, 4, 1)(tg.zeros(shape))
        nn.Conv2d(32, 4, 1)(tg.zeros((2, 3, 32, 32)))


def test_first_weights_are_hes_truncated_normal_and_follow_the_seed() -> None:
    fan_in = 400  # of all of them
    for layer in (nn.Linear(400, 300), nn.Conv2d(16, 128, (5, 5)), nn.Conv2d(32, 128, 5, groups=2)):
        weight = value(layer.weight)
        deviation = math.sqrt(2 / fan_in)
        assert abs(weight.std() / deviation - 1) < 0.02
        assert abs(weight.mean()) < 5 * deviation / math.sqrt(weight.size)
        assert np.abs(weight).max() <= 2 / 0.8796 * deviation * 1.0001
        assert not value(layer.bias).any()
    tg.manual_seed(5)
    first = value(nn.Linear(3, 4).weight)
    other = value(nn.Linear(3, 4).weight)
    tg.manual_seed(5)
    assert np.array_equal(value(nn.Linear(3, 4).weight), first)
    assert not np.array_equal(first, other)


def test_gradients_reach_every_parameter() -> None:
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, activation="relu"), nn.BatchNorm2d(4), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)
    )
    loss = nn.CrossEntropyLoss()(model(tg.tensor(normal(5, 8, 8, 2))), tg.tensor([0, 1, 2, 0, 1]))
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.shape == parameter.shape
        if name != "0.bias":  # batch normalisation takes most of it away
            assert np.abs(parameter.grad.numpy()).max() > 0, name


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Linear(3), "Linear: out_features must be a positive integer, found None"),
        (lambda: nn.Linear(0, 3), "Linear: in_features must be a positive integer, found 0"),
        (lambda: nn.Linear(3, -1), "Linear: out_features must be a positive integer, found -1"),
        (lambda: nn.Linear(3, 2.5), "found 2.5"),
        (lambda: nn.Linear(3, True), "found True"),
        (lambda: nn.Linear(3, 3, activation="selu"), "Linear: activation must be one of relu, .* found 'selu'"),
        (lambda: nn.Conv2d(3, 3), "Conv2d: kernel_size must be a positive integer, found None"),
        (lambda: nn.Conv2d(3, 3, (3, 0)), "Conv2d: kernel_size must be a positive integer, found 0"),
        (lambda: nn.Conv2d(3, 3, (3, 3, 3)), r"Conv2d: kernel_size must be .*\(rows, columns\), found \(3, 3, 3\)"),
        (lambda: nn.ConvTranspose2d(3, 3, (3,)), r"Transpose2d: kernel_size must be .*\(rows, columns\), found \(3,\)"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "Conv2d: groups=2 must divide in_channels=3"),
        (lambda: nn.Conv2d(4, 3, 3, groups=2), "Conv2d: groups=2 must divide .* out_channels=3"),
        (lambda: nn.Dropout(1.0), "Dropout: p must be at least 0 and below 1, found 1.0"),
        (lambda: nn.BatchNorm2d(3, momentum=2), "BatchNorm2d: momentum must be between 0 and 1 or None, found 2"),
        (lambda: nn.BatchNorm1d(3, eps=0), "BatchNorm1d: eps must be between 0 and 1, found 0"),
        (lambda: nn.LayerNorm(0), "LayerNorm: normalized_shape must be a positive integer, found 0"),
        (lambda: nn.ReLU(inplace=True), "ReLU: takes no arguments, found inplace=True"),
        (lambda: nn.Softplus(2.0), "Softplus: takes no arguments, found 2.0"),
        (lambda: nn.Flatten(2, end_dim=3), "Flatten: takes no arguments, found 2, end_dim=3"),
    ],
)  # fmt: skip
def test_bad_arguments(make: Any, message: str) -> None:
    with pytest.raises(tg.ArgumentError, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (nn.Linear(4, 3), (2, 5), "^0 .Linear.: linear: "),
        (nn.Conv2d(3, 4, 3), (2, 8, 8, 4), "^0 .Conv2d.: conv2d: "),
        (nn.Conv2d(None, 4, 3), (2, 8, 8), r"^0 .Conv2d.: conv2d: the input must be \[N, H, W, C\], found \[2, 8, 8\]"),
        (nn.Conv2d(3, 4, 9), (2, 8, 8, 3), "^0 .Conv2d.: conv2d: "),
        (nn.BatchNorm1d(), (2, 8, 8, 8), r"^0 .BatchNorm1d.: batchnorm1d: the input must be \[N, C\] or \[N, L, C\]"),
        (nn.BatchNorm2d(5), (2, 8, 8, 3), "^0 .BatchNorm2d.: batch_norm"),
    ],
)  # fmt: skip
def test_inputs_that_do_not_fit_name_the_layer(layer: nn.Module, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(tg.ShapeError, match=message):
        nn.Sequential(layer)(tg.zeros(shape))
