"""A training step of a network with everything in it that a captured function must keep up with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tilegrad as tg
from tilegrad import nn

Batch = tuple[tg.Tensor, tg.Tensor]
RNG = np.random.default_rng(0)
BATCHES: list[Batch] = [
    (
        tg.tensor(RNG.standard_normal((size, 14, 14, 1)).astype(np.float32)),
        tg.tensor(RNG.integers(0, 10, size), dtype="int64"),
    )
    for size in [32, 32, 20, 32, 32, 32, 20, 20, 32, 20, 32, 32]
]

OPTIMIZERS: dict[str, tuple[type[tg.optim.Optimizer], dict[str, Any]]] = {
    "adam": (tg.optim.AdamW, {}),
    "sgd": (tg.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "nadam": (tg.optim.NAdam, {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    "adagrad": (tg.optim.Adagrad, {"lr_decay": 0.1}),
    "rmsprop": (tg.optim.RMSprop, {"centered": True, "momentum": 0.5, "l1_decay": 1e-3}),
    "adadelta": (tg.optim.Adadelta, {"max_norm": 0.5}),
    "lamb": (tg.optim.LAMB, {"maximize": True}),
}


class Setup:
    """A convolutional network with dropout and batch norm, its optimizer, and a training step."""

    def __init__(self, optimizer: str = "adam", clip_norm: float | None = None) -> None:
        tg.manual_seed(3)
        self.model = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding="same"), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2),
            nn.Conv2d(6, 8, 3, stride=2, activation="relu"), nn.Flatten(), nn.Linear(72, 10),
        )  # fmt: skip
        parameters = self.model.parameters()
        schedule = tg.optim.schedules.OneCycle(1e-2, steps=20)
        kind, options = OPTIMIZERS[optimizer]
        self.optimizer: Any = kind(parameters, lr=schedule, clip_norm=clip_norm, **options)

    def step(self, x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
        self.optimizer.zero_grad()
        loss = tg.cross_entropy(self.model(x), y, label_smoothing=0.1)
        loss.backward()
        self.optimizer.step()
        return loss

    def state(self) -> list[bytes]:
        saved = self.optimizer.state_dict()["state"]
        tensors = [*self.model.state_dict().values(), *saved.values()]
        return [tensor.numpy().tobytes() for tensor in tensors] + [repr(tg.random.default_generator.state()).encode()]


def mean_square_step(model: nn.Module, optimizer: tg.optim.Optimizer) -> Callable[[tg.Tensor], tg.Tensor]:
    """A training step that brings outputs towards 0, not captured yet."""

    def step(x: tg.Tensor) -> tg.Tensor:
        optimizer.zero_grad()
        loss = tg.mean(model(x) ** 2.0)
        loss.backward()
        optimizer.step()
        return loss

    return step


def losses(step: Callable[..., tg.Tensor], batches: list[Batch] = BATCHES) -> list[float]:
    return [step(x, y).item() for x, y in batches]
