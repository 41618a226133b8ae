"""Loss scaling: updates are those of the unscaled loss, or left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tilegrad as tg

from .targets import NEEDS_GPU

DEVICES = ["cpu", pytest.param("cuda", marks=NEEDS_GPU)]
OPTIMIZERS: list[Any] = [
    lambda p: tg.optim.SGD(p, lr=0.1, momentum=0.9),
    lambda p: tg.optim.Adam(p, lr=0.1, clip_norm=0.5),
    lambda p: tg.optim.NAdam(p, lr=0.1),
    lambda p: tg.optim.RMSprop(p, lr=0.1),
    lambda p: tg.optim.Adagrad(p, lr=0.1),
    lambda p: tg.optim.Adadelta(p, lr=0.1),
    lambda p: tg.optim.LAMB(p, lr=0.1),
]


def gradients(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(3, 2)) for _ in range(count)]


@pytest.mark.parametrize("make", OPTIMIZERS)
@pytest.mark.parametrize("device", DEVICES)
def test_updates_are_those_of_the_unscaled_loss_and_bad_ones_are_left_out(make: Any, device: str) -> None:
    start = np.random.default_rng(1).normal(size=(3, 2))
    plain, scaled = (tg.tensor(start, dtype="float64", device=device, requires_grad=True) for _ in range(2))
    one, other = make([plain]), make([scaled])
    scaler = tg.optim.LossScaler(1024.0, interval=3)
    expected = 1024.0
    good = 0
    for number, g in enumerate(gradients(9)):
        bad = number in (2, 6)
        factor = tg.tensor(g, dtype="float64", device=device)
        for p in (plain, scaled):
            p.grad = None
        if not bad:
            (plain * factor).sum().backward()
            one.step()
        scaler.scale((scaled * factor).sum()).backward()
        if bad:
            assert scaled.grad is not None
            scaled.grad[0, 0] = float("inf") if number == 2 else float("nan")
        before = scaled.tolist()
        scaler.step(other)
        if bad:
            assert scaled.tolist() == before
            expected, good = expected / 2, 0
        else:
            good += 1
            if good == 3:
                expected, good = expected * 2, 0
        assert scaler.value == expected
        np.testing.assert_allclose(scaled.tolist(), plain.tolist(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("device", DEVICES)
def test_captured_steps_scale_as_eager_ones(device: str) -> None:
    def run(capture: bool) -> tuple[Any, float]:
        p = tg.tensor([1.0, 2.0], device=device, requires_grad=True)
        optimizer, scaler = tg.optim.Adam([p], lr=0.1), tg.optim.LossScaler(8.0, interval=2)

        def step(x: tg.Tensor) -> None:
            optimizer.zero_grad()
            scaler.scale((p * x).sum()).backward()
            scaler.step(optimizer)

        call = tg.capture(step) if capture else step
        for value in (1.0, 2.0, float("inf"), 3.0, 4.0, 5.0):
            call(tg.full((2,), value, device=device))
        return p.tolist(), scaler.value

    assert run(True) == run(False)


def test_state_and_arguments() -> None:
    scaler = tg.optim.LossScaler(16.0)
    assert scaler.state_dict() == {"scale": 16.0, "streak": 0.0}
    other = tg.optim.LossScaler()
    other.load_state_dict({"scale": 4.0, "streak": 7.0})
    assert other.state_dict() == {"scale": 4.0, "streak": 7.0}
    for bad in (5, {}, {"scale": 8.0}, {"scale": -1.0, "streak": 0.0}, {"scale": 8.0, "streak": "many"}):
        with pytest.raises(tg.ArgumentError, match="load_state_dict: "):
            other.load_state_dict(bad)  # type: ignore[arg-type]
        assert other.state_dict() == {"scale": 4.0, "streak": 7.0}
    for options in ({"scale": 0.0}, {"growth": 0.5}, {"backoff": 1.0}, {"interval": 0}, {"interval": 2.5}):
        with pytest.raises(tg.ArgumentError, match="LossScaler"):
            tg.optim.LossScaler(**options)
