"""Findings of layers: gradients that vanish or explode on their way back, dead and saturated units."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ...train.placement import on_host
from ..activity import Activity
from ..statistics import dead_units, norm, saturated_units
from .case import Case
from .finding import Finding
from .probe import loss_of, value_of

if TYPE_CHECKING:
    from ...nn.module import Module

__all__ = ["gradients", "judge_gradients", "units"]

# Between the first and the last layer of networks that learn well the gradients, relative to the weights, differ by
# less than a factor of a hundred; a thousand means that one end stands still at any rate that the other end bears.
FACTOR = 1e3
# |g| / |w| of a whole layer, 1e-2 to 1 as a rule: at a rate of 0.01 a step of SGD would change a third of the layer.
HUGE = 30.0
# The same of all layers before training: at a rate of 0.1 a million steps would not move the largest.
TINY = 1e-5
# The share of a layer's units: fewer are the price of ReLU (a tenth to a third is usual after long training), half of a
# layer is half of its capacity. Layers of fewer than four units say nothing.
MANY, FEWEST = 0.5, 4
# What is left of the loss of knowing nothing where next to nothing was learnt.
LEFT = 0.6


def _relative_gradients(case: Case, model: Module) -> dict[str, float]:
    """|g| / |w| of every weight matrix or filter that has a gradient, in the order of the layers' calls."""
    order: list[str] = []
    model.zero_grad()
    with Activity(model, lambda name, kind, output: order.append(name)):
        value = value_of(model, case.loss, case.look)
    if not value.requires_grad:
        return {}  # nothing is trained; the ten samples tell
    value.backward()
    named = {path: p for path, p in model.named_parameters() if p.ndim >= 2 and p.requires_grad and p.grad is not None}
    ranks = {layer: rank for rank, layer in reversed(list(enumerate(order)))}
    found: dict[str, float] = {}
    for path in sorted(named, key=lambda path: ranks.get(path.rpartition(".")[0], len(ranks))):
        weight = norm(on_host(named[path]))
        gradient = norm(on_host(named[path].grad))
        if weight > 0 and gradient > 0:
            found[path] = gradient / weight
    model.zero_grad()
    return found


def gradients(case: Case) -> Iterator[Finding]:
    """Whether gradients shrink or grow from layer to layer."""
    states = [("at the start of training", case.start), ("now", case.current if case.is_finite else None)]
    told: set[str] = set()
    for when, model in states:
        if model is None:
            continue
        # Where all is learnt, all gradients are small.
        is_start = model is case.start or loss_of(model, case.loss, case.look) > LEFT * (case.chance or math.inf)
        seen = _relative_gradients(case, model)
        for finding in judge_gradients(seen, f"{when}, for {case.look.samples} samples", is_start):
            if finding.diagnosis not in told:
                told.add(finding.diagnosis)
                yield finding
    if case.monitor is not None:
        for inspection in case.monitor.inspections[:1]:
            layers = inspection.layers()
            relative = {
                layer: part.gradient_norm / part.norm
                for layer, part in layers.items()
                if part.gradient_norm is not None and part.gradient_norm > 0 and part.norm > 0
            }
            for finding in judge_gradients(relative, f"in step {inspection.step}"):
                if finding.diagnosis not in told:
                    told.add(finding.diagnosis)
                    yield finding


