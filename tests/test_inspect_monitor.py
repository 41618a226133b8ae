"""Monitor: what it finds are the run's numbers, and the run is what it is without it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn
from tilegrad.inspect.records import from_json, to_json

RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 6)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(np.int64)


def mlp() -> nn.Module:
    return nn.Sequential(
        nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 8, activation="tanh"), nn.Linear(8, 2)
    )


def trainer(capture: bool = False, seed: int = 0, optimizer: Any = None, **options: Any) -> tg.train.Trainer:
    tg.manual_seed(seed)
    model = mlp()
    made = tg.optim.Adam(model.parameters(), lr=0.01) if optimizer is None else optimizer(model)
    return tg.train.Trainer(model, nn.CrossEntropyLoss(), made, metrics=["accuracy"], capture=capture, **options)


def fit(run: tg.train.Trainer, callbacks: list[Any], epochs: int = 4) -> tuple[bytes, dict[str, list[float]]]:
    history = dict(run.fit((X, Y), epochs=epochs, batch_size=16, verbose=0, callbacks=callbacks))
    del history["samples_per_second"]
    return b"".join(p.detach().numpy().tobytes() for p in run.model.parameters()), history


@pytest.mark.parametrize("capture", [False, True])
def test_a_run_has_the_same_bits_with_a_monitor(capture: bool) -> None:
    monitor = tg.inspect.Monitor(every=5, budget=None)
    assert fit(trainer(capture), []) == fit(trainer(capture), [monitor])
    assert [found.step for found in monitor.inspections] == [0, 5, 10, 15, 20]
    assert [found.epoch for found in monitor.inspections] == [0, 0, 1, 2, 3]
    replayed = tg.inspect.Monitor(every=5, budget=None)
    fit(trainer(not capture), [replayed])
    assert to_json(replayed.inspections) == to_json(monitor.inspections)


class Witness(tg.train.Callback):
    """Keeps the weights and gradients of a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def inspects(self, step: int) -> bool:
        return step == self.step

    def on_gradients(self, trainer: Any, step: int, batch: Any) -> None:
        named = list(trainer.model.named_parameters())
        self.weights = {path: p.detach().numpy().astype(np.float64) for path, p in named}
        self.gradients = {path: p.grad.numpy().astype(np.float64) for path, p in named}

    def on_updated(self, trainer: Any, step: int, batch: Any) -> None:
        self.after = {path: p.detach().numpy().astype(np.float64) for path, p in trainer.model.named_parameters()}


def test_norms_ratios_and_histograms_are_those_of_the_run() -> None:
    monitor, witness = tg.inspect.Monitor(every=7, budget=None), Witness(7)
    fit(trainer(), [witness, monitor])
    found = monitor.inspections[1]
    assert found.step == 7
    assert list(found.parameters) == ["0.weight", "0.bias", "3.weight", "3.bias", "4.weight", "4.bias"]
    for path, part in found.parameters.items():
        w, g, after = witness.weights[path], witness.gradients[path], witness.after[path]
        tolerance = (w.size + 4) * 2**-24  # of sums in float32
        assert part.norm == pytest.approx(np.linalg.norm(w), rel=tolerance)
        assert part.gradient_norm == pytest.approx(np.linalg.norm(g), rel=tolerance)
        ratio = np.linalg.norm(after - w) / np.linalg.norm(w)
        # The difference is exact where weights hardly change; the ratio is that of rounded norms.
        assert part.update_ratio == pytest.approx(ratio, rel=2 * tolerance)
        assert (part.weights.low, part.weights.high, sum(part.weights.counts)) == (w.min(), w.max(), w.size)
        assert part.gradients is not None
        assert (part.gradients.low, part.gradients.high) == (g.min(), g.max())
    layer = found.layers()["0"]
    w = np.concatenate([witness.weights[f"0.{name}"].reshape(-1) for name in ("weight", "bias")])
    after = np.concatenate([witness.after[f"0.{name}"].reshape(-1) for name in ("weight", "bias")])
    assert layer.norm == pytest.approx(np.linalg.norm(w), rel=1e-5)
    assert layer.update_ratio == pytest.approx(np.linalg.norm(after - w) / np.linalg.norm(w), rel=1e-5)
    steps, ratios = monitor.series("update_ratio")["0"]
    assert (steps[1], ratios[1]) == (7, layer.update_ratio)


