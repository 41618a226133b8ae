"""Schedules: against their formulas in NumPy, at their ends, and in an optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad.optim import SGD
from tilegrad.optim.schedules import (
    Constant,
    Cosine,
    CosineRestarts,
    Exponential,
    InverseSqrt,
    InverseTime,
    Linear,
    MultiStep,
    NaturalExponential,
    OneCycle,
    PerEpoch,
    Polynomial,
    Product,
    ReduceOnPlateau,
    Sequential,
    StepDecay,
    Warmup,
)

STEPS = np.arange(200)


def one_cycle(rate: float, steps: int, pct: float, div: float, final: float) -> np.ndarray:
    low, last, top = rate / div, rate / div / final, max(pct * steps - 1, 0)
    s = np.minimum(STEPS, steps - 1).astype(float)
    up = low + (rate - low) * (1 - np.cos(np.pi * s / max(top, 1e-9))) / 2
    down = rate + (last - rate) * (1 - np.cos(np.pi * (s - top) / max(steps - 1 - top, 1e-9))) / 2
    return np.where(s <= top, up if top > 0 else rate, down)


def restarts(rate: float, period: int, multiplier: int, last: float) -> np.ndarray:
    lengths = [period * multiplier**n for n in range(200)]
    parts = [last + (rate - last) * np.cos(np.pi * np.arange(length) / length / 2) ** 2 for length in lengths[:8]]
    while sum(map(len, parts)) < 200:
        parts.append(parts[-1])
    return np.concatenate(parts)[:200]


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
    (MultiStep(0.5, milestones=(30, 31, 150), factor=0.2),
     0.5 * 0.2 ** ((STEPS >= 30).astype(int) + (STEPS >= 31) + (STEPS >= 150))),
    (MultiStep(0.5, milestones=()), np.full(200, 0.5)),
    (NaturalExponential(0.5, constant=37.5), 0.5 * np.e ** (-STEPS / 37.5)),
    (Exponential(0.5, 0.95), 0.5 * np.cumprod(np.r_[1, np.full(199, 0.95)])),
    (InverseTime(0.5, decay=0.3), 0.5 / (1 + 0.3 * STEPS)),
    (InverseSqrt(0.5), 0.5 * (STEPS + 1.0) ** -0.5),
    (CosineRestarts(0.5, period=30, last=0.01), restarts(0.5, 30, 1, 0.01)),
    (CosineRestarts(0.5, period=7, multiplier=2), restarts(0.5, 7, 2, 0.0)),
    (CosineRestarts(0.5, period=1), np.full(200, 0.5)),
    (Sequential([0.1, Linear(0.5, steps=40), Exponential(0.2, 0.9)], milestones=[20, 90]),
     np.r_[np.full(20, 0.1), np.interp(STEPS[:70], [0, 40], [0.5, 0]), 0.2 * 0.9 ** STEPS[:110]]),
    (Product([StepDecay(0.5, every=50, factor=0.2), Exponential(1.0, 0.99), 0.5]),
     0.25 * 0.2 ** (STEPS // 50) * 0.99**STEPS),
    (PerEpoch(InverseTime(0.5, decay=1.0), steps_per_epoch=9), 0.5 / (1 + STEPS // 9)),
    (Warmup(PerEpoch(StepDecay(0.4, every=2, factor=0.5), steps_per_epoch=10), steps=5),
     np.where(STEPS < 5, 0.4 * (STEPS + 1) / 6, 0.4 * 0.5 ** ((STEPS - 5) // 20))),
    (ReduceOnPlateau(0.3), np.full(200, 0.3)),
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


def pytorch(make: Callable[[Any], Any], rate: float = 0.1) -> list[float]:
    """The rates of PyTorch's scheduler over 199 steps."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)
    schedule = make(torch.optim.lr_scheduler)(optimizer)
    rates = []
    for _ in range(199):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return rates