def judge_gradients(relative: dict[str, float], when: str, is_start: bool = True) -> Iterator[Finding]:
    """What |g| / |w| by layer, in the order of the calls, tells."""
    broken = [path for path, ratio in relative.items() if not math.isfinite(ratio)]
    if broken:
        yield Finding(
            "exploding gradients",
            f"{when}, the gradient of {broken[0]} is not finite",
            "lower the scale of the initial weights, normalise between the layers, limit gradients with clip_norm",
            "error",
        )
        return
    if len(relative) < 2:
        worst = max(relative, key=lambda path: relative[path], default="")
        if worst and relative[worst] > HUGE:
            yield _exploding(when, worst, relative[worst])
        return
    first, *_, last = relative
    early, late = relative[first], relative[last]
    if early * FACTOR < late or (is_start and max(relative.values()) < TINY):
        yield Finding(
            "vanishing gradients",
            f"{when}, |gradient| / |weights| is {early:.1e} in {first} and {late:.1e} in {last}: 1e-2 to 1 is "
            f"usual in all of {len(relative)} layers",
            "take ReLU instead of sigmoid or tanh, He's initialisation, batch normalisation between the layers, or "
            "residual connections",
            "error",
        )
    worst = max(relative, key=lambda path: relative[path])
    # Of few layers one may have large weights and so small ratios; through many, such a factor is growth.
    is_growing = early > FACTOR * late and len(relative) >= 4
    if relative[worst] > HUGE or is_growing:
        grows = f", and {late:.1e} in {last}" if is_growing and worst != last else ""
        yield _exploding(when, worst, relative[worst], grows)


def _exploding(when: str, path: str, ratio: float, more: str = "") -> Finding:
    return Finding(
        "exploding gradients",
        f"{when}, |gradient| / |weights| is {ratio:.1e} in {path}{more}; 1e-2 to 1 is usual",
        "lower the scale of the initial weights (He's or Xavier's), normalise inputs and layers, limit gradients with "
        "the optimizer's clip_norm=1.0",
        "error",
    )


class _Units:
    """Which units of each layer were dead or saturated in all that was seen."""

    def __init__(self) -> None:
        self.last = ""
        self.kinds: dict[str, str] = {}
        self.idle: dict[str, np.ndarray[Any, Any]] = {}

    def note(self, name: str, kind: str, output: Any) -> None:
        self.last = name
        values = on_host(output)
        if not kind or values.ndim < 2 or values.shape[-1] < FEWEST or not np.isfinite(values).all():
            return
        self.kinds[name] = kind
        self.idle[name] = dead_units(values) if kind == "relu" else saturated_units(values, kind)


def units(case: Case) -> Iterator[Finding]:
    """Whether many units of a layer are stuck."""
    if not case.is_finite:
        return
    seen, model = _Units(), case.current
    with Activity(model, seen.note):
        loss_of(model, case.loss, case.look)
    seen.idle.pop(seen.last, None)  # the answer itself: a sure sigmoid is what it should be
    for kinds, diagnosis in ((("relu",), "dead units"), (("tanh", "sigmoid"), "saturated units")):
        shares = {name: float(idle.mean()) for name, idle in seen.idle.items() if seen.kinds[name] in kinds}
        stuck = {name: share for name, share in shares.items() if share > MANY}
        if not stuck:
            continue
        worst = max(stuck, key=lambda name: stuck[name])
        idle = int(seen.idle[worst].sum())
        where = f"{idle} of {len(seen.idle[worst])} units of {worst}"
        more = f"; so it is in {len(stuck)} of {len(shares)} such layers" if len(shares) > 1 else ""
        if diagnosis == "dead units":
            yield Finding(
                diagnosis,
                f"{where} ({stuck[worst]:.0%}) are 0 for all of {case.look.samples} samples, and so are their "
                f"gradients{more}".replace("%", " %"),
                "lower the learning rate, start biases at 0, use He's initialisation, or take LeakyReLU or ELU",
                "error" if stuck[worst] > 0.9 else "warning",
            )
        else:
            yield Finding(
                diagnosis,
                f"{where} ({stuck[worst]:.0%}) are where {seen.kinds[worst]} is flat: their mean slope over "
                f"{case.look.samples} samples is under a tenth of the steepest{more}".replace("%", " %"),
                "lower the scale of the initial weights (Xavier's for tanh and sigmoid) or of the inputs, lower the "
                "learning rate, normalise between the layers, or take ReLU",
                "error" if stuck[worst] > 0.9 else "warning",
            )
