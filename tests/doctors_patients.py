"""Runs for the doctor: healthy ones, and for each diagnosis two networks that have it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

import tilegrad as tg
from tilegrad import nn

NDArray = np.ndarray[Any, Any]
Data = tuple[NDArray, NDArray]


class Run(NamedTuple):
    """What the doctor is told."""

    model: nn.Module
    data: Any
    history: Any = None
    options: dict[str, Any] | None = None

    def examined(self, **more: Any) -> tg.inspect.Findings:
        return tg.inspect.doctor(self.model, self.data, self.history, **{**(self.options or {}), **more})


# Data.


@cache
def digits() -> tuple[Data, Data]:
    """Eight by eight pixels from 0 to 1, in an order by chance: 1,200 to train with and 597 to test with."""
    from sklearn.datasets import load_digits

    found = load_digits()
    order = np.random.default_rng(0).permutation(len(found.target))
    x, y = np.float32(found.images / 16.0)[order][..., None], np.int64(found.target)[order]
    return (x[:1200], y[:1200]), (x[1200:], y[1200:])


@cache
def flat_digits() -> tuple[Data, Data]:
    first, second = digits()
    return (first[0].reshape(1200, 64), first[1]), (second[0].reshape(597, 64), second[1])


def table(name: str, seed: int) -> tuple[Data, Data]:
    """A table of scikit-learn's, standardised, by a shuffle of its own."""
    from sklearn import datasets

    x, y = getattr(datasets, name)(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(y))
    x, y = np.float32((x - x.mean(0)) / x.std(0))[order], y[order]
    y = np.float32((y - y.mean()) / y.std())[:, None] if name == "load_diabetes" else np.int64(y)
    cut = len(y) * 3 // 4
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])


def circle(seed: int, count: int = 600) -> Data:
    points = np.random.default_rng(seed).uniform(-1, 1, (count, 2)).astype(np.float32)
    return points, (np.hypot(*points.T) < 0.7).astype(np.int64)


def waves(seed: int, count: int = 400) -> Data:
    x = np.random.default_rng(seed).uniform(-2, 2, (count, 1)).astype(np.float32)
    return x, np.sin(2 * x) + np.random.default_rng(seed + 1).normal(size=x.shape).astype(np.float32) * 0.1


def sequences(seed: int, count: int = 600) -> Data:
    """Which of the two halves of a sequence has the larger sum."""
    x = np.random.default_rng(seed).normal(size=(count, 10, 2)).astype(np.float32)
    return x, (x[:, :5, 0].sum(1) > x[:, 5:, 1].sum(1)).astype(np.int64)


def words(seed: int, count: int = 600) -> Data:
    """Whether a word is in a text of eight."""
    x = np.random.default_rng(seed).integers(0, 20, (count, 8))
    return x, (x < 2).any(1).astype(np.int64)


# Networks.


def mlp(
    activation: str | None = "relu",
    hidden: tuple[int, ...] = (64, 32),
    inputs: int = 64,
    outputs: int = 10,
    **options: Any,
) -> nn.Module:
    sizes = (inputs, *hidden)
    layers: list[nn.Module] = [nn.Linear(a, b, activation=activation, **options) for a, b in pairwise(sizes)]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))


def cnn(activation: str = "relu", widths: tuple[int, ...] = (8, 16), **options: Any) -> nn.Module:
    layers: list[nn.Module] = []
    for number, width in enumerate(widths):
        layers.append(nn.Conv2d(None, width, 3, padding="same", activation=activation, **options))
        if number < 2:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(None, 10)).build((8, 8, 1))


def normed_cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding="same"), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding="same"), nn.BatchNorm2d(16), nn.ReLU(), nn.GlobalAvgPool2d(), nn.Linear(16, 10),
    )  # fmt: skip


class Block(nn.Module):
    """A residual network that calls its activations as functions."""

    def __init__(self) -> None:
        self.stem = nn.Conv2d(1, 8, 3, padding="same")
        self.first, self.second = nn.Conv2d(8, 8, 3, padding="same"), nn.Conv2d(8, 8, 3, padding="same")
        self.head = nn.Linear(128, 10)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        x = tg.max_pool2d(tg.relu(self.stem(x)), 2)
        x = tg.relu(x + self.second(tg.relu(self.first(x))))
        return self.head(tg.reshape(x, (len(x), 128)))


class Recurrent(nn.Module):
    """The last state of a recurrent layer, classified."""

    def __init__(self, kind: str, tokens: int = 0) -> None:
        self.embedding = nn.Embedding(tokens, 8) if tokens else nn.Identity()
        self.body, self.head = getattr(nn, kind)(8 if tokens else 2, 24), nn.Linear(24, 2)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        outputs, _ = self.body(self.embedding(x))
        return self.head(outputs[:, -1])


