"""Captured functions and what changes: nothing is baked in that should not be, and what cannot be is refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn

from .captured_step import BATCHES, Setup, losses, mean_square_step

VALUE_READERS: dict[str, Callable[[tg.Tensor], Any]] = {
    "item": lambda x: x.sum().item(),
    "if": lambda x: 1 if x.sum() > 0 else 2,
    "float": lambda x: float(x.sum()),
    "numpy": lambda x: x.numpy(),
    "asarray": lambda x: np.asarray(x),
    "tolist": lambda x: x.tolist(),
    "print": lambda x: str(x),
    "buffer": lambda x: memoryview(x),
    "dlpack": lambda x: np.from_dlpack(x),
}


@pytest.mark.parametrize("name", VALUE_READERS)
def test_looking_at_a_value_is_refused_and_says_what_to_do(name: str) -> None:
    captured = tg.capture(lambda x: (VALUE_READERS[name](x), x)[1])
    for _ in range(2):
        with pytest.raises(tg.CaptureError, match=r"cannot look at values.*return the tensor"):
            captured(tg.ones(3))
    assert tg.ones(3).sum().item() == 3.0  # outside all is as before
    assert tg.capture(lambda x: x + 1.0)(tg.ones(1)).item() == 2.0


def test_an_error_in_the_function_leaves_all_usable() -> None:
    @tg.capture
    def run(x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
        return x + y

    for _ in range(2):
        with pytest.raises(tg.ShapeError):
            run(tg.ones(2), tg.ones(3))
    assert run(tg.ones(2), tg.ones(2)).tolist() == [2.0, 2.0]
    assert run.programs == 1


def test_check_finds_what_was_baked_in() -> None:
    counter = [0.0]

    def number(x: tg.Tensor) -> tg.Tensor:
        counter[0] += 1.0
        return x * counter[0]

    captured = tg.capture(number, check=True)
    assert captured(tg.ones(1)).item() == 1.0
    with pytest.raises(tg.CaptureError, match="a number that has changed: pass it as a tensor argument"):
        captured(tg.ones(1))

    held = [tg.ones(2)]

    def replaced(x: tg.Tensor) -> tg.Tensor:
        result = x + held[0]
        held[0] = result.detach()
        return result

    captured = tg.capture(replaced, check=True)
    captured(tg.ones(2))
    with pytest.raises(tg.CaptureError, match="replaced instead of written into"):
        captured(tg.ones(2))

    def branch(x: tg.Tensor) -> tg.Tensor:
        counter[0] += 1.0
        return tg.exp(x) if counter[0] % 2 else tg.tanh(x)

    captured = tg.capture(branch, check=True)
    captured(tg.ones(2))
    with pytest.raises(tg.CaptureError, match=r"launch 1 \((exp|tanh)\): now it is (tanh|exp)"):
        captured(tg.ones(2))

    def shape(x: tg.Tensor) -> tg.Tensor:
        counter[0] += 1.0
        return tg.exp(x[: int(counter[0])])

    captured = tg.capture(shape, check=True)
    captured(tg.ones(20))
    with pytest.raises(tg.CaptureError, match=r"options or shapes are others now|another part of memory"):
        captured(tg.ones(20))


def test_a_bad_label_in_a_replay_raises_and_the_weights_stay() -> None:
    setup = Setup()
    step = tg.capture(setup.step)
    losses(step)
    before = [p.tolist() for p in setup.model.parameters()]
    x, y = BATCHES[0]
    wrong = y.copy()
    wrong[7] = 10
    with pytest.raises(IndexError, match=r"cross_entropy: target\[7\] is 10, expected 0 to 9"):
        step(x, wrong)
    assert [p.tolist() for p in setup.model.parameters()] == before
    assert np.isfinite(step(x, y).item())

    table = tg.randn((5, 2))
    take = tg.capture(lambda index: table[index] * 1.0)
    for _ in range(3):
        assert take(tg.tensor([4, 0])).shape == (2, 2)
    with pytest.raises(IndexError, match="index 5 at position"):
        take(tg.tensor([1, 5]))
    assert take(tg.tensor([1, 3])).tolist() == table[tg.tensor([1, 3])].tolist()


def test_a_schedule_that_fails_in_a_replay_raises_and_the_weights_stay() -> None:
    model = nn.Linear(2, 1)
    optimizer = tg.optim.SGD(model.parameters(), lr=lambda step: 0.1 if step < 4 else float("nan"))
    step = tg.capture(mean_square_step(model, optimizer))
    x = tg.ones((3, 2))
    for _ in range(4):
        step(x)
    before = [p.tolist() for p in model.parameters()]
    with pytest.raises(tg.ArgumentError, match="at step 4"):
        step(x)
    assert [p.tolist() for p in model.parameters()] == before
    assert optimizer.steps == 4


def test_modes_frozen_parameters_and_options_are_noticed() -> None:
    setup = Setup()
    predict = tg.capture(lambda x: setup.model(x))
    x = BATCHES[0][0]
    for _ in range(2):
        with tg.no_grad():
            setup.model.train()
            drawn = [predict(x).tolist() for _ in range(3)]
            assert drawn[0] != drawn[1] != drawn[2]  # dropout goes on drawing
            setup.model.eval()
            fixed = predict(x).tolist()
            assert fixed == predict(x).tolist() == setup.model(x).tolist()
    assert predict.programs == 2

    step = tg.capture(setup.step)
    losses(step)
    known = step.programs
    setup.model[0].freeze()
    frozen, trained = setup.model[0].weight.tolist(), setup.model[-1].weight.tolist()
    step(*BATCHES[0])
    step(*BATCHES[0])
    assert setup.model[0].weight.tolist() == frozen
    assert setup.model[-1].weight.tolist() != trained
    assert step.programs > known
    setup.model.unfreeze()
    step(*BATCHES[0])
    assert setup.model[0].weight.tolist() != frozen

    setup.optimizer.lr = 0.0
    setup.optimizer.groups[0]["weight_decay"] = 0.0
    before = setup.model[-1].weight.tolist()
    for _ in range(3):
        step(*BATCHES[0])
    assert setup.model[-1].weight.tolist() == before


def test_a_replaced_layer_is_noticed() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2))
    predict = tg.capture(lambda x: model(x))
    x = tg.ones((4, 3))
    for _ in range(3):
        before = predict(x).tolist()
    model[2] = nn.Linear(2, 5)
    assert predict(x).shape == (4, 5)
    assert predict(x).tolist() == model(x).tolist() != before
    model[0].weight = nn.Parameter(tg.full((3, 2), 0.5))
    assert predict(x).tolist() == predict(x).tolist() == model(x).tolist()


def test_loaded_weights_are_used() -> None:
    setup, other = Setup().model.build((14, 14, 1)).eval(), Setup().model.build((14, 14, 1)).eval()
    for parameter in other.parameters():
        parameter.detach().mul_(1.5)
    predict = tg.capture(lambda x: setup(x))
    x = BATCHES[0][0]
    with tg.no_grad():
        for _ in range(3):
            predict(x)
        setup.load_state_dict(other.state_dict())
        assert predict(x).tolist() == other(x).tolist()


def test_what_depends_on_values_runs_eagerly_and_says_so_once() -> None:
    positive = tg.capture(lambda x: x[x > 0.0])
    with pytest.warns(UserWarning, match="depends on values.*run without capture"):
        assert positive(tg.tensor([1.0, -1.0, 2.0])).tolist() == [1.0, 2.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert positive(tg.tensor([-1.0, -1.0, 3.0])).tolist() == [3.0]
    assert positive.programs == 0


def test_the_cache_is_bounded() -> None:
    double = tg.capture(lambda x: x * 2.0, max_programs=3)
    for size in (1, 2, 3):
        double(tg.ones(size))
    with pytest.warns(UserWarning, match="3 programs already"):
        assert double(tg.ones(4)).tolist() == [2.0] * 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for size in (5, 4, 1):
            assert double(tg.ones(size)).tolist() == [2.0] * size
    assert double.programs == 3
    double.clear()
    assert double.programs == 0
    with pytest.raises(tg.ArgumentError, match="max_programs must be at least 1"):
        tg.capture(lambda x: x, max_programs=0)
    with pytest.raises(tg.ArgumentError, match="expected a function"):
        tg.capture(3)  # type: ignore[call-overload]
