"""What tests/test_distributed.py starts with mpirun: ``distributed_worker.py SCENARIO FOLDER``.

Scenarios are functions that check what all ranks must see; rank 0 writes what the test compares into the folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tilegrad as tg
from tilegrad import nn

RNG = np.random.default_rng(1)
X = RNG.normal(size=(130, 7)).astype(np.float32)
Y = RNG.integers(0, 3, 130)
GLOBAL = 36  # samples of an update, of all ranks together; an epoch's last has 130 - 3 * 36 = 22

rank, size = tg.distributed.rank, tg.distributed.size
Joins = dict[str, Callable[..., Any]]


def digest(model: nn.Module) -> str:
    """Of the bits of all parameters and buffers."""
    whole = hashlib.sha256()
    for path, tensor in model.state_dict().items():
        whole.update(path.encode() + tensor.numpy().tobytes())
    return whole.hexdigest()


def same_everywhere(value: Any) -> Any:
    found = tg.distributed.all_gather(value)
    assert all(other == found[0] for other in found), found
    return found[0]


def network(norm: bool = False, dropout: float = 0.0, hidden: int = 16) -> nn.Sequential:
    norms = [nn.BatchNorm1d(hidden, momentum=None)] if norm else []
    dropouts = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(nn.Linear(7, hidden), *norms, nn.ReLU(), *dropouts, nn.Linear(hidden, 3))


def trainer(
    optimizer: str = "sgd",
    clip: float | None = None,
    capture: bool = False,
    loss: Any = None,
    metrics: Any = ("accuracy", "confusion_matrix"),
    accumulate: int = 1,
    seed: int = 3,
    **options: Any,
) -> tg.train.Trainer:
    tg.manual_seed(seed)
    model = network(**options)
    made = {
        "sgd": lambda: tg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, clip_norm=clip),
        "adam": lambda: tg.optim.Adam(model.parameters(), lr=0.01, clip_norm=clip),
    }[optimizer]()
    return tg.train.Trainer(
        model, loss or nn.CrossEntropyLoss(), made, list(metrics), capture, accumulate=accumulate, distributed=True
    )


def fit(t: tg.train.Trainer, epochs: int = 2, **options: Any) -> dict[str, Any]:
    """Trains with the whole batches that one process would have; what came out, the same on all ranks."""
    history = t.fit((X, Y), epochs, GLOBAL // size(), validation_data=(X[:40], Y[:40]), seed=5, verbose=0, **options)
    columns = same_everywhere(dict(history))
    matrices = [matrix.tolist() for matrix in history.arrays.get("confusion_matrix", [])]
    weights = np.concatenate([tensor.numpy().ravel() for tensor in t.model.state_dict().values()])
    return {
        "digest": same_everywhere(digest(t.model)),
        "history": {name: values for name, values in columns.items() if name != "samples_per_second"},
        "matrices": same_everywhere(matrices),
        "weights": weights.tolist(),
    }


CASES: dict[str, dict[str, Any]] = {
    "momentum": {"optimizer": "sgd"},
    "adam, captured": {"optimizer": "adam", "capture": True},
    "clipped": {"optimizer": "sgd", "clip": 0.05, "capture": True},
    "accumulated": {"optimizer": "sgd", "accumulate": 2, "capture": True},
    "ignored label": {"optimizer": "sgd", "loss": nn.CrossEntropyLoss(ignore_index=2)},
}


def training(folder: Path) -> None:
    """Cases that one process computes alike, and some that it does not: batch norm, dropout, other weights."""
    found = {name: fit(trainer(**case)) for name, case in CASES.items()}
    found["class weights"] = fit(trainer(), class_weight="balanced")
    found["norm and dropout"] = fit(trainer("adam", norm=True, dropout=0.3, capture=True))
    found["averaged"] = fit(trainer(norm=True), callbacks=[tg.train.SWA(start=1)])
    # Rank 0's weights are the ones that count, and a rank's empty part of a batch does no harm: 109 = 3 * 36 + 1.
    t = trainer(seed=3 + rank())
    t.fit((X[:109], Y[:109]), 2, GLOBAL // size(), verbose=0)
    found["a last batch of one"] = {"digest": same_everywhere(digest(t.model))}
    write(folder, found)


def sums(folder: Path) -> None:
    """all_reduce, for every dtype and operation, against the order that it promises."""
    joins: Joins = {"sum": np.add, "mean": np.add, "max": np.maximum, "min": np.minimum}
    whole = hashlib.sha256()
    for dtype in ("float32", "float64", "bfloat16", "float16", "int32", "int64", "uint8", "bool"):
        narrow = dtype in ("bfloat16", "float16")
        for shape in ((), (0,), (3, 5), (20_011,)):
            values = np.random.default_rng(2).normal(size=(size(), *shape)) * 10
            every = [tg.tensor(abs(value)).astype("float32" if narrow else "float64").astype(dtype) for value in values]
            for op, join in joins.items():
                if op == "mean" and not every[0].dtype.is_floating:
                    continue
                found = tg.distributed.all_reduce(every[rank()], op)
                wide = "float32" if narrow else dtype if op != "sum" or "float" in dtype else "int64"
                arrays = [tensor.astype(wide).numpy() for tensor in every]
                expected = arrays[0].copy()
                for array in arrays[1:]:
                    expected = join(expected, array)
                if op == "mean":
                    expected = expected / np.asarray(size(), expected.dtype)
                assert found.shape == shape
                assert found.tolist() == tg.tensor(expected).astype(found.dtype).tolist(), (dtype, shape, op)
                whole.update(repr(found.tolist()).encode())
    assert tg.distributed.all_reduce(rank() + 0.5, "mean") == size() / 2
    assert tg.distributed.all_reduce(rank(), "max") == size() - 1
    assert tg.distributed.all_gather(tg.full((rank() + 1,), 2.0))[-1].tolist() == [2.0] * size()
    assert tg.distributed.broadcast(tg.full((2,), float(rank())), root=1).tolist() == [1.0, 1.0]
    assert tg.distributed.broadcast({"rank": rank()}) == {"rank": 0}
    tg.distributed.barrier()
    write(folder, {"digest": same_everywhere(whole.hexdigest())})


class Broken(tg.train.Callback):
    """Ends a fit at a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, trainer: tg.train.Trainer, step: int, results: Any) -> None:
        if step == self.step:
            raise RuntimeError("broken off")


