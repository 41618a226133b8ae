"""Networks that are no chain: shared layers, several inputs and outputs. Each trains, is saved and is captured."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn


@nn.register("tests.Block")
class Block(nn.Module):
    """y = relu(x + f(x)), where f keeps the shape or a 1x1 convolution makes x fit."""

    def __init__(self, channels: int, out: int) -> None:
        self.first = nn.Conv2d(channels, out, 3, padding="same", bias=False)
        self.norm = nn.BatchNorm2d(out)
        self.second = nn.Conv2d(out, out, 3, padding="same")
        self.fit = nn.Conv2d(channels, out, 1) if channels != out else None

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        y = self.second(self.norm(self.first(x)).relu())
        return tg.relu(y + (x if self.fit is None else self.fit(x)))


@nn.register("tests.Residual")
class Residual(nn.Module):
    def __init__(self, classes: int = 3) -> None:
        self.blocks = nn.ModuleList([Block(2, 4), Block(4, 4)])
        self.head = nn.Linear(4, classes)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean((1, 2)))


@nn.register("tests.Siamese")
class Siamese(nn.Module):
    """Two inputs through one tower; the squared distance of what comes out."""

    def __init__(self) -> None:
        self.tower = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))

    def forward(self, a: tg.Tensor, b: tg.Tensor) -> tg.Tensor:
        return (self.tower(a) - self.tower(b)).square().sum(-1)


@nn.register("tests.TwoInputs")
class TwoInputs(nn.Module):
    """An image and numbers, joined."""

    def __init__(self) -> None:
        self.image = nn.Sequential(nn.Conv2d(None, 3, 3, activation="relu"), nn.Flatten())
        self.numbers = nn.Linear(4, 6)
        self.out = nn.Linear(out_features=1)

    def forward(self, image: tg.Tensor, numbers: tg.Tensor) -> tg.Tensor:
        return self.out(tg.concat([self.image(image), self.numbers(numbers).relu()], 1))


@nn.register("tests.MultiTask")
class MultiTask(nn.Module):
    """One body; a head for a class, one for a number."""

    def __init__(self) -> None:
        self.body = nn.Linear(5, 16, activation="tanh")
        self.heads = nn.ModuleDict({"kind": nn.Linear(16, 3), "size": nn.Linear(16, 1)})

    def forward(self, x: tg.Tensor) -> dict[str, tg.Tensor]:
        hidden = self.body(x)
        return {name: head(hidden) for name, head in self.heads.items()}


@nn.register("tests.AutoEncoder")
class AutoEncoder(nn.Module):
    """The decoder's weight is the encoder's, transposed; two outputs as a tuple."""

    def __init__(self) -> None:
        self.weight = nn.Parameter(nn.init.xavier_uniform((6, 3)))
        self.shift = nn.Parameter(tg.zeros(6))

    def forward(self, x: tg.Tensor) -> tuple[tg.Tensor, tg.Tensor]:
        code = tg.tanh(x @ self.weight)
        return code, code @ self.weight.T + self.shift


Loss = Callable[[nn.Module, list[tg.Tensor]], tg.Tensor]


def images(rng: np.random.Generator) -> list[np.ndarray]:
    label = rng.integers(0, 3, 12)
    x = rng.normal(size=(12, 6, 5, 2)).astype(np.float32)
    x[..., 0] += label[:, None, None]
    return [x, label]


def pairs(rng: np.random.Generator) -> list[np.ndarray]:
    a = rng.normal(size=(16, 5)).astype(np.float32)
    same = rng.integers(0, 2, 16)
    b = np.where(same[:, None] == 1, a + 0.1, rng.normal(size=(16, 5))).astype(np.float32)
    return [a, b, same.astype(np.float32)]


def mixed(rng: np.random.Generator) -> list[np.ndarray]:
    image, numbers = rng.normal(size=(9, 5, 5, 2)).astype(np.float32), rng.normal(size=(9, 4)).astype(np.float32)
    return [image, numbers, (image.mean((1, 2, 3)) + numbers[:, 0])[:, None].astype(np.float32)]


def tasks(rng: np.random.Generator) -> list[np.ndarray]:
    x = rng.normal(size=(20, 5)).astype(np.float32)
    return [x, np.argmax(x[:, :3], 1), x.sum(1, keepdims=True)]


def codes(rng: np.random.Generator) -> list[np.ndarray]:
    return [(rng.normal(size=(15, 3)) @ rng.normal(size=(3, 6))).astype(np.float32)]


def multi_task_loss(model: nn.Module, data: list[tg.Tensor]) -> tg.Tensor:
    out = model(data[0])
    return tg.cross_entropy(out["kind"], data[1]) + 0.5 * tg.mse_loss(out["size"], data[2])


NETWORKS: dict[str, tuple[type[nn.Module], Callable[[np.random.Generator], list[np.ndarray]], Loss, int]] = {
    "residual": (Residual, images, lambda m, d: tg.cross_entropy(m(d[0]), d[1]), 1),
    "siamese": (Siamese, pairs, lambda m, d: tg.binary_cross_entropy_with_logits(1.0 - m(d[0], d[1]), d[2]), 2),
    "two inputs": (TwoInputs, mixed, lambda m, d: tg.mse_loss(m(d[0], d[1]), d[2]), 2),
    "multi-task": (MultiTask, tasks, multi_task_loss, 1),
    "tied weights": (AutoEncoder, codes, lambda m, d: tg.mse_loss(m(d[0])[1], d[0]), 1),
}
CASES = pytest.mark.parametrize("name", NETWORKS)


def make(name: str) -> tuple[nn.Module, list[tg.Tensor], Loss, int]:
    kind, data, loss, inputs = NETWORKS[name]
    tg.manual_seed(0)
    arrays = [tg.tensor(a) for a in data(np.random.default_rng(0))]
    model = kind().build(*(x.shape[1:] for x in arrays[:inputs]))
    return model, arrays, loss, inputs


def train(name: str, steps: int, captured: bool = False) -> tuple[nn.Module, list[float]]:
    model, data, loss, _ = make(name)
    optimizer = tg.optim.Adam(model.parameters(), lr=0.02)

    def step(*data: tg.Tensor) -> tg.Tensor:
        optimizer.zero_grad()
        value = loss(model, list(data))
        value.backward()
        optimizer.step()
        return value

    run = tg.capture(step) if captured else step
    return model, [run(*data).item() for _ in range(steps)]


def outputs(model: nn.Module, inputs: list[tg.Tensor]) -> list[list[float]]:
    with tg.no_grad():
        found = model.eval()(*inputs)
    found = list(found.values()) if isinstance(found, dict) else list(found) if isinstance(found, tuple) else [found]
    return [tensor.tolist() for tensor in found]


@CASES
def test_it_learns(name: str) -> None:
    model, losses = train(name, 25)
    assert losses[-1] < 0.7 * losses[0], losses
    assert all(p.grad is not None for p in model.parameters()), "every parameter takes part"


@CASES
def test_a_captured_step_has_the_losses_of_the_step(name: str) -> None:
    assert train(name, 6, captured=True)[1] == train(name, 6)[1]


@CASES
def test_it_is_saved_and_read_back(name: str, tmp_path: Path) -> None:
    model, _ = train(name, 3)
    _, data, _, inputs = make(name)
    expected = outputs(model, data[:inputs])
    tg.save(model, tmp_path / "m.safetensors")
    loaded = tg.load(tmp_path / "m.safetensors")
    assert type(loaded) is type(model)
    assert outputs(loaded, data[:inputs]) == expected
    other, *_ = make(name)
    tg.load(tmp_path / "m.safetensors", into=other)
    assert outputs(other, data[:inputs]) == expected


@CASES
def test_copies_are_independent(name: str) -> None:
    model, data, _, inputs = make(name)
    before = outputs(model, data[:inputs])
    for made in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert outputs(made, data[:inputs]) == before
        with tg.no_grad():
            for parameter in made.parameters():
                parameter.fill_(0.125)
        assert outputs(made, data[:inputs]) != before
    assert outputs(model, data[:inputs]) == before


def test_shared_weights_count_once() -> None:
    model = make("siamese")[0]
    summary = model.summary((5,), (5,))
    assert [(row.name, row.parameters) for row in summary.rows if row.parameters] == [("tower.0", 48), ("tower.2", 27)]
    assert summary.total == 48 + 27
    # Called twice: 5 x 8 and 8 x 3 multiply-adds each time.
    assert [row.macs for row in summary.rows if row.macs] == [80, 48]


# Summaries.


def test_summary_of_a_convolution() -> None:
    summary = nn.Sequential(nn.Conv2d(3, 20, 8)).summary((32, 32, 3))
    (row,) = summary.rows
    assert row.parameters == summary.total == 8 * 8 * 3 * 20 + 20 == 3860
    assert row.output_shape == (25, 25, 20)
    assert row.macs == 25 * 25 * 20 * 8 * 8 * 3
    assert row.parameter_bytes == 4 * 3860
    assert row.activation_bytes == 4 * 25 * 25 * 20
    assert nn.Conv2d(3, 20, 8).summary((32, 32, 3)).rows[0].macs == row.macs, "a model that is one layer"


def test_summary_of_several_outputs_and_buffers() -> None:
    summary = make("multi-task")[0].summary((5,))
    assert [(row.name, row.output_shape) for row in summary.rows] == [
        ("body", (16,)), ("heads.kind", (3,)), ("heads.size", (1,)),
    ]  # fmt: skip
    summary = make("tied weights")[0].summary((6,))
    assert [(row.name, row.kind, row.output_shape, row.macs) for row in summary.rows] == [
        ("(model)", "AutoEncoder", ((3,), (6,)), 36)
    ]
    assert "(N, 3), (N, 6)" in str(summary)
    summary = make("residual")[0].summary((6, 5, 2))
    assert summary.buffers == 2 * 2 * 4, "means and variances of two norms of four channels"
    assert summary.macs == sum(row.macs for row in summary.rows)
    depth = {"blocks.0.first": 2 * 4 * 9, "blocks.0.second": 4 * 4 * 9, "blocks.0.fit": 2 * 4}
    for row in summary.rows:
        if row.name in depth:
            assert row.macs == 6 * 5 * depth[row.name], row.name


def test_summary_while_a_profile_is_made() -> None:
    with tg.profile(), pytest.raises(tg.CaptureError, match="another profile is being made"):
        nn.Linear(2, 3).summary((2,))


# Copies of layers and code that makes them.

ARGUMENTS: dict[str, Any] = {
    "in_features": 3, "out_features": 4, "in_channels": 4, "out_channels": 4, "kernel_size": 3, "num_features": 4,
    "p": 0.25, "shape": (2, 3), "normalized_shape": (4,),
}  # fmt: skip
KINDS = [cls for cls in nn.registry.kinds.values() if cls.__module__.startswith("tilegrad.nn.")]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_repr_is_the_code_that_makes_the_layer(kind: type[nn.Module]) -> None:
    from inspect import Parameter, signature

    parameters = list(signature(kind.__init__).parameters.values())[1:]
    needed = {
        p.name: ARGUMENTS.get(p.name, 4)
        for p in parameters
        if p.kind is Parameter.POSITIONAL_OR_KEYWORD
        and (p.default is Parameter.empty or (p.default is None and p.name in ARGUMENTS))
    }
    try:
        layer = kind(**needed)
    except (tg.TilegradError, TypeError) as error:
        pytest.skip(f"{kind.__name__} needs other arguments than this test knows: {error}")
    code = repr(layer).split("\n    .")[0]  # what is inside stands below where it is no part of the code
    made = eval(code, {name: getattr(nn, name) for name in nn.__all__})
    assert type(made) is kind
    assert repr(made) == repr(layer)


def test_repr_of_containers_evaluates() -> None:
    from collections import OrderedDict

    names = {**{name: getattr(nn, name) for name in nn.__all__}, "OrderedDict": OrderedDict}
    for model in (
        nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU())),
        nn.Sequential(OrderedDict(a=nn.Linear(2, 3), b=nn.Flatten())),
        nn.Sequential(OrderedDict({"1x1": nn.Linear(2, 3), "class": nn.Flatten()})),
        nn.ModuleList([nn.ReLU(), nn.Linear(2, 3)]),
        nn.ModuleDict({"1x1": nn.ReLU()}),
    ):
        assert repr(eval(repr(model), names)) == repr(model)
