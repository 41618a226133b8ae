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
    runs = [mlp16_run(spec["stage"], arrays, "eager")]
    if spec["stage"] == 2 and hasattr(tg, "capture"):
        runs.append(mlp16_run(2, arrays, "captured"))
    return runs


def mlp16_run(stage: int, arrays: Arrays, mode: str) -> Run:
    layers = [tg.nn.Linear(16, 16, activation="relu" if i < 2 else None) for i in range(3)]
    for i, layer in enumerate(layers):
        layer.load_state_dict({"weight": tg.tensor(arrays[f"w{i}"]), "bias": tg.tensor(arrays[f"b{i}"])})
    model = tg.nn.Sequential(*layers)
    x, target = tg.tensor(arrays["x"]), tg.tensor(arrays["target"])
    optimizer = tg.optim.SGD(model.parameters(), lr=1e-3)
    bias: Any = layers[-1].bias

    def step(x: Any, target: Any) -> Any:
        if stage:
            optimizer.zero_grad()
        loss = tg.mse_loss(model(x), target)
        if stage:
            loss.backward()
        if stage == 2:
            optimizer.step()
        return loss

    function: Callable[..., Any] = tg.capture(step) if mode == "captured" else step

    def value() -> Arrays:
        found = {"loss": array(function(x, target))}
        return {**found, "gradient": array(bias.grad)} if stage else found

    return Run(mode, lambda: function(x, target), value, mode)


def allocate(spec: Spec, arrays: Arrays) -> list[Run]:
    n = spec["bytes"] // 4
    return [Run("eager", partial(tg.ones, n) if spec["fill"] else partial(tg.empty, n), dict)]


def modes() -> list[str]:
    return ["eager", "captured"] if hasattr(tg, "capture") else ["eager"]


def step_of(spec: Spec, arrays: Arrays, mode: str) -> Callable[[], object]:
    step, x, labels = training_step(NETS[spec["net"]], arrays)
    function = tg.capture(step) if mode == "captured" else step
    return lambda: function(x, labels)


def alternate(spec: Spec, arrays: Arrays) -> list[Probe]:
    """A training step and NumPy's product by turns: each compared with itself alone."""
    return [Probe(mode, partial(measured, probes.alternating, spec, arrays, mode), mode) for mode in modes()]


def peak_memory(spec: Spec, arrays: Arrays) -> list[Probe]:
    return [Probe(mode, partial(measured, probes.peak_memory, spec, arrays, mode), mode) for mode in modes()]


def measured(
    probe: Callable[[Callable[[], object], float], dict[str, float]],
    spec: Spec,
    arrays: Arrays,
    mode: str,
    seconds: float,
) -> dict[str, float]:
    """Builds the network only now: the process of another mode has none of it."""
    return probe(step_of(spec, arrays, mode), seconds)


BUILDERS: dict[str, Builder] = {
    "add4": add4,
    "mlp16": mlp16,
    "allocate": allocate,
    "alternate": alternate,
    "peak memory": peak_memory,
    "import": lambda spec, arrays: [probes.import_time("tilegrad", source_tree=True)],
}
