"""Ctrl-C: the step is finished, the epoch ended, the history kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn
from tilegrad.train import LambdaCallback, Trainer

from .processes import run_python

X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)


def trainer() -> Trainer:
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2))
    return Trainer(model, nn.CrossEntropyLoss(), tg.optim.SGD(model.parameters(), lr=0.1), ["accuracy"])


def test_raised_in_a_callback() -> None:
    def interrupt(trainer: Trainer, step: int, results: Any) -> None:
        if step == 9:
            raise KeyboardInterrupt

    t = trainer()
    ended: list[str] = []
    callbacks = [LambdaCallback(on_step_end=interrupt, on_fit_end=lambda trainer: ended.append("end"))]
    history = t.fit((X, Y), 5, 8, validation_data=(X, Y), callbacks=callbacks, verbose=0)
    assert t.stop_reason == "interrupted"
    assert history.epoch == [0, 1]
    assert all(np.isfinite(column).all() for column in history.values())
    assert t.optimizer.steps == 10
    assert ended == ["end"]
    assert history["val_loss"][-1] == t.evaluate((X, Y), 8)["loss"]
    assert t.fit((X, Y), 2, verbose=0).epoch == [0, 1]  # all is usable


def test_raised_by_the_data() -> None:
    def batches(count: int) -> Any:
        for _ in range(count):
            yield X[:8], Y[:8]
        raise KeyboardInterrupt

    t = trainer()
    assert t.fit(batches(3), verbose=0).epoch == [0]
    assert t.optimizer.steps == 3
    assert t.fit(batches(0), verbose=0).epoch == []
    assert t.stop_reason == "interrupted"


def test_raised_in_the_model() -> None:
    class Once(nn.Module):
        calls = 0

        def forward(self, x: tg.Tensor) -> tg.Tensor:
            self.calls += 1
            if self.calls == 4:
                raise KeyboardInterrupt
            return x

    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), Once())
    t = Trainer(model, nn.CrossEntropyLoss(), tg.optim.SGD(model.parameters(), lr=0.1), accumulate=2)
    assert t.fit((X, Y), 5, 8, verbose=0).epoch == [0]
    assert t.optimizer.steps == 1  # half an update is none
    assert t.stop_reason == "interrupted"


def test_outside_of_the_batches_it_ends_the_fit_at_once() -> None:
    def interrupt(trainer: Trainer) -> None:
        raise KeyboardInterrupt

    t = trainer()
    with pytest.raises(KeyboardInterrupt):
        t.fit((X, Y), 2, validation_data=(X, Y), callbacks=[LambdaCallback(on_validation_begin=interrupt)], verbose=0)


SCRIPT = """
import os, signal, sys
import numpy as np
import tilegrad as tg
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
def make():
    tg.manual_seed(0)
    model = tg.nn.Sequential(tg.nn.Linear(3, 8), tg.nn.Dropout(0.2), tg.nn.Linear(8, 2))
    optimizer = tg.optim.Adam(model.parameters(), lr=0.1)
    return tg.train.Trainer(model, tg.nn.CrossEntropyLoss(), optimizer, ["accuracy"], capture=True)
def bits(trainer):
    return [p.detach().numpy().tobytes() for p in trainer.model.parameters()]
class Press(tg.train.Callback):
    def __init__(self, *at): self.at = at
    def on_step_end(self, trainer, step, results):
        if step in self.at: os.kill(os.getpid(), signal.SIGINT)
"""


def test_a_real_signal(tmp_path: Path) -> None:
    run_python(
        SCRIPT
        + f"""
folder = {str(tmp_path / "run")!r}
whole = make()
expected = whole.fit((X, Y), 4, 8, validation_data=(X, Y), verbose=0)
first = make()
history = first.fit((X, Y), 4, 8, validation_data=(X, Y), callbacks=[Press(7)], verbose=0, checkpoint=folder)
assert first.stop_reason == "interrupted" and first.optimizer.steps == 8, first.optimizer.steps
assert history.epoch == [0, 1] and np.isfinite(history["val_loss"]).all()
assert history["loss"][0] == expected["loss"][0] and history["loss"][1] != expected["loss"][1]
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
second = make()
history = second.fit((X, Y), 4, 8, validation_data=(X, Y), verbose=0, checkpoint=folder, resume=True)
assert bits(second) == bits(whole) and history["loss"] == expected["loss"] and history.epoch == [0, 1, 2, 3]
"""
    )


def test_with_accumulation_an_update_is_finished(tmp_path: Path) -> None:
    run_python(
        SCRIPT
        + f"""
def make():
    tg.manual_seed(0)
    model = tg.nn.Sequential(tg.nn.Linear(3, 2))
    return tg.train.Trainer(model, tg.nn.CrossEntropyLoss(), tg.optim.SGD(model.parameters(), lr=0.1), accumulate=2)
folder = {str(tmp_path / "run")!r}
whole = make()
whole.fit((X, Y), 2, 8, verbose=0)
for at in (2, 4):  # in the middle of an update; with the last batch of the epoch
    folder = folder + str(at)
    first = make()
    first.fit((X, Y), 2, 8, callbacks=[Press(at)], verbose=0, checkpoint=folder)
    assert first.stop_reason == "interrupted", at
    second = make()
    second.fit((X, Y), 2, 8, verbose=0, checkpoint=folder, resume=True)
    assert bits(second) == bits(whole), at
"""
    )


def test_the_second_signal_and_other_threads() -> None:
    run_python(
        SCRIPT
        + """
import threading
trainer = make()
class Twice(tg.train.Callback):
    def on_validation_begin(self, trainer):
        if trainer.stop_reason: os.kill(os.getpid(), signal.SIGINT)
try:
    trainer.fit((X, Y), 4, 8, validation_data=(X, Y), callbacks=[Press(7), Twice()], verbose=0)
    raise SystemExit("not interrupted")
except KeyboardInterrupt:
    pass
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
# A handler of the program's own stays, and another thread touches none.
own = []
signal.signal(signal.SIGINT, lambda number, frame: own.append(number))
trainer.fit((X, Y), 1, 8, callbacks=[Press(2)], verbose=0)
assert own == [signal.SIGINT] and trainer.stop_reason is None
thread = threading.Thread(target=lambda: own.append(trainer.fit((X, Y), 1, verbose=0)))
thread.start(); thread.join()
assert own[1].epoch == [0]
"""
    )