TWINS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "OneCycleLR": (
        OneCycle(0.1, steps=200),
        lambda t: lambda o: t.OneCycleLR(o, max_lr=0.1, total_steps=200, cycle_momentum=False),
    ),
    "StepLR": (StepDecay(0.1, every=30, factor=0.5), lambda t: lambda o: t.StepLR(o, 30, 0.5)),
    "MultiStepLR": (
        MultiStep(0.1, milestones=(30, 80), factor=0.5),
        lambda t: lambda o: t.MultiStepLR(o, [30, 80], 0.5),
    ),
    "ExponentialLR": (Exponential(0.1, 0.95), lambda t: lambda o: t.ExponentialLR(o, 0.95)),
    "LinearLR": (Linear(0.1, steps=50, last=0.02), lambda t: lambda o: t.LinearLR(o, 1.0, 0.2, 50)),
    "PolynomialLR": (Polynomial(0.1, steps=150, power=2.0), lambda t: lambda o: t.PolynomialLR(o, 150, 2.0)),
    "CosineAnnealingLR": (
        Sequential([Cosine(0.1, steps=200, last=0.01)], milestones=[]),
        lambda t: lambda o: t.CosineAnnealingLR(o, 200, 0.01),
    ),
    "CosineAnnealingWarmRestarts": (
        CosineRestarts(0.1, period=10, multiplier=2, last=0.01),
        lambda t: lambda o: t.CosineAnnealingWarmRestarts(o, 10, 2, 0.01),
    ),
    "SequentialLR": (
        Sequential([0.01, Exponential(0.1, 0.9)], milestones=[20]),
        lambda t: lambda o: t.SequentialLR(o, [t.ConstantLR(o, 0.1, 20), t.ExponentialLR(o, 0.9)], [20]),
    ),
    "ChainedScheduler": (
        Product([Exponential(0.1, 0.98), StepDecay(1.0, every=40, factor=0.5)]),
        lambda t: lambda o: t.ChainedScheduler([t.ExponentialLR(o, 0.98), t.StepLR(o, 40, 0.5)]),
    ),
}


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.filterwarnings("ignore::UserWarning:torch", "ignore:.*epoch parameter.*")
def test_against_pytorch(name: str) -> None:
    """Theirs multiply step by step where ours start from the formula: 200 roundings."""
    ours, theirs = TWINS[name]
    assert [ours(step) for step in range(199)] == pytest.approx(pytorch(theirs), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"patience": 0, "factor": 0.5},
        {"mode": "max", "patience": 2, "cooldown": 3},
        {"threshold": 0.05, "threshold_mode": "abs", "patience": 1},
        {"threshold": 0.1, "patience": 1, "min_rate": 0.02},
        {"mode": "max", "threshold": 0.05, "threshold_mode": "abs", "patience": 0, "cooldown": 1, "factor": 0.9},
    ],
)
def test_reduce_on_plateau_against_pytorch(options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(4)
    metrics = np.r_[np.exp(-np.arange(60) / 20) + rng.normal(scale=0.1, size=60), np.full(20, 0.3), np.nan, -1.0, 5.0]
    ours = ReduceOnPlateau(0.1, **options)
    renamed = {{"min_rate": "min_lr"}.get(name, name): value for name, value in options.items()}
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, eps=0.0, **renamed)
    rates = []
    for metric in metrics:
        ours.observe(metric)
        theirs.step(metric)
        rates.append(ours(0))
        assert rates[-1] == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
    assert rates[-1] < 0.1


def test_reduce_on_plateau_in_an_optimizer_is_saved_and_goes_on() -> None:
    def make() -> tuple[tg.Tensor, Any, SGD]:
        x = tg.tensor([0.0], dtype="float64", requires_grad=True)
        schedule = Warmup(ReduceOnPlateau(1.0, "score", "max", factor=0.5, patience=1), steps=2)
        return x, schedule, SGD([{"params": [x]}], lr=schedule)

    x, _, optimizer = make()
    for score in (0.5, 0.6, 0.6, 0.6, 0.6):
        x.grad = tg.ones(1, dtype="float64")
        optimizer.step()
        optimizer.observe({"score": score, "loss": 1.0})
    assert optimizer.lr == 0.5
    saved = optimizer.state_dict()
    other, _, resumed = make()
    resumed.load_state_dict(saved)
    assert resumed.lr == 0.5
    resumed.observe({"score": 0.6})
    assert resumed.lr == 0.25
    with pytest.raises(tg.ArgumentError, match=r"SGD: a schedule watches 'score', found only \['loss'\]"):
        optimizer.observe({"loss": 1.0})
    with pytest.raises(tg.ArgumentError, match="group 0 has an unexpected 'plateaus'"):
        SGD([other], lr=0.1).load_state_dict(saved)
    with pytest.raises(tg.ArgumentError, match="group 0 lacks 'plateaus'"):
        resumed.load_state_dict(SGD([other], lr=0.1).state_dict())
    damaged = {**saved, "groups": [{**saved["groups"][0], "plateaus": [{"rate": 1.0}]}]}
    with pytest.raises(tg.ArgumentError, match="this is no state of ReduceOnPlateau"):
        resumed.load_state_dict(damaged)
    assert resumed.lr == 0.25


@pytest.mark.parametrize("capture", [False, True])
def test_reduce_on_plateau_with_the_trainer(capture: bool) -> None:
    """The rate is reduced between epochs, in replays too; without validation data the training loss is watched."""
    x, y = np.zeros((8, 2), np.float32), np.zeros((8, 1), np.float32)
    model = tg.nn.Linear(2, 1)
    schedule = ReduceOnPlateau(0.1, patience=0, factor=0.5, threshold=0.0)
    trainer = tg.train.Trainer(model, tg.nn.MSELoss(), SGD(model.parameters(), lr=schedule), capture=capture)
    trainer.fit((x, y), epochs=4, batch_size=4, validation_data=(x, y), verbose=0)  # the loss is 0 from the start
    assert schedule.rate == 0.1 * 0.5**3
    trainer.fit((x, y), epochs=1, verbose=0)
    assert schedule.rate == 0.1 * 0.5**4


