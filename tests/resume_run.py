"""A training that is killed and goes on, for tests that compare its end with that of one left alone.

A network with dropout and batch norm, augmented batches that a thread prepares ahead, a schedule that remembers, and a
checkpoint after every few batches.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import tilegrad as tg
from tilegrad import nn
from tilegrad.io import safetensors
from tilegrad.optim.schedules import Product, ReduceOnPlateau, Warmup

EPOCHS, BATCHES, BATCH = 3, 7, 6
STEPS = EPOCHS * BATCHES


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(64, 3)
    )


def batches(images: Any, labels: Any, epoch: int, first: int) -> Iterator[tuple[tg.Tensor, tg.Tensor]]:
    """Shuffled and moved about, each sample by the seed, the epoch and its index; two are prepared ahead."""
    ready: queue.Queue[Any] = queue.Queue(2)

    def prepare() -> None:
        order = tg.permutation(len(images), tg.Generator(3, epoch)).numpy()
        for start in range(first * BATCH, len(images), BATCH):
            rows = order[start : start + BATCH]
            shifts = [tg.randint(0, 3, 2, generator=tg.Generator(3).fork(epoch * 1000 + int(r))).tolist() for r in rows]
            moved = [np.roll(images[r], s, axis=(0, 1)) for r, s in zip(rows, shifts, strict=True)]
            ready.put((tg.tensor(np.stack(moved)), tg.tensor(labels[rows])))
        ready.put(None)

    threading.Thread(target=prepare, daemon=True).start()
    while (batch := ready.get()) is not None:
        yield batch


def train(
    path: Path, every: int, before_step: Callable[[int], Any] = lambda step: None, keep_last: int = 3
) -> dict[str, bytes]:
    """Trains from the newest checkpoint to the end; what is there then, to the bit."""
    rng = np.random.default_rng(0)
    images = rng.random((BATCHES * BATCH - 2, 6, 6, 1)).astype(np.float32)
    labels = rng.integers(0, 3, len(images))
    tg.manual_seed(7)
    model = network()
    rate = Product([Warmup(0.01, steps=5), ReduceOnPlateau(1.0, monitor="loss", factor=0.5, patience=0)])
    optimizer = tg.optim.Adam(model.parameters(), lr=rate, amsgrad=True)
    loss = nn.CrossEntropyLoss()
    at: dict[str, Any] = {"epoch": 0, "batch": 0, "sum": 0.0, "losses": []}
    with tg.train.CheckpointFolder(path, keep_last, monitor="none") as folder:
        state = folder.latest()
        if state is not None:
            at = state["at"]
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            tg.default_generator.set_state(state["random"])
        while at["epoch"] < EPOCHS:
            for x, y in batches(images, labels, at["epoch"], at["batch"]):
                step = at["epoch"] * BATCHES + at["batch"]
                before_step(step)
                optimizer.zero_grad()
                found = loss(model(x), y)
                found.backward()
                optimizer.step()
                at["batch"] += 1
                at["sum"] += found.item()
                if at["batch"] == BATCHES:
                    at["losses"].append(at["sum"] / BATCHES)
                    optimizer.observe({"loss": at["losses"][-1]})
                    at.update(epoch=at["epoch"] + 1, batch=0, sum=0.0)
                if (step + 1) % every == 0:
                    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "at": at}
                    folder.save({**state, "random": tg.default_generator.state()}, {"loss": found.item()})
                if at["batch"] == 0:
                    break
    bits = {name: bytes(safetensors.as_bytes(tensor)) for name, tensor in model.state_dict().items()}
    bits |= {n: bytes(safetensors.as_bytes(t)) for n, t in optimizer.state_dict()["state"].items()}
    return bits | {"random": repr(tg.default_generator.state()).encode(), "losses": repr(at["losses"]).encode()}


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


def kill_at_call(fatal: int) -> None:
    """Ends this process before call number ``fatal`` by which files are written and removed, counted from now."""
    count = 0

    def counted(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count == fatal:
                kill()
            if name == "write":  # in pieces, so that the middle of the file is a boundary too
                args = (args[0], bytes(args[1])[:4000])
            return real(*args, **kwargs)

        setattr(owner, name, call)

    for name in ("open", "write", "fsync", "close", "replace"):
        counted(os, name)
    counted(Path, "unlink")


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