def test_activations_are_those_of_the_step() -> None:
    monitor = tg.inspect.Monitor(every=4, budget=None)
    run = trainer()
    with tg.no_grad():
        run.model[0].bias.copy_(tg.tensor(np.where(np.arange(16) < 4, -99, 0).astype(np.float32)))  # four die
        run.model[3].weight.copy_(run.model[3].weight * 1e4)
    fit(run, [monitor], epochs=1)
    found = monitor.inspections[0].activations
    assert [(name, part.kind) for name, part in found.items()] == [("0", ""), ("1", "relu"), ("3", "tanh"), ("4", "")]
    assert found["1"].dead == 0.25
    assert found["3"].saturated == 1.0
    assert (found["1"].saturated, found["3"].dead, found["0"].dead) == (None, None, None)
    assert (found["3"].outputs.low, found["3"].outputs.high) == pytest.approx((-1, 1))
    assert monitor.series("dead") == {"1": ([0, 4], [0.25, 0.25])}
    assert set(monitor.series("std")) == {"0", "1", "3", "4"}
    without = tg.inspect.Monitor(every=4, budget=None, activations=False)
    fit(trainer(), [without], epochs=1)
    assert not without.inspections[0].activations
    with pytest.raises(tg.ArgumentError, match=r"Monitor\.series: expected one of norm, .*; found 'speed'"):
        monitor.series("speed")


def test_losses_are_those_that_the_trainer_shows() -> None:
    monitor = tg.inspect.Monitor(every=1, budget=None)
    _, history = fit(trainer(), [monitor], epochs=2)
    steps, losses = monitor.losses()
    assert steps == list(range(12))
    assert [losses[5], losses[11]] == history["loss"]


def test_frozen_unused_and_zero_parameters() -> None:
    tg.manual_seed(0)
    model = mlp()
    model[0].freeze()
    run = tg.train.Trainer(model, nn.CrossEntropyLoss(), tg.optim.SGD(model.parameters(), lr=0.1))
    monitor = tg.inspect.Monitor(every=100, budget=None)
    fit(run, [monitor], epochs=1)
    parts = monitor.inspections[0].parameters
    assert (parts["0.weight"].gradient_norm, parts["0.weight"].update_ratio, parts["0.weight"].gradients) == (None,) * 3
    assert parts["3.bias"].norm == 0
    assert parts["3.bias"].update_ratio is None  # nothing to compare with
    assert parts["3.weight"].update_ratio is not None
    assert "0" not in monitor.series("update_ratio")
    assert "0" in monitor.series("norm")


def test_batches_whose_update_comes_later() -> None:
    monitor = tg.inspect.Monitor(every=1, budget=None)
    fit(trainer(accumulate=3), [monitor], epochs=1)
    ratios = [found.parameters["0.weight"].update_ratio for found in monitor.inspections]
    assert [ratio is None for ratio in ratios] == [True, True, False, True, True, False]


def test_too_many_inspections_are_thinned() -> None:
    monitor = tg.inspect.Monitor(every=1, budget=None, most=8)
    fit(trainer(), [monitor], epochs=6)  # 36 steps
    steps = [found.step for found in monitor.inspections]
    assert len(steps) <= 8
    assert steps == list(range(0, 36, 8))
    assert monitor.every == 8


def looks_of(monitor: tg.inspect.Monitor, steps: int, look: float) -> list[int]:
    """The steps that a monitor looks at, on a clock of our own: a step takes 1 ms, a look so many seconds."""
    now = [0.0]
    clock: Any = type("Clock", (), {"perf_counter": staticmethod(lambda: now[0])})
    run: Any = type("Run", (), {"model": nn.Linear(2, 2)})()
    looks = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tilegrad.inspect.monitor.time", clock)
        monitor.on_fit_begin(run)
        for step in range(steps):
            if monitor.inspects(step):
                looks.append(step)
                monitor.on_gradients(run, step, None)
                monitor.on_updated(run, step, None)
                now[0] += look
            now[0] += 0.001
            monitor.on_step_end(run, step, {"loss": 1.0})
        monitor.on_fit_end(run)
    return looks


