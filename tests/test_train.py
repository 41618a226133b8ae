"""Trainer: fit, evaluate, predict, history, and the progress that it shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn

X = np.random.default_rng(1).normal(size=(100, 2)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(np.int64)


def trainer(seed: int = 0, capture: bool = False) -> tg.train.Trainer:
    tg.manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, 16, activation="tanh"), nn.Dropout(0.1), nn.Linear(16, 2))
    return tg.train.Trainer(
        model, nn.CrossEntropyLoss(), tg.optim.Adam(model.parameters(), lr=0.05), metrics=["accuracy"], capture=capture
    )


def test_fit_learns_and_tells_what_happened() -> None:
    t = trainer()
    before = t.evaluate((X, Y))
    history = t.fit((X, Y), epochs=80, batch_size=16, validation_data=(X, Y), verbose=0)
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy", "samples_per_second"}
    assert all(len(values) == 80 for values in history.values())
    after = t.evaluate((X, Y))
    assert after["loss"] < before["loss"]
    assert after["accuracy"] > 0.9
    assert history["val_accuracy"][-1] == after["accuracy"]
    assert t.model.training


def test_means_are_over_samples_and_in_evaluation_mode() -> None:
    t = trainer()
    outputs = t.model.eval()(tg.tensor(X)).detach().numpy().astype(np.float64)
    lost = np.log(np.exp(outputs).sum(-1)) - outputs[np.arange(100), Y]
    t.model.train()
    for size in (7, 100):  # a smaller last batch weighs less
        found = t.evaluate((X, Y), batch_size=size)
        assert abs(found["loss"] - lost.mean()) < 1e-6
        assert found["accuracy"] == (outputs.argmax(-1) == Y).mean()
    assert np.array_equal(t.predict(X, batch_size=7).numpy(), t.predict(X).numpy())
    assert not t.predict(X).requires_grad
    assert t.model.training


def test_the_same_seed_gives_the_same_weights() -> None:
    def weights(seed: int) -> bytes:
        t = trainer(seed)
        t.fit((X, Y), epochs=2, seed=seed, verbose=0)
        return b"".join(p.detach().numpy().tobytes() for p in t.model.parameters())

    assert weights(3) == weights(3) != weights(4)


def test_captured_steps_give_the_same_weights_and_history() -> None:
    def run(capture: bool) -> tuple[bytes, dict[str, list[float]]]:
        t = trainer(capture=capture)
        history = t.fit((X, Y), epochs=4, batch_size=16, validation_data=(X, Y), verbose=0)
        del history["samples_per_second"]
        return b"".join(p.detach().numpy().tobytes() for p in t.model.parameters()), history

    assert run(True) == run(False)


def test_functions_as_metrics() -> None:
    def spread(output: tg.Tensor, target: tg.Tensor) -> float:
        return float(len(target))

    t = trainer()
    t = tg.train.Trainer(t.model, t.loss, t.optimizer, metrics=[spread])
    assert t.evaluate((X, Y), batch_size=50)["spread"] == 50
    with pytest.raises(tg.ArgumentError, match=r"metric 'speed' is none of accuracy, top5, .*; give a function"):
        tg.train.Trainer(t.model, t.loss, t.optimizer, metrics=["speed"])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("model", "mlp", "model must be a module, found 'mlp'"),
        ("loss", "cross_entropy", "loss must be a function or layer of (output, target), such as"),
        ("loss", tg.nn.CrossEntropyLoss, "found the class CrossEntropyLoss"),
        (
            "optimizer",
            "adam",
            "optimizer must be an optimizer, such as tg.optim.Adam(model.parameters()), found 'adam'",
        ),
        ("optimizer", tg.optim.Adam, "found the class Adam"),
    ],
)
def test_what_a_trainer_is_made_of(name: str, value: Any, message: str) -> None:
    t = trainer()
    with pytest.raises(tg.ArgumentError) as caught:
        tg.train.Trainer(**{"model": t.model, "loss": t.loss, "optimizer": t.optimizer, name: value})
    assert str(caught.value).startswith(f"Trainer: {name} must be ")
    assert message in str(caught.value)


def test_inputs_and_targets_one_by_one() -> None:
    with pytest.raises(tg.ArgumentError, match=r"found ndarray; inputs and targets are one argument: fit\(\(x, y\)\)$"):
        trainer().fit(X, Y)  # type: ignore[arg-type]


def test_progress(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    trainer().fit((X, Y), verbose=0)
    assert capsys.readouterr() == ("", "")
    trainer().fit((X, Y), epochs=2, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert "loss 0." in lines[0]
    assert "accuracy 0." in lines[0]
    import sys

    monkeypatch.setitem(sys.modules, "tqdm.auto", None)  # as if it were not installed
    trainer().fit((X, Y), verbose=1)
    assert capsys.readouterr().out.startswith("epoch 1/1: loss 0.")


def test_the_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    trainer().fit((X, Y), epochs=2, verbose=1)
    shown: Any = capsys.readouterr().err
    assert "epoch 2/2: 100%" in shown
    assert "loss 0." in shown
    assert "accuracy 0." in shown


def test_an_error_in_a_layer_has_its_path() -> None:
    with pytest.raises(tg.ShapeError, match=r"^0 \(Linear\): linear: "):
        trainer().fit((X[:, :1], Y), verbose=0)
