"""Transposed convolution beside PyTorch's, and what ties it to convolution."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn

torch = pytest.importorskip("torch")


def to_torch(w: np.ndarray, groups: int) -> np.ndarray:
    """[R, S, K / groups, C] as PyTorch's [C, K / groups, R, S]."""
    return np.ascontiguousarray(w.transpose(3, 2, 0, 1))


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """Sizes and options of one call that both libraries take."""
    groups = int(rng.choice([1, 1, 2, 3]))
    stride, dilation = rng.integers(1, 4, 2), rng.integers(1, 3, 2)
    kernel = rng.integers(1, 5, 2)
    extent = (kernel - 1) * dilation + 1
    padding = [int(rng.integers(0, e)) for e in extent]
    output_padding = [int(rng.integers(0, max(s, d))) for s, d in zip(stride, dilation, strict=True)]
    return {
        "image": (int(rng.integers(1, 4)), *(int(i) for i in rng.integers(4, 8, 2)), groups * int(rng.integers(1, 6))),
        "kernel": (*(int(k) for k in kernel), int(rng.integers(1, 7))),
        "groups": groups,
        "stride": tuple(int(s) for s in stride),
        "dilation": tuple(int(d) for d in dilation),
        "padding": tuple(padding),
        "output_padding": tuple(output_padding),
    }


@pytest.mark.parametrize("seed", range(30))
def test_values_and_gradients_are_those_of_pytorch(seed: int) -> None:
    rng = np.random.default_rng(seed)
    options = draw(rng)
    image, kernel, groups = options.pop("image"), options.pop("kernel"), options["groups"]
    x, w = rng.normal(size=image), rng.normal(size=(*kernel, image[3]))
    b = rng.normal(size=kernel[2] * groups)
    ours = [tg.tensor(a, requires_grad=True) for a in (x, w, b)]
    y = tg.conv_transpose2d(*ours, **options)
    theirs = [torch.tensor(a, requires_grad=True) for a in (x.transpose(0, 3, 1, 2).copy(), to_torch(w, groups), b)]
    expected = torch.nn.functional.conv_transpose2d(*theirs, **options)
    np.testing.assert_allclose(
        y.detach().numpy(), expected.detach().numpy().transpose(0, 2, 3, 1), rtol=1e-10, atol=1e-10
    )
    seed_grad = rng.normal(size=y.shape)
    y.backward(tg.tensor(seed_grad))
    expected.backward(torch.tensor(seed_grad.transpose(0, 3, 1, 2).copy()))
    dx, dw, db = (t.grad.numpy() for t in theirs)
    for found, wanted in zip(ours, (dx.transpose(0, 2, 3, 1), dw.transpose(2, 3, 1, 0), db), strict=True):
        assert found.grad is not None
        np.testing.assert_allclose(found.grad.numpy(), wanted, rtol=1e-9, atol=1e-9)


def test_it_is_the_adjoint_of_convolution() -> None:
    """<conv(x), y> = <x, conv_transpose(y)> with the same weight and options, TensorFlow's padding included."""
    rng = np.random.default_rng(0)
    for stride, padding in ((2, "same"), (3, "same"), (1, 1), (2, ((1, 0), (2, 1)))):
        w = tg.tensor(rng.normal(size=(3, 4, 5, 6)))
        x = tg.tensor(rng.normal(size=(2, 12, 12, 5)))
        y = tg.conv2d(x, w, stride=stride, padding=padding)
        v = tg.tensor(rng.normal(size=y.shape))
        extra = [0, 0]
        if padding != "same":
            sides = padding if isinstance(padding, tuple) else ((padding, padding),) * 2
            extra = [(12 + a + b - k) % stride for (a, b), k in zip(sides, (3, 4), strict=True)]
        back = tg.conv_transpose2d(v, w, stride=stride, padding=padding, output_padding=tuple(extra))
        assert back.shape == x.shape
        left, right = float((y * v).sum().item()), float((x * back).sum().item())
        assert abs(left - right) <= 1e-10 * (abs(left) + 1)


def test_layer() -> None:
    layer = nn.ConvTranspose2d(3, 4, (2, 3), stride=2, bias=True, activation="relu")
    assert layer.weight.shape == (2, 3, 4, 3)
    assert layer.bias is not None
    assert layer.bias.shape == (4,)
    x = tg.tensor(np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype(np.float32))
    expected = tg.relu(tg.conv_transpose2d(x, layer.weight, layer.bias, stride=2))
    assert np.array_equal(layer(x).detach().numpy(), expected.detach().numpy())
    model = nn.Sequential(nn.Conv2d(None, 4, 3, stride=2, padding="same"), nn.ConvTranspose2d(None, 2, 3, 2, "same"))
    assert model.build((8, 8, 3))(tg.zeros((1, 8, 8, 3))).shape == (1, 8, 8, 2)
    grouped = nn.ConvTranspose2d(4, 6, 3, groups=2, bias=False)
    assert grouped.weight.shape == (3, 3, 3, 4)
    assert grouped.bias is None
    with pytest.raises(tg.ArgumentError, match="ConvTranspose2d: groups=3 must divide in_channels=4 and out_ch"):
        nn.ConvTranspose2d(4, 6, 3, groups=3)
