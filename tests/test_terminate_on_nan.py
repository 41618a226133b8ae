"""TerminateOnNaN: what it names, and that the model stays as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn
from tilegrad.train import Finding, TerminateOnNaN, Trainer

RNG = np.random.default_rng(2)
X = RNG.normal(size=(40, 4)).astype(np.float32)
Y = RNG.normal(size=(40, 1)).astype(np.float32)
SHUFFLED = tg.permutation(40, tg.Generator(0, 0)).numpy()  # the first epoch of seed 0


class Logarithm(nn.Module):
    """NaN of what is negative."""

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return tg.log(x)


class Root(nn.Module):
    """Finite at 0, with a gradient that is not."""

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return tg.sqrt(x * x)


class Scaled(nn.Module):
    """Multiplies by the root of a parameter that is 0."""

    def __init__(self) -> None:
        self.factor = nn.Parameter(tg.zeros(4))

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return x * tg.sqrt(self.factor)


class Between(nn.Module):
    """Divides by zero outside of any layer."""

    def __init__(self) -> None:
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 1)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return self.second(self.first(x) / tg.where(x[:, :1] > 90.0, tg.zeros_like(x[:, :1]), tg.ones_like(x[:, :1])))


class Direct(nn.Module):
    """A model without layers."""

    def __init__(self) -> None:
        self.w = nn.Parameter(tg.ones((4, 1)))

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return tg.sqrt(tg.matmul(x, self.w))


def fit(model: nn.Module, loss: Any, x: Any, y: Any, capture: bool, **options: Any) -> tuple[Trainer, Finding]:
    """Train with a guard until it ends; the parameters must be those from before the last step."""
    optimizer = tg.optim.SGD(model.parameters(), lr=options.pop("lr", 0.01))
    trainer, guard = Trainer(model, loss, optimizer, capture=capture), TerminateOnNaN()
    kept: list[dict[str, bytes]] = [state(model)]

    def keep(trainer: Trainer, step: int, results: Any) -> None:
        kept.append(state(model))

    watch = tg.train.LambdaCallback(on_step_end=keep)
    with pytest.warns(RuntimeWarning, match="training ends: step"):
        history = trainer.fit((x, y), options.pop("epochs", 3), 8, callbacks=[guard, watch], verbose=0, **options)
    assert guard.finding is not None
    assert trainer.stop_reason == guard.finding.message
    assert state(model) == kept[guard.finding.step]
    assert len(history.epoch) == guard.finding.step // 5 + 1
    return trainer, guard.finding


def state(model: nn.Module) -> dict[str, bytes]:
    return {path: tensor.numpy().tobytes() for path, tensor in model.state_dict().items()}


@pytest.mark.parametrize("capture", [False, True])
def test_a_layer_and_the_samples(capture: bool) -> None:
    tg.manual_seed(0)
    # Batch norm in front would mix the samples; behind it does not hide which layer was first.
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), Logarithm()), nn.BatchNorm1d(4), nn.Linear(4, 1))
    with tg.no_grad():
        model[0].weight.copy_(tg.eye(4))
        model[0].bias.fill_(100.0)
    x = X.copy()
    x[[7, 21]] = -200.0
    _, finding = fit(model, nn.MSELoss(), x, Y, capture)
    assert (finding.what, finding.layer, finding.kind) == ("output", "1.1", "Logarithm")
    assert finding.samples is not None
    assert set(finding.samples) <= {7, 21}
    first = min(int(np.flatnonzero(bad == SHUFFLED)[0]) for bad in (7, 21)) // 8
    assert finding.step == first
    assert [SHUFFLED[first * 8 + row] for row in finding.rows] == finding.samples
    listed = ", ".join(map(str, finding.samples))
    assert finding.message.startswith(
        f"step {first}: the output of layer 1.1 (Logarithm) is the first that is not finite, of sample"
    )
    assert finding.message.endswith(listed)


@pytest.mark.parametrize("capture", [False, True])
def test_a_gradient(capture: bool) -> None:
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3, bias=False), Root(), nn.Linear(3, 1))
    x = X.copy()
    x[11] = 0.0
    _, finding = fit(model, nn.MSELoss(), x, Y, capture)
    assert (finding.what, finding.layer, finding.samples) == ("gradient", "1", [11])
    assert "the gradient of layer 1 (Root) is the first that is not finite, of sample 11" in finding.message
    # Of a layer's own parameters, which are sums over the samples.
    tg.manual_seed(0)
    model = nn.Sequential(Scaled(), nn.Linear(4, 1))
    _, finding = fit(model, nn.MSELoss(), X, Y, capture)
    assert (finding.what, finding.layer, finding.kind, finding.rows) == ("gradient", "0", "Scaled", [])


@pytest.mark.parametrize("capture", [False, True])
def test_what_is_given(capture: bool) -> None:
    for what, message in (("inputs", "the inputs are"), ("targets", "the targets are")):
        x, y = X.copy(), Y.copy()
        (x if what == "inputs" else y)[13] = np.nan
        tg.manual_seed(0)
        _, finding = fit(nn.Sequential(nn.Linear(4, 1)), nn.MSELoss(), x, y, capture)
        assert (finding.what, finding.layer, finding.samples) == (what, None, [13])
        assert f"{message} not finite, of sample 13" in finding.message


@pytest.mark.parametrize("capture", [False, True])
def test_the_loss(capture: bool) -> None:
    class Log(nn.Module):
        def __init__(self, reduction: str = "mean") -> None:
            self.reduction = reduction

        def forward(self, x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
            losses = tg.log(y + x * 0.0)
            return losses if self.reduction == "none" else tg.mean(losses)

    y = np.ones_like(Y)
    y[30] = 0.0
    tg.manual_seed(0)
    _, finding = fit(nn.Sequential(nn.Linear(4, 1)), Log(), X, y, capture)
    assert (finding.what, finding.samples) == ("loss", [30])
    _, finding = fit(nn.Sequential(nn.Linear(4, 1)), lambda o, t: tg.mean(tg.log(t + o * 0.0)), X, y, capture)
    assert (finding.what, finding.rows) == ("loss", [])  # a loss that tells of no samples


@pytest.mark.parametrize("capture", [False, True])
def test_between_layers_and_without_layers(capture: bool) -> None:
    x = X.copy()
    x[17, 0] = 99.0
    tg.manual_seed(0)
    _, finding = fit(Between(), nn.MSELoss(), x, Y, capture)
    assert (finding.what, finding.layer, finding.samples) == ("input", "second", [17])
    assert "what reaches layer second (Linear)" in finding.message
    x = np.abs(X)
    x[3] = -1.0
    _, finding = fit(Direct(), nn.MSELoss(), x, Y, capture)
    assert (finding.what, finding.layer, finding.kind, finding.samples) == ("output", "", "Direct", [3])


@pytest.mark.parametrize("capture", [False, True])
def test_parameters_that_exploded(capture: bool) -> None:
    """With so high a rate weights grow until a layer's output overflows."""
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 1))
    _, finding = fit(model, nn.MSELoss(), X, Y, capture, lr=1e4, epochs=20)
    assert finding.step > 0
    assert finding.what in ("output", "loss", "gradient", "parameter")
    assert all(np.isfinite(p.detach().numpy()).all() for p in model.parameters())
    # Parameters that were not finite from the beginning.
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 1))
    with tg.no_grad():
        model[1].bias.fill_(float("inf"))
    _, finding = fit(model, nn.MSELoss(), X, Y, capture)
    assert (finding.what, finding.layer) == ("parameter", "1.bias")


