"""Models compiled for inference: what is folded, and that predictions stay those of the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn

EPSILON = {"float32": 2.0**-23, "float64": 2.0**-52}


class Residual(nn.Module):
    """Two convolutions with batch norm and a shortcut: the input and the sum are used twice."""

    def __init__(self, channels: int) -> None:
        self.conv1 = nn.Conv2d(channels, channels, 3, padding="same", bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding="same")
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        y = tg.relu(self.norm1(self.conv1(x)))
        return tg.relu(self.norm2(self.conv2(y)) + x)


class UsedTwice(nn.Module):
    """The convolution's own output is needed too, so that the norm cannot be folded into it."""

    def __init__(self) -> None:
        self.conv, self.norm = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        y = self.conv(x)
        return self.norm(y) * y


Case = tuple[Callable[[], nn.Module], tuple[int, ...], list[str]]
CASES: dict[str, Case] = {
    "conv, norm, relu": (
        lambda: nn.Sequential(nn.Conv2d(3, 5, 3, bias=False), nn.BatchNorm2d(5), nn.ReLU()),
        (7, 9, 3), ["conv2d_forward"],
    ),
    "conv with bias, norm with relu": (
        lambda: nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5, activation="relu")), (7, 9, 3), ["conv2d_forward"],
    ),
    "winograd": (
        lambda: nn.Sequential(nn.Conv2d(24, 32, 3, padding="same"), nn.BatchNorm2d(32), nn.ReLU()),
        (12, 12, 24), ["winograd_forward"],
    ),
    "depthwise and grouped": (
        lambda: nn.Sequential(
            nn.Conv2d(8, 8, 3, groups=8, bias=False), nn.BatchNorm2d(8), nn.Sigmoid(),
            nn.Conv2d(8, 6, 3, groups=2), nn.BatchNorm2d(6), nn.Tanh(),
        ), (9, 9, 8), ["conv2d_forward", "conv2d_forward"],
    ),
    "dense": (
        lambda: nn.Sequential(nn.Linear(12, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 3, bias=False), nn.GELU()),
        (12,), ["gemm", "gemm"],
    ),
    "norm without scale and shift": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 5, 3, bias=False), nn.BatchNorm2d(5, affine=False), nn.ReLU(), nn.Flatten(), nn.Linear(175, 6),
            nn.BatchNorm1d(6, momentum=None, affine=False),
        ), (7, 9, 3), ["conv2d_forward", "gemm"],
    ),
    "norm first, activation that no product has": (
        lambda: nn.Sequential(nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 4, 3), nn.SiLU()),
        (6, 6, 2), ["batch_norm_eval", "conv2d_forward", "silu"],
    ),
    "norm after pooling": (
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm2d(4), nn.Flatten()),
        (6, 6, 2), ["conv2d_forward", "max_pool2d", "batch_norm_eval"],
    ),
    "residual": (lambda: Residual(4), (8, 8, 4), ["conv2d_forward", "conv2d_forward", "add", "relu"]),
    "used twice": (UsedTwice, (6, 6, 2), ["conv2d_forward", "batch_norm_eval", "multiply"]),
    "dropout": (lambda: nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.5), nn.ReLU()), (4,), ["gemm"]),
}  # fmt: skip


def trained(make: Callable[[], nn.Module], shape: tuple[int, ...], dtype: str) -> nn.Module:
    """The model with running statistics and affine parameters that are not those of the start."""
    tg.manual_seed(4)
    model = make().to(dtype)
    rng = np.random.default_rng(1)
    model.train()
    for _ in range(3):
        model(tg.tensor((rng.normal(0.3, 1.5, size=(16, *shape))).astype(dtype)))
    for name, parameter in model.named_parameters():
        if "norm" in name or parameter.ndim == 1:
            parameter.detach().add_(tg.tensor(rng.normal(0, 0.3, size=parameter.shape).astype(dtype)))
    return model


@pytest.mark.parametrize("dtype", EPSILON)
@pytest.mark.parametrize("name", CASES)
def test_predictions_are_those_of_the_model(name: str, dtype: str) -> None:
    make, shape, kernels = CASES[name]
    model = trained(make, shape, dtype)
    predict = tg.compile_for_inference(model)
    rng = np.random.default_rng(2)
    inputs = [tg.tensor(rng.normal(size=(size, *shape)).astype(dtype)) for size in (5, 1, 5, 5, 1)]
    found = [predict(x) for x in inputs]
    assert all(module.training for module in model.modules())
    model.eval()
    for x, y in zip(inputs, found, strict=True):
        expected = model(x).detach().numpy()
        # Every product sums at most a few hundred terms; the folded weights are rounded once more.
        limit = 200 * EPSILON[dtype] * max(1.0, float(np.abs(expected).max()))
        assert np.abs(y.numpy() - expected).max() <= limit
        assert not y.requires_grad
    assert predict.programs == 2
    if not (dtype == "float64" and name == "winograd"):  # which algorithm is faster depends on the dtype
        assert predict.kernels()[0] == kernels
    model.train()
    alone = predict(inputs[0][:1]).numpy()
    assert np.array_equal(alone, predict(inputs[0]).numpy()[:1])


def test_the_model_is_left_as_it_is_and_later_changes_need_clear() -> None:
    make, shape, _ = CASES["conv, norm, relu"]
    model = trained(make, shape, "float32")
    before = {name: value.tolist() for name, value in model.state_dict().items()}
    predict = tg.compile_for_inference(model)
    x = tg.ones((2, *shape))
    first = predict(x).tolist()
    assert {name: value.tolist() for name, value in model.state_dict().items()} == before
    model[1].bias.detach().add_(1.0)
    assert predict(x).tolist() == first
    predict.clear()
    changed = predict(x)
    assert changed.tolist() != first
    np.testing.assert_allclose(changed.numpy(), model.eval()(x).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_structures_and_bad_input() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            self.first, self.second = nn.Linear(3, 2), nn.Linear(3, 4)

        def forward(self, x: tg.Tensor, *, scale: tg.Tensor) -> dict[str, Any]:
            return {"first": tg.relu(self.first(x)) * scale, "second": [self.second(x)]}

    model = Two().eval()
    predict = tg.compile_for_inference(model)
    for size in (1, 4, 1):
        x, scale = tg.randn((size, 3)), tg.full((2,), 3.0)
        found, expected = predict(x, scale=scale), model(x, scale=scale)
        np.testing.assert_allclose(found["first"].numpy(), expected["first"].detach().numpy(), rtol=1e-6)
        np.testing.assert_allclose(found["second"][0].numpy(), expected["second"][0].detach().numpy(), rtol=1e-6)
    with pytest.raises(tg.ShapeError, match="linear"):
        predict(tg.ones((1, 5)), scale=scale)
    with pytest.raises(tg.ArgumentError, match="expected a Module, found int"):
        tg.compile_for_inference(3)  # type: ignore[arg-type]