def test_the_budget_is_kept() -> None:
    monitor = tg.inspect.Monitor(every=10, budget=0.02)
    looks = looks_of(monitor, 20000, look=0.030)
    assert looks[0] == 0  # the first is there, whatever it costs
    total = 0.001 * 20000 + 0.030 * len(looks)
    assert 0.018 * total < 0.030 * len(looks) <= 0.02 * total
    assert monitor.overhead == pytest.approx(0.030 * len(looks) / total, rel=1e-3)
    assert min(np.diff(looks)) > 1000


def test_a_cheap_look_is_made_as_often_as_was_asked() -> None:
    assert looks_of(tg.inspect.Monitor(every=10, budget=0.02), 200, look=0.0001) == list(range(0, 200, 10))


def test_files_and_states() -> None:
    monitor = tg.inspect.Monitor(every=3, budget=None)
    run = trainer()
    with tg.no_grad():
        run.model[0].weight.copy_(tg.full((6, 16), math.inf))
    fit(run, [monitor], epochs=1)
    text = to_json(monitor.inspections)
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    other = tg.inspect.Monitor(every=3, budget=None)
    other.restore(json.loads(json.dumps(monitor.state())))
    assert to_json(other.inspections) == text
    assert (other.every, other._due) == (3, monitor._due)
    assert repr(other) == "Monitor(every=3, inspections=2)"
    other.on_fit_begin(run)  # of the run that goes on: nothing is lost
    assert len(other.inspections) == 2
    other.on_fit_begin(run)  # of another run
    assert not other.inspections
    assert other.inspects(0)
    other.on_fit_end(run)


def test_monitor_json(tmp_path: Path) -> None:
    monitor = tg.inspect.Monitor(every=3, budget=None)
    run = trainer()

    class Folder(tg.train.Callback):
        def on_fit_begin(self, trainer: Any) -> None:
            trainer.run_folder = tmp_path

    fit(run, [Folder(), monitor], epochs=2)
    assert from_json(tmp_path / "monitor.json") == monitor.inspections
    for text in ("", "[]", "{}", '{"inspections": [{}]}', '{"inspections": 3}', "[" * 10**5, "\xff"):
        (tmp_path / "monitor.json").write_text(text, "latin-1")
        with pytest.raises(tg.DataError, match=r"monitor\.json: not the inspections of a Monitor"):
            from_json(tmp_path / "monitor.json")


def test_an_error_in_a_step_leaves_no_hooks() -> None:
    monitor = tg.inspect.Monitor(every=1, budget=None)
    run = trainer()
    with pytest.raises(tg.ShapeError):
        run.fit((X[:, :3], Y), verbose=0, callbacks=[monitor])
    fit(run, [tg.inspect.Monitor(every=100)], epochs=1)
    run.fit((X, Y), verbose=0)
    monitor.on_fit_end(run)
    assert not any(layer._hooks or layer._pre_hooks for layer in run.model.modules())


def test_bad_arguments() -> None:
    for arguments, message in (
        ({"every": 0}, "every must be an integer from 1 up, found 0"),
        ({"every": 1.5}, r"every must be an integer from 1 up, found 1\.5"),
        ({"budget": 0.0}, "budget must be above 0 and at most 1, or None, found 0"),
        ({"budget": "2 %"}, "budget must be above 0"),
        ({"most": 1}, "most must be an integer from 2 up, found 1"),
    ):
        with pytest.raises(tg.ArgumentError, match=message):
            tg.inspect.Monitor(**arguments)


def test_not_looking_costs_next_to_nothing() -> None:
    """Between two looks a monitor does a comparison and reads the clock twice: no work that grows with the model."""
    monitor = tg.inspect.Monitor(every=10**9)
    run = trainer()
    fit(run, [monitor], epochs=1)
    touched: list[str] = []
    monitor._model = type("Untouchable", (), {"__getattr__": lambda self, name: touched.append(name)})()
    for step in range(1, 100):
        assert not monitor.inspects(step)
        monitor.on_step_end(run, step, {})
    assert touched == []
