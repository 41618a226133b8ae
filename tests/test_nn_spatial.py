"""Layers for images and sequences beyond the first ones, layers without parameters, and merging layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn

RNG = np.random.default_rng(11)


def normal(*shape: int) -> tg.Tensor:
    return tg.tensor(RNG.normal(size=shape).astype(np.float32))


def same(found: Any, expected: Any) -> None:
    expected = expected.detach().numpy() if isinstance(expected, tg.Tensor) else expected
    assert np.array_equal(found.detach().numpy(), expected)


def test_convolutions_of_sequences() -> None:
    layer, x = nn.Conv1d(4, 6, 3, padding="causal", dilation=2, groups=2, activation="tanh"), normal(2, 9, 4)
    assert layer.weight.shape == (3, 2, 6)
    same(layer(x), tg.conv1d(x, layer.weight, layer.bias, 1, "causal", 2, 2, "tanh"))
    back = nn.ConvTranspose1d(6, 4, 3, stride=2, padding=1, output_padding=1, bias=False)
    assert back.weight.shape == (3, 4, 6)
    assert back.bias is None
    same(back(layer(x)), tg.conv_transpose1d(layer(x), back.weight, None, 2, 1, 1))
    model = nn.Sequential(nn.Conv1d(None, 5, 3), nn.MaxPool1d(2), nn.ConvTranspose1d(None, 2, 2, 2), nn.AvgPool1d(2))
    assert model.build((11, 3))(normal(2, 11, 3)).shape == (2, 4, 2)
    with pytest.raises(tg.ShapeError, match=r"Conv1d.: conv1d: the input must be \[N, L, C\], found \[2, 8\]"):
        nn.Sequential(nn.Conv1d(None, 5, 3))(tg.zeros((2, 8)))


def test_pooling_layers_take_the_options_of_their_functions() -> None:
    x, line = normal(2, 7, 8, 3), normal(2, 9, 3)
    same(nn.MaxPool2d(3, 2, 1, ceil_mode=True)(x), tg.max_pool2d(x, 3, 2, 1, True))
    same(nn.AvgPool2d(3, 2, 1, True, count_include_pad=True)(x), tg.avg_pool2d(x, 3, 2, 1, True, True))
    same(nn.AdaptiveAvgPool2d((3, 2))(x), tg.adaptive_avg_pool2d(x, (3, 2)))
    same(nn.AdaptiveMaxPool2d(3)(x), tg.adaptive_max_pool2d(x, 3))
    same(nn.MaxPool1d(3, 2, 1, True)(line), tg.max_pool1d(line, 3, 2, 1, True))
    same(nn.AvgPool1d(3, 2, 1, True, True)(line), tg.avg_pool1d(line, 3, 2, 1, True, True))
    same(nn.GlobalAvgPool1d()(line), tg.mean(line, 1))
    same(nn.GlobalMaxPool1d()(line), line.numpy().max(1))
    same(nn.Upsample((5, 3), mode="bilinear")(x), tg.interpolate(x, (5, 3), mode="bilinear"))
    for layer in (nn.GlobalAvgPool1d(), nn.GlobalMaxPool1d()):
        with pytest.raises(tg.ShapeError, match=r"\[N, L, C\] and at least one position"):
            layer(tg.zeros((2, 0, 3)))


def test_adaptive_pooling_to_one_pixel_is_global() -> None:
    x = normal(2, 5, 7, 3)
    same(tg.adaptive_max_pool2d(x, 1).reshape(2, 3), tg.global_max_pool2d(x))
    np.testing.assert_allclose(tg.adaptive_avg_pool2d(x, 1).reshape(2, 3).numpy(), x.numpy().mean((1, 2)), rtol=1e-5)


def test_bilinear_upsampling_keeps_ramps() -> None:
    """Inside, a linear function of the position stays one."""
    ramp = tg.tensor(np.arange(8.0).reshape(1, 1, 8, 1))
    found = tg.interpolate(ramp, scale_factor=(1, 4), mode="bilinear").numpy().reshape(-1)
    expected = np.clip((np.arange(32) + 0.5) / 4 - 0.5, 0, 7)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15)


def test_shape_layers() -> None:
    x = normal(2, 4, 5, 3)
    same(nn.ZeroPad2d(1)(x), np.pad(x.numpy(), ((0, 0), (1, 1), (1, 1), (0, 0))))
    same(nn.ZeroPad2d((1, 2))(x), np.pad(x.numpy(), ((0, 0), (1, 1), (2, 2), (0, 0))))
    same(nn.ZeroPad2d(((1, 0), (2, 3)))(x), np.pad(x.numpy(), ((0, 0), (1, 0), (2, 3), (0, 0))))
    same(nn.Cropping2d(((1, 0), (2, 1)))(x), x.numpy()[:, 1:, 2:4])
    same(nn.Cropping2d(1)(nn.ZeroPad2d(1)(x)), x)
    assert nn.Reshape((3, -1))(tg.zeros((0, 4, 6))).shape == (0, 3, 8)
    same(nn.Permute((3, 1, 2))(x), x.numpy().transpose(0, 3, 1, 2))
    assert nn.Identity()(x) is x
    same(nn.Lambda(lambda a, scale: a * scale)(x, scale=2.0), x.numpy() * 2)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.ZeroPad2d(-1), tg.ArgumentError, "ZeroPad2d: expected a number of pixels, .*found -1"),
        (lambda: nn.Cropping2d((1, 2, 3)), tg.ArgumentError, r"Cropping2d: expected .*found \(1, 2, 3\)"),
        (lambda: nn.ZeroPad2d(1)(tg.zeros((2, 3))), tg.ShapeError, r"zero_pad2d: x must have 4 dimensions"),
        (
            lambda: nn.Conv2d(3, 8, (3, 3, 3)),
            tg.ArgumentError,
            r"Conv2d: kernel_size must be an integer or \(rows, colu",
        ),  # type: ignore[arg-type]
        (lambda: nn.ConvTranspose2d(3, 8, (3,)), tg.ArgumentError, r"ConvTranspose2d: kernel_size .*found \(3,\)"),  # type: ignore[arg-type]
        (lambda: nn.Permute((0, 1)), tg.ArgumentError, "Permute: axes must be the numbers 1 to 2"),
        (lambda: nn.Lambda(3), tg.ArgumentError, "Lambda: function must be callable, found int"),  # type: ignore[arg-type]
        (lambda: nn.Upsample(), tg.ArgumentError, "Upsample: give either size or scale_factor"),
        (lambda: nn.Residual(3), tg.ArgumentError, "Residual: body must be a module, found int"),  # type: ignore[arg-type]
        (
            lambda: nn.Residual(nn.Linear(2, 3))(tg.zeros((1, 2))),
            tg.ShapeError,
            r"makes \[1, 3\] and the shortcut \[1, 2\]",
        ),
        (lambda: nn.Add("swish"), tg.ArgumentError, "Add: activation must be one of"),
        (lambda: nn.Concat()(), tg.ArgumentError, "concat: give at least one tensor"),
    ],
)
def test_layers_refuse(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_merging_layers() -> None:
    a, b, c = normal(2, 3), normal(2, 3), normal(2, 3)
    same(nn.Add()(a, b, c), (a + b) + c)
    same(nn.Add("relu")([a, b]), np.maximum(a.numpy() + b.numpy(), 0))
    same(nn.Add("tanh")(a), tg.tanh(a))
    same(nn.Add()(a), a)
    same(nn.Concat()(a, b), np.concatenate([a.numpy(), b.numpy()], 1))
    same(nn.Concat(0)((a, b, c)), np.concatenate([a.numpy(), b.numpy(), c.numpy()]))


def test_residual() -> None:
    x, body, short = normal(4, 3), nn.Linear(3, 3), nn.Linear(3, 3)
    for activation in (None, "relu", "gelu"):
        function = {None: lambda t: t, "relu": tg.relu, "gelu": tg.gelu}[activation]
        same(nn.Residual(body, activation=activation)(x), function(body(x) + x))
        same(nn.Residual(body, short, activation)(x), function(body(x) + short(x)))
    model = nn.Residual(nn.Linear(None, 3), nn.Linear(None, 3)).build((5,))
    assert [name for name, _ in model.named_parameters()] == [
        "body.weight", "body.bias", "shortcut.weight", "shortcut.bias",
    ]  # fmt: skip
    given = [tg.tensor(t.detach().numpy(), requires_grad=True) for t in (x, x)]
    nn.Residual(body)(given[0]).backward(tg.ones((4, 3)))
    tg.relu(body(given[1]) + given[1]).backward(tg.ones((4, 3)))
    assert given[0].grad is not None
    same(given[0].grad, given[1].grad)


def test_saved_and_loaded(tmp_path: Any) -> None:
    model = nn.Sequential(
        nn.ZeroPad2d(((1, 0), (0, 1))),
        nn.Residual(nn.Sequential(nn.Conv2d(None, 4, 3, padding="same")), nn.Conv2d(None, 4, 1)),
        nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=True),
        nn.ConvTranspose2d(None, 3, 3, 2, 1, output_padding=1),
        nn.Upsample(scale_factor=2),
        nn.Cropping2d(1),
        nn.AdaptiveAvgPool2d((2, 3)),
        nn.Permute((3, 1, 2)),
        nn.Reshape((-1, 2)),
        nn.Conv1d(None, 3, 2, padding="causal"),
        nn.MaxPool1d(2),
        nn.Identity(),
        nn.GlobalAvgPool1d(),
    ).build((6, 6, 2))
    x = normal(2, 6, 6, 2)
    tg.save(model, tmp_path / "m.safetensors")
    same(tg.load(tmp_path / "m.safetensors")(x), model(x))


def test_a_lambda_is_saved_by_its_weights(tmp_path: Any) -> None:
    def make() -> nn.Sequential:
        return nn.Sequential(nn.Linear(3, 2), nn.Lambda(lambda x: x * 2.0))

    model, path = make(), tmp_path / "m.safetensors"
    with pytest.warns(UserWarning, match="only the weights are saved, because an argument of Lambda is a function"):
        tg.save(model, path)
    other = make()
    tg.load(path, into=other)
    x = normal(4, 3)
    same(other(x), model(x))


@pytest.mark.parametrize("seed", range(12))
def test_pooling_and_resizing_beside_pytorch(seed: int) -> None:
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, *(int(n) for n in rng.integers(3, 12, 2)), 3))
    kernel, stride = (int(k) for k in rng.integers(2, 4, 2))
    padding, ceil_mode, counted = int(rng.integers(0, kernel // 2 + 1)), bool(seed % 2), bool(seed % 3)
    size = tuple(int(n) for n in rng.integers(1, 9, 2))
    larger = tuple(int(n) for n in rng.integers(1, 20, 2))
    cases: list[tuple[Any, Any]] = [
        (
            lambda t: tg.max_pool2d(t, kernel, stride, padding, ceil_mode),
            lambda t: functional.max_pool2d(t, kernel, stride, padding, ceil_mode=ceil_mode),
        ),
        (
            lambda t: tg.avg_pool2d(t, kernel, stride, padding, ceil_mode, counted),
            lambda t: functional.avg_pool2d(t, kernel, stride, padding, ceil_mode, counted),
        ),
        (lambda t: tg.adaptive_avg_pool2d(t, size), lambda t: functional.adaptive_avg_pool2d(t, size)),
        (lambda t: tg.adaptive_max_pool2d(t, size), lambda t: functional.adaptive_max_pool2d(t, size)),
        (
            lambda t: tg.interpolate(t, larger, mode="bilinear"),
            lambda t: functional.interpolate(t, larger, mode="bilinear", align_corners=False),
        ),
        (
            lambda t: tg.interpolate(t, scale_factor=1.75, mode="bilinear"),
            lambda t: functional.interpolate(t, scale_factor=1.75, mode="bilinear", align_corners=False),
        ),
        (
            lambda t: tg.interpolate(t, scale_factor=2, mode="nearest"),
            lambda t: functional.interpolate(t, scale_factor=2, mode="nearest"),
        ),
    ]
    for ours, theirs in cases:
        t = tg.tensor(x, requires_grad=True)
        u = torch.tensor(x.transpose(0, 3, 1, 2).copy(), requires_grad=True)
        y, expected = ours(t), theirs(u)
        np.testing.assert_allclose(
            y.detach().numpy(), expected.detach().numpy().transpose(0, 2, 3, 1), rtol=1e-12, atol=1e-12
        )
        direction = rng.normal(size=y.shape)
        y.backward(tg.tensor(direction))
        expected.backward(torch.tensor(direction.transpose(0, 3, 1, 2).copy()))
        assert t.grad is not None
        np.testing.assert_allclose(t.grad.numpy(), u.grad.numpy().transpose(0, 2, 3, 1), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_convolutions_of_sequences_beside_pytorch(seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    groups, stride, dilation, taps = (int(n) for n in rng.integers(1, 4, 4))
    padding = int(rng.integers(0, 3))
    x = rng.normal(size=(2, int(rng.integers(9, 20)), 2 * groups))
    w, b = rng.normal(size=(taps, 2, 3 * groups)), rng.normal(size=3 * groups)
    y = tg.conv1d(tg.tensor(x), tg.tensor(w), tg.tensor(b), stride, padding, dilation, groups).numpy()
    rows, weight = torch.tensor(x.transpose(0, 2, 1).copy()), torch.tensor(w.transpose(2, 1, 0).copy())
    expected = torch.nn.functional.conv1d(rows, weight, torch.tensor(b), stride, padding, dilation, groups)
    np.testing.assert_allclose(y, expected.numpy().transpose(0, 2, 1), rtol=1e-11, atol=1e-11)
    w, b = rng.normal(size=(taps, 3, 2 * groups)), rng.normal(size=3 * groups)
    options = (stride, min(padding, (taps - 1) * dilation), max(stride, dilation) - 1)
    y = tg.conv_transpose1d(tg.tensor(x), tg.tensor(w), tg.tensor(b), *options, dilation, groups).numpy()
    weight = torch.tensor(w.transpose(2, 1, 0).copy())
    expected = torch.nn.functional.conv_transpose1d(rows, weight, torch.tensor(b), *options, groups, dilation)
    np.testing.assert_allclose(y, expected.numpy().transpose(0, 2, 1), rtol=1e-11, atol=1e-11)