def trained(
    model: nn.Module,
    data: Any,
    optimizer: Callable[..., Any],
    epochs: int,
    validation: Any = None,
    loss: Any = None,
    batch_size: int = 32,
) -> Run:
    made = optimizer(model.parameters())
    loss = nn.CrossEntropyLoss() if loss is None else loss
    trainer = tg.train.Trainer(model, loss, made, capture=True)
    history = trainer.fit(data, epochs=epochs, batch_size=batch_size, validation_data=validation, verbose=0)
    return Run(model, data, history, {"loss": loss, "optimizer": made})


def adam(rate: Any = 1e-3, **options: Any) -> Callable[..., Any]:
    return lambda parameters: tg.optim.Adam(parameters, lr=rate, **options)


def sgd(rate: Any, **options: Any) -> Callable[..., Any]:
    return lambda parameters: tg.optim.SGD(parameters, lr=rate, **options)


# Healthy runs, by name: networks, data, optimizers and seeds differ.


def _healthy(seed: int) -> dict[str, Callable[[], Run]]:
    images, pixels = digits(), flat_digits()
    dropout = [nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10)]
    rate = tg.optim.schedules.OneCycle(1e-2, steps=38 * 10)
    return {
        "mlp": lambda: trained(mlp(), pixels[0], adam(), 15, pixels[1]),
        "tanh": lambda: trained(mlp("tanh"), pixels[0], sgd(0.05, momentum=0.9), 20, pixels[1]),
        "sigmoid": lambda: trained(mlp("sigmoid"), pixels[0], adam(1e-2), 15, pixels[1]),
        "dropout": lambda: trained(nn.Sequential(*dropout), pixels[0], adam(2e-3), 15, pixels[1]),
        "softmax": lambda: trained(mlp(hidden=()), pixels[0], sgd(0.5), 20, pixels[1]),
        "cnn": lambda: trained(cnn(), images[0], sgd(0.05, momentum=0.9), 8, images[1]),
        "normed": lambda: trained(normed_cnn(), images[0], adam(1e-2), 10, images[1]),
        "residual": lambda: trained(Block(), images[0], adam(rate), 10, images[1]),
        "wine": lambda: trained(
            mlp(inputs=13, hidden=(16,), outputs=3), *_split("load_wine", seed, adam(1e-2), 7)
        ),
        "cancer": lambda: trained(
            mlp(inputs=30, hidden=(16,), outputs=2), *_split("load_breast_cancer", seed, sgd(0.05), 15)
        ),
        "diabetes": lambda: trained(
            mlp(inputs=10, hidden=(8,), outputs=1), *_split("load_diabetes", seed, sgd(0.01), 25), nn.MSELoss()
        ),
        "circle": lambda: trained(
            mlp(inputs=2, hidden=(32,), outputs=2), circle(seed), adam(1e-2), 25, circle(seed + 1)
        ),
        "waves": lambda: trained(
            mlp("tanh", (24,), 1, 1), waves(seed), adam(2e-2), 60, waves(seed + 2), nn.MSELoss()
        ),
        "lstm": lambda: trained(Recurrent("LSTM"), sequences(seed, 2400), adam(1e-2), 5, sequences(seed + 1)),
        "words": lambda: trained(Recurrent("GRU", 20), words(seed, 1500), adam(1e-2), 15, words(seed + 1)),
    }  # fmt: skip


def _split(name: str, seed: int, optimizer: Any, epochs: int) -> tuple[Any, Any, int, Any]:
    first, second = table(name, seed)
    return first, optimizer, epochs, second


HEALTHY = (
    "mlp", "tanh", "sigmoid", "dropout", "softmax", "cnn", "normed", "residual", "wine", "cancer", "diabetes", "circle",
    "waves", "lstm", "words",
)  # fmt: skip


def healthy(name: str, seed: int) -> Run:
    tg.manual_seed(seed)
    return _healthy(seed)[name]()


# Ill ones: for each diagnosis a dense network and a convolutional one.


class Behind(nn.Module):
    """A network with a mistake behind its last layer."""

    def __init__(self, body: nn.Module, mistake: Callable[[tg.Tensor], tg.Tensor]) -> None:
        self.body, self._mistake = body, mistake

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return self._mistake(self.body(x))


def _with(model: nn.Module, data: Any, optimizer: Callable[..., Any]) -> Run:
    """Before training."""
    return Run(model, data, None, {"optimizer": optimizer(model.parameters())})