SCHEDULES = [*(schedule for schedule, _ in CASES), lambda step: 0.1 / (step + 1)]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: getattr(schedule, "__name__", repr(schedule)[:40]))
def test_captured_steps_follow_a_schedule(schedule: Any) -> None:
    def run(capture: bool) -> list[float]:
        x = tg.tensor([2.0, -1.0], dtype="float64", requires_grad=True)
        optimizer = SGD([x], lr=schedule, momentum=0.5)

        def step() -> tg.Tensor:
            optimizer.zero_grad()
            loss = (x * x).sum()
            loss.backward()
            optimizer.step()
            return loss

        taken = tg.capture(step) if capture else step
        return [taken().item() for _ in range(12)] + x.tolist()

    assert run(True) == run(False)


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
        (lambda: Constant(-1.0), "Constant: rate must be finite, at least 0, found -1"),
        (lambda: Constant(float("nan")), "Constant: rate must be finite, at least 0, found nan"),
        (lambda: Constant("0.1"), "Constant: rate must be a number, found str"),  # type: ignore[arg-type]
        (lambda: OneCycle(1.0, 5, None), "OneCycle: pct_start must be a number, found NoneType"),  # type: ignore[arg-type]
        (lambda: Product(0.1), "Product: schedules must be a list, found float"),  # type: ignore[arg-type]
        (lambda: StepDecay(1.0, every=0), "StepDecay: every must be finite, at least 1, found 0"),
        (lambda: StepDecay(1.0, every=1.5), "StepDecay: every must be an integer, found float"),
        (lambda: Exponential(1.0, -0.5), "Exponential: factor must be finite, at least 0, found -0.5"),
        (lambda: Cosine(1.0, steps=0), "Cosine: steps must be finite, at least 1, found 0"),
        (lambda: Linear(1.0, steps=3, last=-1.0), "Linear: last must be finite, at least 0, found -1"),
        (lambda: OneCycle(1.0, steps=5, pct_start=1.5), "OneCycle: pct_start must be from 0 to 1, found 1.5"),
        (
            lambda: OneCycle(1.0, steps=5, div_factor=0.5),
            "OneCycle: div_factor must be finite, at least 1, found 0.5",
        ),
        (lambda: MultiStep(1.0, (5, 5)), "MultiStep: milestones must be above 0 and grow, found (5, 5)"),
        (lambda: MultiStep(1.0, (0, 5)), "MultiStep: milestones must be above 0 and grow, found (0, 5)"),
        (lambda: MultiStep(1.0, (1.5,)), "MultiStep: milestones must be whole numbers of steps, found (1.5,)"),
        (lambda: NaturalExponential(1.0, 0.0), "NaturalExponential: constant must be above 0, found 0"),
        (lambda: InverseTime(1.0, -1.0), "InverseTime: decay must be finite, at least 0, found -1"),
        (lambda: InverseSqrt(float("inf")), "InverseSqrt: rate must be finite, at least 0, found inf"),
        (lambda: CosineRestarts(1.0, 0), "CosineRestarts: period must be finite, at least 1, found 0"),
        (lambda: CosineRestarts(1.0, 5, 0), "CosineRestarts: multiplier must be finite, at least 1, found 0"),
        (lambda: Sequential([0.1], [5]), "Sequential: 1 schedules need 0 milestones, found 1"),
        (lambda: Sequential([0.1, -1.0], [5]), "Sequential: a constant rate must be finite, at least 0, found -1"),
        (lambda: Product([]), "Product: there are no schedules"),
        (lambda: PerEpoch(0.1, 0), "PerEpoch: steps_per_epoch must be finite, at least 1, found 0"),
        (lambda: ReduceOnPlateau(-1.0), "ReduceOnPlateau: rate must be finite, at least 0, found -1"),
        (lambda: ReduceOnPlateau(1.0, mode="up"), "ReduceOnPlateau: mode must be 'min' or 'max', found 'up'"),
        (lambda: ReduceOnPlateau(1.0, factor=1.0),
         "ReduceOnPlateau: factor must be finite, above 0 and below 1, found 1"),
        (lambda: ReduceOnPlateau(1.0, patience=-1), "ReduceOnPlateau: patience must be finite, at least 0, found -1"),
        (lambda: ReduceOnPlateau(1.0, threshold_mode="x"),
         "ReduceOnPlateau: threshold_mode must be 'rel' or 'abs', found 'x'"),
        (lambda: Warmup(float("nan"), steps=1), "Warmup: a constant rate must be finite, at least 0, found nan"),
        (lambda: Warmup(1.0, steps=-1), "Warmup: steps must be finite, at least 0, found -1"),
    ],
)  # fmt: skip
def test_bad_arguments(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(tg.ArgumentError) as caught:
        make()
    assert str(caught.value) == message
