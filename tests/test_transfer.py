"""Freezing, new heads and rates by layer: what transfer learning is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn

RNG = np.random.default_rng(6)
X = RNG.normal(size=(32, 6)).astype(np.float32)
Y = RNG.integers(0, 3, 32)


def network() -> nn.Sequential:
    tg.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


def values(module: nn.Module) -> list[bytes]:
    return [tensor.numpy().tobytes() for tensor in module.state_dict().values()]


def train(model: nn.Module, optimizer: Any, steps: int = 3, capture: bool = False) -> None:
    def step(x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
        optimizer.zero_grad()
        loss = tg.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    taken = tg.capture(step) if capture else step
    for _ in range(steps):
        taken(tg.tensor(X), tg.tensor(Y))


@pytest.mark.parametrize("kind", [tg.optim.Adam, tg.optim.LAMB, tg.optim.NAdam, tg.optim.RMSprop, tg.optim.Adagrad])
@pytest.mark.parametrize("capture", [False, True])
def test_frozen_layers_keep_their_bits_and_cost_no_state(kind: Any, capture: bool) -> None:
    model = network()
    for layer in (model[0], model[1]):
        layer.freeze(statistics=True)
    before, head = [values(model[0]), values(model[1])], values(model[5])
    optimizer = kind(model.parameters(), lr=0.01, weight_decay=0.1, clip_norm=1.0)
    train(model, optimizer, capture=capture)
    assert [values(model[0]), values(model[1])] == before
    assert values(model[5]) != head
    frozen = sum(1 for p in model.parameters() if not p.requires_grad)
    assert frozen == 4
    assert {int(name.split(".")[0]) for name in optimizer.state_dict()["state"]} == set(range(frozen, 8))
    assert all(p.grad is None for p in model[0].parameters())


def test_statistics_follow_the_batches_unless_they_are_frozen_too() -> None:
    def moved(statistics: bool, thaw: bool = False) -> bool:
        model = network()
        model.freeze(statistics)
        if thaw:
            model.unfreeze()
        before = values(model)[4:6]
        model.train()(tg.tensor(X))
        return values(model)[4:6] != before

    assert moved(statistics=False)
    assert not moved(statistics=True)
    assert moved(statistics=True, thaw=True)


def test_frozen_statistics_are_those_of_evaluation() -> None:
    model = network()
    model(tg.tensor(X))  # statistics of some batch
    expected = model.eval()(tg.tensor(X)).tolist()
    assert model.train().freeze(statistics=True)(tg.tensor(X)).tolist() == expected
    assert model.unfreeze()(tg.tensor(X)).tolist() != expected


def test_a_captured_step_notices_that_statistics_were_frozen() -> None:
    model = network()
    step = tg.capture(lambda x: model(x))
    for _ in range(3):
        step(tg.tensor(X))
    model[1].freeze(statistics=True)
    before = values(model[1])
    for _ in range(3):
        step(tg.tensor(X))
    assert values(model[1]) == before


def test_a_new_head() -> None:
    model = network()
    model[5] = nn.Linear(8, 7)
    assert model(tg.tensor(X)).shape == (32, 7)
    names = [name for name, _ in model.named_parameters()]
    assert names[-2:] == ["5.weight", "5.bias"]
    lenet = tg.models.lenet5().build((28, 28, 1))
    lenet.fc3 = nn.Linear(84, 5)
    assert lenet(tg.zeros((2, 28, 28, 1))).shape == (2, 5)
    assert lenet[-1] is lenet.fc3


def test_rates_by_layer() -> None:
    """A rate of zero keeps a layer; ten times the rate moves SGD's weights ten times as far."""
    start = values(network())

    def change(lrs: list[float]) -> list[np.ndarray]:
        model = network()
        before = [p.numpy().copy() for p in (q.detach() for q in model.parameters())]
        groups = [
            {"params": [*model[0].parameters(), *model[1].parameters()], "lr": lrs[0]},
            {"params": model[3].parameters(), "lr": lrs[1]},
            {"params": model[5].parameters(), "lr": lrs[2]},
        ]
        train(model, tg.optim.SGD(groups, lr=1.0), steps=1)
        return [p.detach().numpy() - b for p, b in zip(model.parameters(), before, strict=True)]

    slow, fast = change([0.0, 0.001, 0.01]), change([0.0, 0.01, 0.01])
    assert all((c == 0).all() for c in slow[:4])
    for a, b in zip(slow[4:6], fast[4:6], strict=True):
        assert np.abs(b).max() > 0
        assert np.allclose(10 * a, b, rtol=1e-3, atol=2e-6)
    for a, b in zip(slow[6:], fast[6:], strict=True):
        assert np.array_equal(a, b)
    assert values(network()) == start


def test_layers_thawed_later_join_the_optimizer() -> None:
    model = network()
    for layer in list(model)[:5]:
        layer.freeze(statistics=True)
    optimizer = tg.optim.Adam(model[5].parameters(), lr=0.01)
    train(model, optimizer)
    before = values(model[3])
    model[3].unfreeze()
    optimizer.add_param_group({"params": model[3].parameters(), "lr": 0.001})
    train(model, optimizer)
    assert values(model[3]) != before
    state = optimizer.state_dict()
    assert state["state"]["0.step"].tolist() == [6]
    assert state["state"]["2.step"].tolist() == [3]
    other = tg.optim.Adam([{"params": model[5].parameters()}, {"params": model[3].parameters()}])
    other.load_state_dict(state)
    assert other.lr == [0.01, 0.001]