def resuming(folder: Path) -> None:
    """A fit that was broken off within an epoch goes on with the bits of one that was not; one rank writes."""

    def made() -> tg.train.Trainer:
        return trainer("adam", norm=True, dropout=0.3, capture=True)

    whole = fit(made(), epochs=3)
    options: Any = {"epochs": 3, "checkpoint": folder / "run", "checkpoint_every": 1, "resume": True}
    try:
        fit(made(), callbacks=[Broken(5)], **options)
    except RuntimeError:
        tg.distributed.barrier()
    resumed = made()
    log = tg.train.CSVLogger(folder / "log.csv")
    model_file = tg.train.ModelCheckpoint(folder / "models" / "{epoch}.safetensors", best_only=False)
    again = fit(resumed, callbacks=[log, model_file], **options)
    assert again == whole, (again["history"], whole["history"])
    # What is drawn after a fit is the same on all ranks again.
    same_everywhere(tg.rand(3).tolist())
    write(folder, {"files": sorted(path.name for path in (folder / "models").iterdir())})


def loop(folder: Path) -> None:
    """A loop of the user's own, with a loader's shards."""
    tg.manual_seed(3)
    model = network()
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    replicas = tg.distributed.DataParallel(model, optimizer)
    loader = tg.data.DataLoader((X, Y), GLOBAL // size(), shuffle=True, seed=5, shard=(rank(), size()))
    for _ in range(2):
        for x, y in loader:
            optimizer.zero_grad()
            nn.CrossEntropyLoss()(model(x), y).backward()
            replicas.average_gradients(len(x))
            optimizer.step()
    same_everywhere(digest(model))
    write(folder, {"weights": [value for t in model.parameters() for value in t.numpy().ravel().tolist()]})


def not_finite(folder: Path) -> None:
    """One rank's samples are not finite: all leave the update out, and name the same samples."""
    x = X.copy()
    x[77, 2] = np.inf
    t = trainer()
    before: list[str] = []

    class Watch(tg.train.Callback):
        watches_finiteness = True

        def on_not_finite(self, trainer: tg.train.Trainer, finding: tg.train.Finding) -> None:
            before.append(finding.message)
            trainer.stop("not finite")

    t.fit((x, Y), 1, GLOBAL // size(), callbacks=[Watch()], verbose=0)
    assert all(np.isfinite(tensor.numpy()).all() for tensor in t.model.parameters())
    same_everywhere(digest(t.model))
    write(folder, {"found": same_everywhere(before)})


def failing(folder: Path) -> None:
    """The last rank raises in the middle of an epoch."""
    t = trainer()
    t.fit((X, Y), 3, 6, callbacks=[Broken(4)] if rank() == size() - 1 else [], verbose=0)


def mismatched(folder: Path) -> None:
    """The last rank makes another model."""
    trainer(hidden=16 + (rank() == size() - 1)).fit((X, Y), verbose=0)


def elsewhere(folder: Path) -> None:
    """The last rank ends its epoch when it likes."""

    class Stop(tg.train.Callback):
        def on_step_end(self, trainer: tg.train.Trainer, step: int, results: Any) -> None:
            if rank() == size() - 1:
                trainer.stop("enough")

    trainer().fit((X, Y), callbacks=[Stop()], verbose=0)


def exiting(folder: Path) -> None:
    """The last rank leaves the program in the middle of an epoch."""

    class Leave(tg.train.Callback):
        def on_step_end(self, trainer: tg.train.Trainer, step: int, results: Any) -> None:
            if rank() == size() - 1:
                sys.exit(3)

    trainer().fit((X, Y), callbacks=[Leave()], verbose=0)


def interrupted(folder: Path) -> None:
    """The last rank gets SIGINT: all end the fit after the same step."""

    class Interrupt(tg.train.Callback):
        def on_step_end(self, trainer: tg.train.Trainer, step: int, results: Any) -> None:
            if rank() == size() - 1 and step == 1:
                os.kill(os.getpid(), signal.SIGINT)

    t = trainer()
    t.fit((X, Y), 5, GLOBAL // size(), callbacks=[Interrupt()], verbose=0)
    same_everywhere(digest(t.model))
    write(folder, same_everywhere({"reason": t.stop_reason, "updates": t.optimizer.steps, "epochs": t.history.epoch}))


def printing(folder: Path) -> None:
    """Lines of epochs, which one rank prints."""
    trainer().fit((X, Y), 2, verbose=2)


def write(folder: Path, found: Any) -> None:
    if tg.distributed.is_main():
        (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
