"""Penalties on weights: against their formulas, and as the same thing as an optimizer's decay."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn
from tilegrad.optim import SGD, penalties

from .targets import AVAILABLE, THREADS, running_on

ARRAYS = [np.random.default_rng(7).normal(size=shape) for shape in ((4, 5), (1030,), (0,), ())]
ARRAYS[0][1, 2] = 0.0

CASES: list[tuple[Callable[[Any], tg.Tensor], Callable[[np.ndarray], Any], Callable[[np.ndarray], Any]]] = [
    (lambda p: penalties.l1(p, 0.3), lambda a: 0.3 * np.abs(a).sum(), lambda a: 0.3 * np.sign(a)),
    (lambda p: penalties.l2(p, 0.3), lambda a: 0.15 * (a**2).sum(), lambda a: 0.3 * a),
    (lambda p: penalties.elastic_net(p, 0.2, 0.5), lambda a: 0.2 * np.abs(a).sum() + 0.25 * (a**2).sum(),
     lambda a: 0.2 * np.sign(a) + 0.5 * a),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("penalty", "value", "gradient"), CASES, ids=["l1", "l2", "elastic_net"])
def test_value_and_gradient(penalty: Any, value: Any, gradient: Any, dtype: str) -> None:
    """A sum of n terms is off by n / 1024 + 11 epsilons at most (its order: docs/numerics.md), its terms by 4."""
    arrays = [a.astype(dtype).astype(np.float64) for a in ARRAYS]
    parameters = [tg.tensor(a, dtype=dtype, requires_grad=True) for a in arrays]
    found = penalty(parameters)
    found.backward()
    eps = np.finfo(dtype).eps
    expected = sum(value(a) for a in arrays)
    assert found.shape == ()
    assert abs(found.item() - expected) <= 20 * eps * expected
    for p, a in zip(parameters, arrays, strict=True):
        assert p.grad is not None
        assert np.abs(p.grad.numpy() - gradient(a)).max(initial=0) <= 4 * eps * np.abs(a).max(initial=1)
    one = tg.tensor(arrays[0], dtype=dtype)
    assert penalty(one).item() == penalty([one]).item()  # a tensor, or several, or any iterable
    assert penalty(iter([one])).item() == penalty([one]).item()


def test_a_penalty_in_the_loss_is_an_optimizer_s_decay() -> None:
    """The same steps, to rounding, by SGD, whose decay is a gradient."""

    def run(by_loss: bool) -> np.ndarray:
        w = tg.tensor(ARRAYS[0], dtype="float64", requires_grad=True)
        decay: dict[str, Any] = {} if by_loss else {"weight_decay": 0.2, "l1_decay": 0.1}
        optimizer = SGD([w], lr=0.05, momentum=0.5, **decay)
        for _ in range(30):
            optimizer.zero_grad()
            loss = ((w - 1.0) * (w - 1.0)).sum()
            (loss + penalties.elastic_net(w, 0.1, 0.2) if by_loss else loss).backward()
            optimizer.step()
        return w.detach().numpy()

    assert np.allclose(run(True), run(False), rtol=0, atol=1e-13)


@pytest.mark.parametrize("training", [True, False])
def test_hard_concrete_gates(training: bool) -> None:
    """Drawn gates are 0 and 1 with the paper's probabilities, within 4.5 standard errors; in evaluation fixed."""
    tg.manual_seed(9)
    count, beta = 100_000, 2 / 3
    gates = nn.HardConcrete(count, drop_rate=0.7).train(training)
    log_alpha = gates.log_alpha.detach().numpy().astype(np.float64)
    assert abs(log_alpha.mean() - math.log(0.3 / 0.7)) < 1e-3
    assert abs(log_alpha.std() - 0.01) < 1e-3
    z = gates().detach().numpy()
    assert ((z >= 0) & (z <= 1)).all()

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    if not training:
        assert np.allclose(z, np.clip(sigmoid(log_alpha) * 1.2 - 0.1, 0, 1), atol=1e-6)
        assert gates().tolist() == z.tolist()
        return
    open_ = sigmoid(log_alpha - beta * math.log(0.1 / 1.1))
    full = sigmoid(log_alpha - beta * math.log(1.1 / 0.1))
    for share, probability in (((z > 0).mean(), open_.mean()), ((z == 1).mean(), full.mean())):
        assert abs(share - probability) < 4.5 * math.sqrt(probability * (1 - probability) / count)
    assert np.allclose(gates.expected_open().detach().numpy(), open_, atol=1e-6)
    assert gates().tolist() != z.tolist()


def test_hard_concrete_gradient() -> None:
    """Against the formula: ds / d log_alpha = s (1 - s) / temperature, where the gate is neither 0 nor 1."""
    tg.manual_seed(2)
    gates = nn.HardConcrete((50, 20))
    z = gates()
    z.sum().backward()
    found, inside = gates.log_alpha.grad, z.detach().numpy()
    assert found is not None
    s = (inside.astype(np.float64) + 0.1) / 1.2
    expected = np.where((inside > 0) & (inside < 1), 1.2 * s * (1 - s) * 1.5, 0)
    assert np.allclose(found.numpy(), expected, atol=1e-6)
    assert 0 < (expected == 0).mean() < 1


