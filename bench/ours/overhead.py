"""Tiny operations, allocation, and the probes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import tilegrad as tg
from bench import probes
from bench.case import Arrays, Builder, Probe, Run, Spec
from bench.nets import NETS
from bench.ours.kernels import array, checked
from bench.ours.networks import training_step


def add4(spec: Spec, arrays: Arrays) -> list[Run]:
    a, b = (tg.tensor(arrays[name], requires_grad=spec["recorded"]) for name in "ab")
    return [checked(partial(operator.add, a, b), "sum")]


def mlp16(spec: Spec, arrays: Arrays) -> list[Run]:
    layers = [tg.nn.Linear(16, 16, activation="relu" if i < 2 else None) for i in range(3)]
    for i, layer in enumerate(layers):
        layer.load_state_dict({"weight": tg.tensor(arrays[f"w{i}"]), "bias": tg.tensor(arrays[f"b{i}"])})
    model = tg.nn.Sequential(*layers)
    x, target = tg.tensor(arrays["x"]), tg.tensor(arrays["target"])
    optimizer = tg.optim.SGD(model.parameters(), lr=1e-3)
    bias: Any = layers[-1].bias

    def forward(x: Any, target: Any) -> Any:
        return tg.mse_loss(model(x), target)

    def backward(x: Any, target: Any) -> Any:
        optimizer.zero_grad()
        loss = forward(x, target)
        loss.backward()
        return loss

    def step(x: Any, target: Any) -> Any:
        loss = backward(x, target)
        optimizer.step()
        return loss

    stage = (forward, backward, step)[spec["stage"]]

    def run(function: Callable[..., Any], variant: str, mode: str) -> Run:
        def value() -> Arrays:
            found = {"loss": array(function(x, target))}
            return {**found, "gradient": array(bias.grad)} if spec["stage"] else found

        return Run(variant, lambda: function(x, target), value, mode)

    runs = [run(stage, "eager", "eager")]
    if spec["stage"] == 2 and hasattr(tg, "capture"):
        return [*runs, run(tg.capture(step), "captured", "captured")]
    return runs


def allocate(spec: Spec, arrays: Arrays) -> list[Run]:
    n = spec["bytes"] // 4
    return [Run("eager", partial(tg.ones, n) if spec["fill"] else partial(tg.empty, n), dict)]


def alternate(spec: Spec, arrays: Arrays) -> list[Probe]:
    """A training step and NumPy's product by turns: each compared with itself alone."""
    step, x, labels = training_step(NETS[spec["net"]], arrays)
    found = [Probe("eager", lambda: probes.alternating(lambda: step(x, labels)), "eager")]
    if hasattr(tg, "capture"):
        other, x2, labels2 = training_step(NETS[spec["net"]], arrays)
        captured = tg.capture(other)
        found.append(Probe("captured", lambda: probes.alternating(lambda: captured(x2, labels2)), "captured"))
    return found


def peak_memory(spec: Spec, arrays: Arrays) -> list[Probe]:
    step, x, labels = training_step(NETS[spec["net"]], arrays)
    found = [Probe("eager", lambda: probes.peak_memory(lambda: step(x, labels)), "eager")]
    if hasattr(tg, "capture"):
        captured = tg.capture(step)
        # After the eager one in the same process, whose peak it can only pass.
        found.append(Probe("captured", lambda: probes.peak_memory(lambda: captured(x, labels)), "captured"))
    return found


BUILDERS: dict[str, Builder] = {
    "add4": add4,
    "mlp16": mlp16,
    "allocate": allocate,
    "alternate": alternate,
    "peak memory": peak_memory,
    "import": lambda spec, arrays: [probes.import_time("tilegrad")],
}
