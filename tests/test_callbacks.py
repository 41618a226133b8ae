"""Callbacks: when they are called, and what those that come with the trainer do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn
from tilegrad.train import Callback, EarlyStopping, History, LambdaCallback, ModelCheckpoint, Trainer

RNG = np.random.default_rng(5)
X = RNG.normal(size=(40, 3)).astype(np.float32)
Y = RNG.integers(0, 2, 40)


def trainer(lr: Any = 0.05, capture: bool = False, **options: Any) -> Trainer:
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 16, activation="tanh"), nn.BatchNorm1d(16), nn.Dropout(0.2), nn.Linear(16, 2))
    optimizer = tg.optim.Adam(model.parameters(), lr=lr)
    return Trainer(model, nn.CrossEntropyLoss(), optimizer, ["accuracy"], capture=capture, **options)


def weights(t: Trainer) -> dict[str, bytes]:
    return {path: tensor.numpy().tobytes() for path, tensor in t.model.state_dict().items()}


class Recorder(Callback):
    """Writes down what is called."""

    def __init__(self, inspected: tuple[int, ...] = ()) -> None:
        self.calls: list[Any] = []
        self._inspected = inspected

    def on_fit_begin(self, trainer: Trainer) -> None:
        self.calls.append("fit")

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        self.calls.append(("epoch", epoch))

    def on_step_end(self, trainer: Trainer, step: int, results: Mapping[str, float]) -> None:
        assert set(results) == {"loss", "accuracy"}
        assert all(type(value) is float for value in results.values())
        self.calls.append(step)

    def on_validation_begin(self, trainer: Trainer) -> None:
        self.calls.append("validation")

    def on_validation_end(self, trainer: Trainer) -> None:
        self.calls.append("validated")

    def on_epoch_end(self, trainer: Trainer, epoch: int, results: dict[str, float]) -> None:
        results["extra"] = float(epoch)
        self.calls.append(("end", epoch))

    def on_fit_end(self, trainer: Trainer) -> None:
        self.calls.append("fitted")

    def inspects(self, step: int) -> bool:
        return step in self._inspected

    def on_gradients(self, trainer: Trainer, step: int, batch: Any) -> None:
        self.before = weights(trainer)
        gradients = [p.grad for p in trainer.model.parameters()]
        assert any(gradient.numpy().any() for gradient in gradients)
        self.calls.append(("gradients", step, batch.inputs.shape))

    def on_updated(self, trainer: Trainer, step: int, batch: Any) -> None:
        assert self.before != weights(trainer)
        self.calls.append(("updated", step))


@pytest.mark.parametrize("capture", [False, True])
def test_the_order_of_calls(capture: bool) -> None:
    recorder = Recorder(inspected=(1, 2))
    seen: list[dict[str, float]] = []
    after = LambdaCallback(on_epoch_end=lambda trainer, epoch, results: seen.append(dict(results)))
    t = trainer(capture=capture)
    history = t.fit((X, Y), 2, 20, validation_data=(X, Y), callbacks=[recorder, after], verbose=0)
    shape = (20, 3)
    assert recorder.calls == [
        "fit",
        ("epoch", 0), 0, ("gradients", 1, shape), ("updated", 1), 1, "validation", "validated", ("end", 0),
        ("epoch", 1), ("gradients", 2, shape), ("updated", 2), 2, 3, "validation", "validated", ("end", 1),
        "fitted",
    ]  # fmt: skip
    assert history["extra"] == [0.0, 1.0]
    assert [row["extra"] for row in seen] == [0.0, 1.0]
    # Inspected steps have the same bits as others.
    plain = trainer(capture=capture)
    assert plain.fit((X, Y), 2, 20, validation_data=(X, Y), verbose=0)["loss"] == history["loss"]
    assert weights(plain) == weights(t)


def test_results_of_steps_are_the_means_so_far() -> None:
    seen: list[float] = []
    look = LambdaCallback(on_step_end=lambda trainer, step, results: seen.append(results["loss"]))
    history = trainer().fit((X, Y), 2, 10, callbacks=[look], verbose=0)
    assert [seen[3], seen[7]] == history["loss"]
    single: list[float] = []
    look = LambdaCallback(on_epoch_end=lambda trainer, epoch, results: single.append(results["loss"]))
    trainer().fit((X, Y), 8, 10, steps_per_epoch=1, callbacks=[look], verbose=0)
    assert seen[0] == single[0]


def test_stop_ends_the_epoch() -> None:
    t = trainer()
    stop = LambdaCallback(on_step_end=lambda trainer, step, results: trainer.stop("enough") if step == 5 else None)
    history = t.fit((X, Y), 9, 10, validation_data=(X, Y), callbacks=[stop], verbose=0)
    assert history.epoch == [0, 1]
    assert t.optimizer.steps == 6
    assert not math.isnan(history["val_loss"][1])
    assert t.stop_reason == "enough"
    t.fit((X, Y), 1, 10, verbose=0)
    assert t.stop_reason is None


class Scripted(Callback):
    """Puts given values in the place of a result, so that a test says what happens."""

    def __init__(self, **columns: list[float]) -> None:
        self.columns = columns
        self.weights: list[dict[str, bytes]] = []

    def on_epoch_end(self, trainer: Trainer, epoch: int, results: dict[str, float]) -> None:
        results.update({name: column[epoch] for name, column in self.columns.items()})
        self.weights.append(weights(trainer))


@pytest.mark.parametrize(
    ("options", "values", "epochs", "best"),
    [
        ({"patience": 2}, [3, 2, 2.5, 2, 9, 9], 4, 1),
        ({"patience": 1}, [3, 2, 1, 0, 0, 0], 5, 3),
        ({"patience": 2, "min_delta": 0.6}, [3, 2.5, 2, 2, 9, 9], 5, 2),  # 2 is better than 3 by more, 2.5 is not
        ({"patience": 2, "mode": "max"}, [1, 3, 2, 3, 4, 4], 4, 1),
        ({"patience": 2, "start": 2}, [0, 1, 3, 2, 2, 2], 6, 3),
        ({"patience": 3}, [math.nan, 2, math.nan, math.nan, math.nan, 1], 5, 1),
        ({"patience": 9}, [3, 2, 1, 2, 3, 4], 6, 2),
    ],
)
def test_early_stopping(options: dict[str, Any], values: list[float], epochs: int, best: int) -> None:
    t, script, stopping = trainer(), Scripted(val_loss=values), EarlyStopping(**options)
    history = t.fit((X, Y), 6, callbacks=[script, stopping], verbose=0)
    assert len(history.epoch) == epochs
    assert stopping.best_epoch == best
    assert weights(t) == script.weights[best]  # running statistics included
    if epochs < 6:
        assert t.stop_reason == f"val_loss has not improved for {stopping.patience} epoch" + "s" * (
            stopping.patience > 1
        )
    # Used again it begins anew.
    t.fit((X, Y), 1, callbacks=[Scripted(val_loss=[7.0]), stopping], verbose=0)
    assert stopping.monitor.best == 7.0 or options.get("start")


def test_early_stopping_of_a_loss_that_stands_still() -> None:
    losses = [3.0, 2.0, 1.9999, 1.5, 1.49999, 1.49998, 1.4]
    t = trainer()
    stopping = EarlyStopping("loss", patience=2, min_change=1e-3, restore_best=False)
    script = Scripted(loss=losses)
    history = t.fit((X, Y), 7, callbacks=[script, stopping], verbose=0)
    assert len(history.epoch) == 6
    assert t.stop_reason == "loss has changed by less than 0.001 for 2 epochs"
    assert weights(t) == script.weights[5]


def test_early_stopping_watches_a_metric() -> None:
    stopping = EarlyStopping("val_accuracy", patience=1)
    assert stopping.monitor.mode == "max"
    for name in ("balanced_accuracy", "val_macro_f1", "top5", "val_roc_auc", "mean_iou", "val_Accuracy"):
        assert EarlyStopping(name).monitor.mode == "max", name
    for name in ("val_loss", "mse", "val_mae", "accuracy_loss", "top1_error", "perplexity"):
        assert EarlyStopping(name).monitor.mode == "min", name
    with pytest.raises(
        tg.ArgumentError, match=r"EarlyStopping watches 'val_accuracy', found only loss, .*validation_data"
    ):
        trainer().fit((X, Y), 2, callbacks=[stopping], verbose=0)
    trainer().fit((X, Y), 2, callbacks=[EarlyStopping()], verbose=0)  # the training loss stands for val_loss
    for options, message in (
        ({"patience": 0}, "patience must be a positive integer, found 0"),
        ({"mode": "least"}, 'mode must be "min", "max" or "auto"'),
        ({"min_delta": -1}, "min_delta must be finite, at least 0"),
        ({"min_change": -1}, "min_change must be finite, at least 0"),
    ):
        with pytest.raises(tg.ArgumentError, match=message):
            EarlyStopping(**options)


def test_model_checkpoint(tmp_path: Path) -> None:
    values = [3.0, 1.0, 2.0, 0.5]
    keep = ModelCheckpoint(tmp_path / "sub" / "m-{epoch}-{val_loss:.1f}.safetensors")
    every = ModelCheckpoint(str(tmp_path / "all-{epoch}.safetensors"), best_only=False, every=2)
    script, t = Scripted(val_loss=values), trainer()
    t.fit((X, Y), 4, callbacks=[script, keep, every], verbose=0)
    assert sorted(path.name for path in (tmp_path / "sub").iterdir()) == [
        "m-1-3.0.safetensors", "m-2-1.0.safetensors", "m-4-0.5.safetensors",
    ]  # fmt: skip
    assert [Path(path).name for path in every.saved] == ["all-2.safetensors", "all-4.safetensors"]
    loaded = tg.load(keep.saved[1])
    assert {p: t.numpy().tobytes() for p, t in loaded.state_dict().items()} == script.weights[1]
    with pytest.raises(tg.ArgumentError, match="names 'speed', found epoch, loss"):
        t.fit((X, Y), 1, callbacks=[ModelCheckpoint("{speed}")], verbose=0)
    with pytest.raises(tg.ArgumentError, match="every must be a positive integer"):
        ModelCheckpoint("x", every=0)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.warns(UserWarning, match="ModelCheckpoint: .* was not written .*; training goes on"):
        t.fit((X, Y), 1, callbacks=[ModelCheckpoint(blocked / "m")], verbose=0)


def test_learning_rates() -> None:
    schedule = tg.optim.schedules.InverseTime(0.1, 0.5)
    logger = tg.train.LearningRateLogger()
    history = trainer(lr=schedule).fit((X, Y), 2, 20, callbacks=[logger], verbose=0)
    assert history["lr"] == [schedule(1), schedule(3)]
    model = nn.Sequential(nn.Linear(3, 2))
    groups = [{"params": [model[0].weight], "lr": 0.1}, {"params": [model[0].bias], "lr": 0.2}]
    t = Trainer(model, nn.CrossEntropyLoss(), tg.optim.SGD(groups, lr=0.3))
    history = t.fit((X, Y), 1, callbacks=[logger], verbose=0)
    assert (history["lr_0"], history["lr_1"]) == ([0.1], [0.2])


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    t = trainer()
    callbacks = [tg.train.LearningRateLogger(), tg.train.CSVLogger(path)]
    history = t.fit((X, Y), 3, validation_data=(X, Y), callbacks=callbacks, verbose=0)
    found = History.read_csv(path)
    assert found == history
    assert found.epoch == [0, 1, 2]
    more = t.fit((X, Y), 2, callbacks=[tg.train.CSVLogger(path, append=True)], verbose=0)
    found = History.read_csv(path)
    assert found["loss"] == history["loss"] + more["loss"]
    assert found.epoch == [0, 1, 2, 3, 4]
    with pytest.warns(UserWarning, match="CSVLogger: .* was not written"):
        t.fit((X, Y), 1, callbacks=[tg.train.CSVLogger(tmp_path / "none" / "log.csv")], verbose=0)


@pytest.mark.parametrize("append", [False, True])
def test_csv_of_a_run_that_goes_on(tmp_path: Path, append: bool) -> None:
    path = tmp_path / "log.csv"

    def run(epochs: int, **options: Any) -> History:
        return trainer().fit((X, Y), epochs, callbacks=[tg.train.CSVLogger(path, append)], verbose=0, **options)

    other = run(2)["loss"] if append else []
    run(3, checkpoint=tmp_path / "run")
    whole = run(5, checkpoint=tmp_path / "run", resume=True)
    found = History.read_csv(path)
    assert found.epoch == list(range(len(other) + 5))
    assert found["loss"] == other + whole["loss"]


def test_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    board = tg.train.TensorBoard(tmp_path / "runs", every=2)
    history = trainer().fit((X, Y), 3, 10, validation_data=(X, Y), callbacks=[board], verbose=0)
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = reading.EventAccumulator(str(tmp_path / "runs"))
    events.Reload()
    for name in ("loss", "accuracy", "val_loss"):
        scalars = events.Scalars(f"epoch/{name}")
        assert [scalar.step for scalar in scalars] == [1, 2, 3]
        np.testing.assert_allclose([scalar.value for scalar in scalars], history[name], rtol=1e-6)
    assert [scalar.step for scalar in events.Scalars("step/loss")] == [2, 4, 6, 8, 10, 12]
    np.testing.assert_allclose([scalar.value for scalar in events.Scalars("step/lr")], 0.05)
    with pytest.raises(tg.ArgumentError, match="every must be"):
        tg.train.TensorBoard("runs", every=0)


def test_tensorboard_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(tg.MissingExtraError, match=r'pip install "tilegrad\[tensorboard\]"'):
        trainer().fit((X, Y), callbacks=[tg.train.TensorBoard("runs")], verbose=0)


def test_functions_as_callbacks() -> None:
    seen: list[str] = []
    names = [name for name in vars(Callback) if name.startswith("on_")]
    functions = {name: (lambda *arguments, name=name: seen.append(name)) for name in names}
    trainer().fit((X, Y), 1, 40, validation_data=(X, Y), callbacks=[LambdaCallback(**functions)], verbose=0)
    assert seen == [
        "on_fit_begin", "on_epoch_begin", "on_step_end", "on_validation_begin", "on_validation_end", "on_epoch_end",
        "on_fit_end",
    ]  # fmt: skip
    with pytest.raises(
        tg.ArgumentError, match=r"LambdaCallback: on_batch=.* must be a function under one of on_fit_begin"
    ):
        LambdaCallback(on_batch=print)
    with pytest.raises(tg.ArgumentError, match="on_fit_end=3 must be a function"):
        LambdaCallback(on_fit_end=3)  # type: ignore[arg-type]
