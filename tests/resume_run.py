"""A fit that is killed and goes on, for tests that compare its end with that of one left alone.

A network with dropout and batch norm, batches that are augmented ahead by threads, a schedule that remembers, metrics
and validation, and a checkpoint after every few batches.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tilegrad as tg
from tilegrad import nn
from tilegrad.data import DataLoader, transforms
from tilegrad.io import safetensors
from tilegrad.optim.schedules import Product, ReduceOnPlateau, Warmup
from tilegrad.train import Callback, CheckpointFolder, Trainer

EPOCHS, BATCHES, BATCH = 3, 7, 6
STEPS = EPOCHS * BATCHES


class AfterStep(Callback):
    """Calls a function with the number of each step that is done, before anything of it is kept."""

    def __init__(self, call: Callable[[int], Any]) -> None:
        self.call = call

    def on_step_end(self, trainer: Trainer, step: int, results: Any) -> None:
        self.call(step)


def train(
    path: Path,
    every: int,
    after_step: Callable[[int], Any] = lambda step: None,
    capture: bool = False,
    prefetch: int = 2,
    keep_last: int = 3,
) -> dict[str, bytes]:
    """Trains from the newest checkpoint to the end; what is there then, to the bit."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (BATCHES * BATCH - 2, 8, 8, 1)).astype(np.uint8)
    labels = rng.integers(0, 3, len(images))
    augment = transforms.Compose(
        [transforms.RandomCrop(6, padding=1), transforms.RandomHorizontalFlip(), transforms.RandomRotation(20.0)]
    )
    loader = DataLoader((images, labels), BATCH, shuffle=True, seed=3, transform=augment, prefetch=prefetch, workers=2)
    validation = DataLoader((images[:9], labels[:9]), 4, transform=augment.deterministic())
    tg.manual_seed(7)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(64, 3)
    )
    rate = Product([Warmup(0.01, steps=5), ReduceOnPlateau(1.0, factor=0.5, patience=0)])
    optimizer = tg.optim.Adam(model.parameters(), lr=rate, amsgrad=True)
    trainer = Trainer(model, nn.CrossEntropyLoss(), optimizer, metrics=["accuracy"], capture=capture)
    trainer.fit(
        loader,
        epochs=EPOCHS,
        validation_data=validation,
        callbacks=[AfterStep(after_step)],
        verbose=0,
        checkpoint=CheckpointFolder(path / "checkpoints", keep_last),
        resume=True,
        checkpoint_every=every,
    )
    state = {**model.state_dict(), **optimizer.state_dict()["state"]}
    bits = {name: bytes(safetensors.as_bytes(tensor)) for name, tensor in state.items()}
    history = {name: values for name, values in trainer.history.items() if name != "samples_per_second"}
    plain = {"history": history, "random": tg.default_generator.state(), "groups": optimizer.state_dict()["groups"]}
    return bits | {name: repr(value).encode() for name, value in plain.items()}


def in_child(run: Callable[[], Any]) -> int:
    """What became of a process of its own that does ``run``: 0, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        try:
            run()
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill() -> None:
    """Ends this process, which can do nothing any more."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_call(name: str, fatal: int) -> None:
    """Ends this process before call number ``fatal`` of ``os.NAME``, or of ``Path.unlink``, counted from now."""
    owner: Any = Path if name == "unlink" else os
    real, count = getattr(owner, name), 0

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count == fatal:
            kill()
        return real(*args, **kwargs)

    setattr(owner, name, call)