def _with_biases(model: nn.Module, value: float) -> nn.Module:
    with tg.no_grad():
        for path, parameter in model.named_parameters():
            if path.endswith("bias") and parameter.size != 10:
                parameter.fill_(value)
    return model


def _with_last(model: nn.Module, factor: float) -> nn.Module:
    with tg.no_grad():
        last = list(model.modules())[-1]
        last.weight.copy_(last.weight * factor)
    return model


def _sorted(data: Data) -> tg.data.DataLoader:
    order = np.argsort(data[1], kind="stable")
    return tg.data.DataLoader((data[0][order], data[1][order]), batch_size=32)


def _noisy(data: Data, count: int) -> Data:
    """A few samples, every fourth with a label by chance."""
    labels = data[1][:count].copy()
    labels[::4] = np.random.default_rng(0).integers(0, 10, len(labels[::4]))
    return data[0][:count], labels


def _normal(std: float) -> dict[str, Any]:
    return {"weight_init": ("normal", {"std": std})}


def ill() -> dict[str, list[Callable[[], Run]]]:
    """Runs that have it, by diagnosis."""
    (pixels, more_pixels), (images, more_images) = flat_digits(), digits()
    narrow = [nn.Conv2d(1, 1, 3, activation="relu"), nn.GlobalAvgPool2d(), nn.Linear(1, 10)]
    return {
        "wrong input range": [
            lambda: Run(mlp(), (pixels[0] * 255, pixels[1])),
            lambda: trained(cnn(), (images[0] * 255, images[1]), adam(), 5),
            lambda: Run(mlp(), (pixels[0] / 255**1.5, pixels[1])),
        ],
        "unshuffled data": [lambda: Run(mlp(), _sorted(pixels)), lambda: Run(cnn(), _sorted(images))],
        "loss not near ln(classes) at the start": [
            lambda: Run(_with_last(mlp(), 20.0), pixels),
            lambda: Run(_with_last(cnn(), 20.0), images),
        ],
        "cannot over-fit ten samples": [
            lambda: Run(Behind(mlp(), lambda z: tg.relu(z - 20.0)), pixels),
            lambda: Run(Behind(cnn(), lambda z: z.detach()), images),
            lambda: Run(cnn().freeze(), images),
            lambda: Run(mlp(), (np.ones_like(pixels[0]), pixels[1])),
        ],
        "learning rate too high": [
            lambda: trained(mlp(), pixels, adam(1.0), 6),
            lambda: trained(cnn(), images, sgd(20.0), 6),
            lambda: trained(mlp(), pixels, sgd(20.0), 6)._replace(options={}),
            lambda: _with(cnn(), images, adam(1.0)),
        ],
        "learning rate too low": [
            lambda: trained(mlp(), pixels, adam(1e-6), 6),
            lambda: trained(cnn(), images, sgd(1e-4), 6),
            lambda: trained(mlp(), pixels, sgd(1e-4), 6)._replace(options={}),
        ],
        "vanishing gradients": [
            lambda: Run(mlp("sigmoid", (32,) * 10), pixels),
            lambda: trained(cnn("sigmoid", (8,) * 10), images, sgd(0.1), 4),
            lambda: Run(mlp("relu", (32,) * 6, **_normal(0.01)), pixels),
        ],
        "exploding gradients": [
            lambda: Run(mlp("relu", (32,) * 8, **_normal(1.5)), pixels),
            lambda: Run(cnn("relu", (8,) * 8, **_normal(1.5)), images),
        ],
        "dead units": [
            lambda: Run(_with_biases(mlp(), -5.0), pixels),
            lambda: trained(cnn(), images, adam(0.3), 6),
        ],
        "saturated units": [
            lambda: Run(mlp("tanh", **_normal(3.0)), pixels),
            lambda: Run(cnn("sigmoid", **_normal(30.0)), images),
        ],
        "over-fitting": [
            lambda: trained(mlp(hidden=(256, 256)), _noisy(pixels, 200), adam(3e-3), 40, more_pixels, None, 16),
            lambda: trained(cnn(widths=(32, 32)), _noisy(images, 100), adam(1e-2), 40, more_images, None, 16),
        ],
        "under-fitting": [
            lambda: trained(mlp(hidden=(1,)), pixels, adam(1e-2), 12),
            lambda: trained(nn.Sequential(*narrow), images, adam(3e-2), 12),
            lambda: trained(mlp(inputs=2, hidden=(), outputs=2), circle(0), adam(1e-2), 20),
        ],
    }
