"""Schedules: against their formulas in NumPy, at their ends, and in an optimizer."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad.optim import SGD
from tilegrad.optim.schedules import Constant, Cosine, Exponential, Linear, OneCycle, Polynomial, StepDecay, Warmup

STEPS = np.arange(200)


def one_cycle(rate: float, steps: int, pct: float, div: float, final: float) -> np.ndarray:
    low, last, top = rate / div, rate / div / final, max(pct * steps - 1, 0)
    s = np.minimum(STEPS, steps - 1).astype(float)
    up = low + (rate - low) * (1 - np.cos(np.pi * s / max(top, 1e-9))) / 2
    down = rate + (last - rate) * (1 - np.cos(np.pi * (s - top) / max(steps - 1 - top, 1e-9))) / 2
    return np.where(s <= top, up if top > 0 else rate, down)


CASES: list[tuple[Any, np.ndarray]] = [
    (Constant(0.3), np.full(200, 0.3)),
    (StepDecay(0.5, every=30, factor=0.2), 0.5 * 0.2 ** (STEPS // 30)),
    (Exponential(0.5, 0.97), 0.5 * np.exp(STEPS * np.log(0.97))),
    (Linear(0.5, steps=120, last=0.1), np.interp(STEPS, [0, 120], [0.5, 0.1])),
    (Polynomial(0.5, steps=150, last=0.01, power=2.0), 0.01 + 0.49 * (1 - np.minimum(STEPS, 150) / 150) ** 2),
    (Cosine(0.5, steps=150, last=0.01), 0.01 + 0.49 * np.cos(np.pi * np.minimum(STEPS, 150) / 300) ** 2),
    (Warmup(0.4, steps=10), np.where(STEPS < 10, 0.4 * (STEPS + 1) / 11, 0.4)),
    (Warmup(Linear(0.4, steps=50), steps=20),
     np.where(STEPS < 20, 0.4 * (STEPS + 1) / 21, np.interp(STEPS - 20, [0, 50], [0.4, 0.0]))),
    (OneCycle(0.1, steps=200), one_cycle(0.1, 200, 0.3, 25.0, 1e4)),
    (OneCycle(0.1, steps=150, pct_start=0.5, div_factor=10, final_div_factor=100), one_cycle(0.1, 150, 0.5, 10, 100)),
    (OneCycle(0.1, steps=180, pct_start=0.0), one_cycle(0.1, 180, 0.0, 25.0, 1e4)),
    (OneCycle(0.1, steps=1), np.full(200, 0.1)),
]  # fmt: skip


@pytest.mark.parametrize(("schedule", "expected"), CASES, ids=[repr(schedule) for schedule, _ in CASES])
def test_against_the_formula(schedule: Any, expected: np.ndarray) -> None:
    """200 steps, to 1e-13 of the largest rate: powers and cosines are libm's on both sides."""
    found = np.array([schedule(int(step)) for step in STEPS])
    assert np.abs(found - expected).max() <= 1e-13 * np.abs(expected).max()
    assert all(isinstance(schedule(step), float) for step in (0, 100))


def test_one_cycle_reaches_its_top_and_its_end() -> None:
    schedule = OneCycle(1.0, steps=101, pct_start=0.5)
    rates = [schedule(step) for step in range(101)]
    assert rates[0] == pytest.approx(1 / 25)
    assert max(rates) == pytest.approx(1.0, abs=1e-3)
    assert rates[100] == pytest.approx(1 / 25 / 1e4)
    assert schedule(500) == rates[100]
    peak = int(np.argmax(rates))
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
def test_one_cycle_against_pytorch() -> None:
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=200, cycle_momentum=False)
    for step in range(199):
        assert OneCycle(0.1, steps=200)(step) == pytest.approx(theirs.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        theirs.step()


def test_an_optimizer_follows_its_schedule() -> None:
    x = tg.tensor([0.0], dtype="float64", requires_grad=True)
    schedule = Cosine(1.0, steps=10)
    optimizer = SGD([x], lr=schedule)
    for step in range(12):
        x.grad = tg.ones(1, dtype="float64")
        assert optimizer.lr == schedule(step)
        optimizer.step()
    assert x.item() == pytest.approx(-sum(schedule(step) for step in range(12)))
    assert optimizer.groups[0].schedule is schedule
    optimizer.lr = 0.5
    assert optimizer.groups[0].schedule is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant(-1.0), "Constant: rate must be finite and at least 0, found -1"),
        (lambda: Constant(float("nan")), "Constant: rate must be finite and at least 0, found nan"),
        (lambda: StepDecay(1.0, every=0), "StepDecay: every must be finite and at least 1, found 0"),
        (lambda: StepDecay(1.0, every=1.5), "StepDecay: every must be an integer, found float"),
        (lambda: Exponential(1.0, -0.5), "Exponential: factor must be finite and at least 0, found -0.5"),
        (lambda: Cosine(1.0, steps=0), "Cosine: steps must be finite and at least 1, found 0"),
        (lambda: Linear(1.0, steps=3, last=-1.0), "Linear: last must be finite and at least 0, found -1"),
        (lambda: OneCycle(1.0, steps=5, pct_start=1.5), "OneCycle: pct_start must be from 0 to 1, found 1.5"),
        (
            lambda: OneCycle(1.0, steps=5, div_factor=0.5),
            "OneCycle: div_factor must be finite and at least 1, found 0.5",
        ),
        (lambda: Warmup(1.0, steps=-1), "Warmup: steps must be finite and at least 0, found -1"),
    ],
)
def test_bad_arguments(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(tg.ArgumentError) as caught:
        make()
    assert str(caught.value) == message