@pytest.mark.parametrize("capture", [False, True])
def test_dropout_is_replayed(capture: bool) -> None:
    """The one unit that is kept gives the NaN: other masks would not find it."""
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), Logarithm(), nn.Linear(4, 1))
    with tg.no_grad():
        model[0].bias.fill_(50.0)  # log of what dropout makes 0 is -inf
    _, finding = fit(model, nn.MSELoss(), X, Y, capture)
    assert (finding.what, finding.layer) == ("output", "2")
    tg.manual_seed(0)
    _ = nn.Linear(4, 4), nn.Linear(4, 1)  # the draws of the weights
    mask = nn.Dropout(0.5)(tg.ones((8, 4))).numpy()
    assert finding.rows == np.flatnonzero((mask == 0).any(1)).tolist()


@pytest.mark.parametrize("capture", [False, True])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_it_changes_nothing_while_all_is_well(capture: bool, accumulate: int) -> None:
    def run(*callbacks: tg.train.Callback) -> Any:
        tg.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1))
        optimizer = tg.optim.Adam(model.parameters(), lr=0.01, clip_norm=0.5)
        trainer = Trainer(model, nn.MSELoss(), optimizer, ["mae"], capture=capture, accumulate=accumulate)
        history = trainer.fit((X, Y), 3, 8, callbacks=callbacks, verbose=0)
        del history["samples_per_second"]
        return state(model), history, trainer.stop_reason

    assert run() == run(TerminateOnNaN())


def test_a_callback_of_ones_own_may_leave_the_step_out() -> None:
    class Skip(tg.train.Callback):
        watches_finiteness = True
        found = 0

        def on_not_finite(self, trainer: Trainer, finding: Finding) -> None:
            self.found += 1

    tg.manual_seed(0)
    x, skip = X.copy(), Skip()
    x[5] = np.inf
    model = nn.Sequential(nn.Linear(4, 1))
    trainer = Trainer(model, nn.MSELoss(), tg.optim.SGD(model.parameters(), lr=0.1), capture=True)
    trainer.fit((x, Y), 4, 8, callbacks=[skip], verbose=0)
    assert skip.found == 4
    assert trainer.optimizer.steps == 16
    assert np.isfinite(model[0].weight.detach().numpy()).all()
