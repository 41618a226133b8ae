"""A fit that was cut off goes on from its checkpoint and ends with the same bits."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn
from tilegrad.train import Callback, CheckpointFolder, EarlyStopping, LearningRateLogger, TerminateOnNaN, Trainer

RNG = np.random.default_rng(7)
X = RNG.normal(size=(46, 5)).astype(np.float32)
Y = RNG.integers(0, 3, 46)
EPOCHS = 3
STEPS = 6 * EPOCHS  # batches of 8


class Memory:
    """A checkpoint folder that keeps everything, by step."""

    def __init__(self, path: Path) -> None:
        self.path, self.states, self.results = path, [], []  # type: Path, list[Any], list[Any]

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def save(self, state: Any, results: Any = None) -> bool:
        self.states.append(copy.deepcopy(state))
        self.results.append(results)
        return True

    def latest(self) -> Any:
        return copy.deepcopy(self.states[-1]) if self.states else None


def share(output: tg.Tensor, target: tg.Tensor) -> float:
    return float((output.numpy().argmax(-1) == target.numpy()).mean())


def make(capture: bool, accumulate: int = 1) -> Trainer:
    tg.manual_seed(11)
    model = nn.Sequential(
        nn.Linear(5, 16), nn.BatchNorm1d(16, momentum=None), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3)
    )
    plateau = tg.optim.schedules.ReduceOnPlateau(1.0, factor=0.5, patience=0)
    schedule = tg.optim.schedules.Product([tg.optim.schedules.OneCycle(0.05, steps=STEPS), plateau])
    optimizer = tg.optim.NAdam(model.parameters(), lr=schedule, weight_decay=0.01)
    metrics = ["accuracy", "f1", "confusion_matrix", share]
    return Trainer(model, nn.CrossEntropyLoss(), optimizer, metrics, capture=capture, accumulate=accumulate)


def callbacks() -> list[Callback]:
    return [LearningRateLogger(), EarlyStopping(patience=2), TerminateOnNaN()]


def fit(
    t: Trainer, folder: Any, resume: bool = False, every: int | None = 1, data: Any = (X, Y), **options: Any
) -> None:
    t.fit(
        data, options.pop("epochs", EPOCHS), 8, validation_data=(X[:20], Y[:20]), class_weight="balanced",
        callbacks=options.pop("callbacks", None) or callbacks(), seed=3, verbose=0, checkpoint=folder, resume=resume,
        checkpoint_every=every, **options,
    )  # fmt: skip


DATA = [(X[i : i + 8], Y[i : i + 8]) for i in range(0, 46, 8)]


def outcome(t: Trainer) -> Any:
    """All that must have the same bits."""
    history = {name: values for name, values in t.history.items() if name != "samples_per_second"}
    arrays = {name: [array.tolist() for array in values] for name, values in t.history.arrays.items()}
    optimizer = {name: tensor.numpy().tobytes() for name, tensor in t.optimizer.state_dict()["state"].items()}
    model = {path: tensor.numpy().tobytes() for path, tensor in t.model.state_dict().items()}
    return model, optimizer, history, arrays, t.history.epoch, t.optimizer.lr, tg.random.default_generator.state()


@pytest.mark.parametrize(("capture", "accumulate"), [(True, 1), (False, 1), (True, 4)])
def test_from_every_step(capture: bool, accumulate: int, tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    whole = make(capture, accumulate)
    fit(whole, memory)
    expected = outcome(whole)
    steps = [state["step"] for state in memory.states]
    assert {(state["epoch"], state["batch"]) for state in memory.states} >= {(0, 4), (1, 0), (2, 4), (3, 0)}
    assert len(steps) == (STEPS + EPOCHS if accumulate == 1 else 2 * EPOCHS)
    before = tg.get_num_threads()
    try:
        for number, state in enumerate(memory.states):
            tg.set_num_threads(1 + number % 3)
            rest = Memory(tmp_path)
            rest.states.append(state)
            t = make(capture, accumulate)
            tg.manual_seed(99 + number)  # the state brings its own
            fit(t, rest, resume=True)
            assert outcome(t) == expected, state["step"]
    finally:
        tg.set_num_threads(before)


@pytest.mark.parametrize("kind", ["loader", "list", "generator"])
def test_with_data_of_any_kind(kind: str, tmp_path: Path) -> None:
    def data() -> Any:
        if kind == "loader":
            loader = tg.data.DataLoader((X, Y), 8, shuffle=True, seed=4)
            loader.set_epoch(5)
            return loader
        return DATA if kind == "list" else iter(DATA * EPOCHS)

    options = {"steps_per_epoch": 6} if kind == "generator" else {}
    memory = Memory(tmp_path)

    def run(t: Trainer, folder: Any, resume: bool = False) -> Any:
        t.fit(
            data(),
            EPOCHS,
            callbacks=callbacks(),
            verbose=0,
            checkpoint=folder,
            resume=resume,
            checkpoint_every=1,
            **options,
        )
        return outcome(t)

    expected = run(make(True), memory)
    for state in memory.states[::3]:
        rest = Memory(tmp_path)
        rest.states.append(state)
        if kind == "loader":
            rest.states[-1]["loader"] = dict(state["loader"])
        assert run(make(True), rest, resume=True) == expected, state["step"]


class Dies(Callback):
    """As if the process were killed."""

    def __init__(self, at: int) -> None:
        self.at = at

    def on_step_end(self, trainer: Trainer, step: int, results: Any) -> None:
        if step == self.at:
            raise RuntimeError("killed")


def test_in_a_folder(tmp_path: Path) -> None:
    whole = make(True)
    fit(whole, tmp_path / "whole", every=None)
    expected = outcome(whole)
    t = make(True)
    run = tmp_path / "run"
    for at in (3, 10, 10, 16):
        t = make(True)
        with pytest.raises(RuntimeError, match="killed"):
            fit(t, run, resume=True, every=2, callbacks=[*callbacks(), Dies(at)])
    t = make(True)
    fit(t, run, resume=True, every=2)
    assert outcome(t) == expected
    assert t.run_folder == run
    assert tg.train.History.read_csv(run / "history.csv") == t.history
    assert outcome(whole)[2] == expected[2]
    about = json.loads((run / "run.json").read_text())
    assert len(about["begun"]) == 5
    assert about["model"]["architecture"]["kind"] == "Sequential"
    assert about["parameters"] == sum(p.size for p in t.model.parameters())
    assert about["arguments"]["epochs"] == EPOCHS
    assert about["optimizer"]["kind"] == "NAdam"
    assert about["environment"]["tilegrad"] == tg.__version__
    # A run that is done is done again at once, and goes on if it is to be longer.
    again = make(True)
    fit(again, run, resume=True, every=2)
    assert outcome(again)[:5] == expected[:5]
    longer = make(True)
    fit(longer, run, resume=True, epochs=EPOCHS + 1)
    assert longer.history.epoch == [0, 1, 2, 3]
    with pytest.raises(tg.ArgumentError, match=r"run' holds an earlier run: resume=True goes on with it"):
        fit(make(True), run)


def test_a_run_that_was_stopped_stays_stopped(tmp_path: Path) -> None:
    def run() -> Trainer:
        t = make(True)
        stopping = EarlyStopping("loss", patience=1, min_delta=9.0)
        t.fit((X, Y), 9, 8, callbacks=[stopping], verbose=0, checkpoint=tmp_path, resume=True)
        return t

    first, second = run(), run()
    assert first.stop_reason == second.stop_reason == "loss has not improved for 1 epoch"
    assert outcome(first)[0] == outcome(second)[0]  # the best weights
    assert first.history.epoch == second.history.epoch == [0, 1]


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    fit(make(False), memory, epochs=1)

    def resumed(t: Trainer, state: Any = None, **options: Any) -> None:
        folder = Memory(tmp_path)
        folder.states.append(memory.states[-1] if state is None else state)
        fit(t, folder, resume=True, **options)

    with pytest.raises(tg.ArgumentError, match=r"data are not those of the checkpoint: .*samples was 46, here 40"):
        resumed(make(False), data=(X[:40], Y[:40]))
    with pytest.raises(
        tg.ArgumentError, match=r"callbacks that are not given: EarlyStopping\.0; found TerminateOnNaN\.0"
    ):
        resumed(make(False), callbacks=[TerminateOnNaN()])
    with pytest.raises(tg.CheckpointError, match="not of a fit: it lacks version, model"):
        resumed(make(False), {"epoch": 3})
    with pytest.raises(tg.CheckpointError, match="of layout 9"):
        resumed(make(False), {**memory.states[-1], "version": 9})
    model = nn.Sequential(nn.Linear(5, 3))
    other = Trainer(model, nn.CrossEntropyLoss(), tg.optim.NAdam(model.parameters()))
    with pytest.raises(tg.StateDictError, match=r"unexpected: 1\.running_mean"):
        resumed(other)
    t = make(False)
    adam = Trainer(t.model, t.loss, tg.optim.Adam(t.model.parameters()))
    with pytest.raises(tg.ArgumentError, match="saved by NAdam, this is Adam"):
        resumed(adam)
    with pytest.raises(tg.ArgumentError, match="checkpoint must be a folder's path or a CheckpointFolder, found int"):
        fit(make(False), 3)
    with pytest.raises(tg.ArgumentError, match="checkpoint_every must be"):
        fit(make(False), memory, every=0)


def test_generators_that_layers_keep(tmp_path: Path) -> None:
    class Noise(nn.Module):
        def __init__(self) -> None:
            self.source = tg.Generator(5)

        def forward(self, x: tg.Tensor) -> tg.Tensor:
            return x + tg.randn(x.shape, generator=self.source)

    def run(folder: Any, resume: bool = False) -> Any:
        tg.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 3), Noise())
        t = Trainer(model, nn.CrossEntropyLoss(), tg.optim.SGD(model.parameters(), lr=0.1), capture=True)
        t.fit((X, Y), 2, 8, verbose=0, checkpoint=folder, resume=resume, checkpoint_every=1)
        return outcome(t)

    memory = Memory(tmp_path)
    expected = run(memory)
    for state in memory.states[::2]:
        rest = Memory(tmp_path)
        rest.states.append(state)
        assert run(rest, resume=True) == expected


def test_results_go_with_the_states_of_epochs(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "checkpoints", keep_last=2, keep_best=1)
    t = make(True)
    fit(t, folder, every=None)
    assert t.run_folder == tmp_path
    best = int(np.argmin(t.history["val_loss"]))
    found = folder.best()
    assert found is not None
    assert found["epoch"] == best + 1
    memory = Memory(tmp_path)
    fit(make(True), memory)
    assert [results is not None for results in memory.results].count(True) == EPOCHS