@pytest.mark.parametrize("per", ["weight", "input"])
def test_l0_linear(per: str) -> None:
    tg.manual_seed(4)
    layer = nn.L0Linear(6, 5, per=per)
    x = tg.tensor(np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32))
    layer.eval()
    gates = layer.gates().detach().numpy()
    assert gates.shape == ((6, 5) if per == "weight" else (6, 1))
    expected = x.numpy() @ (layer.weight.detach().numpy() * gates) + layer.bias.detach().numpy()  # type: ignore[union-attr]
    assert np.allclose(layer(x).detach().numpy(), expected, atol=1e-5)
    opened = 1 / (1 + np.exp(-(layer.gates.log_alpha.detach().numpy() - 2 / 3 * math.log(0.1 / 1.1))))
    assert layer.expected_l0().item() == pytest.approx(opened.sum() * (5 if per == "input" else 1), rel=1e-5)
    model = nn.Sequential(layer, nn.ReLU(), nn.L0Linear(5, 2, bias=False))
    total = layer.expected_l0().item() + model[2].expected_l0().item()
    assert penalties.l0(model, 0.5).item() == pytest.approx(0.5 * total, rel=1e-6)


def test_l0_finds_the_inputs_that_matter(tmp_path: Any) -> None:
    """Of ten inputs two carry the answer; the gates of the others close, for good."""
    tg.manual_seed(0)
    rng = np.random.default_rng(0)
    data = rng.normal(size=(256, 10)).astype(np.float32)
    x, y = tg.tensor(data), tg.tensor((3 * data[:, :1] - 2 * data[:, 1:2]).astype(np.float32))
    model = nn.Sequential(nn.L0Linear(10, 1, per="input"))
    optimizer = tg.optim.Adam(model.parameters(), lr=0.05)

    @tg.capture
    def step() -> tg.Tensor:
        optimizer.zero_grad()
        loss = tg.mse_loss(model(x), y) + penalties.l0(model, 0.05)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(400):
        step()
    model.eval()
    gates = model[0].gates().detach().numpy()[:, 0]
    assert (gates[:2] > 0.9).all()
    assert (gates[2:] == 0).all()
    tg.save(model, tmp_path / "gated.safetensors")
    assert tg.load(tmp_path / "gated.safetensors")(x).tolist() == model(x).tolist()


def test_gates_have_the_same_bits_everywhere() -> None:
    expected: Any = None
    for isa in AVAILABLE:
        for threads in THREADS:
            with running_on(isa, threads):
                tg.manual_seed(8)
                model = nn.Sequential(nn.L0Linear(40, 30), nn.L0Linear(30, 7, per="input"))
                (model(tg.ones((5, 40))).sum() + penalties.l0(model, 0.1)).backward()
                found = [p.grad.numpy().tobytes() for p in model.parameters() if p.grad is not None]
            expected = expected or found
            assert found == expected
    assert len(expected) == 6


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: penalties.l1([], 1.0), tg.ArgumentError, "l1: there are no parameters"),
        (lambda: penalties.l1(tg.ones(2), -1.0), tg.ArgumentError, "l1: factor must be finite, at least 0, found -1"),
        (lambda: penalties.l2(tg.ones(2), float("nan")), tg.ArgumentError,
         "l2: factor must be finite, at least 0, found nan"),
        (lambda: penalties.elastic_net(tg.ones(2), 1.0, float("inf")), tg.ArgumentError,
         "l2: factor must be finite, at least 0, found inf"),
        (lambda: penalties.l0(nn.Linear(2, 2), 1.0), tg.ArgumentError,
         "l0: no layer has gates; make them with nn.L0Linear or nn.HardConcrete"),
        (lambda: penalties.l0(nn.L0Linear(2, 2), -1.0), tg.ArgumentError,
         "l0: factor must be finite, at least 0, found -1"),
        (lambda: nn.HardConcrete(0), tg.ArgumentError, "HardConcrete: shape must be a positive integer, found 0"),
        (lambda: nn.HardConcrete(2, drop_rate=1.0), tg.ArgumentError,
         "HardConcrete: drop_rate must be between 0 and 1, found 1.0"),
        (lambda: nn.HardConcrete(2, temperature=0), tg.ArgumentError,
         "HardConcrete: temperature must be between 0 and 1, found 0"),
        (lambda: nn.L0Linear(2, 2, per="row"), tg.ArgumentError,
         "L0Linear: per must be 'weight' or 'input', found 'row'"),
        (lambda: nn.L0Linear(2, 0), tg.ArgumentError, "L0Linear: out_features must be a positive integer, found 0"),
    ],
)  # fmt: skip
def test_bad_arguments(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message
