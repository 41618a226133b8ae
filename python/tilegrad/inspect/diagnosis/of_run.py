"""Findings without model and data: from the curves and what a monitor saw."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from ..records import Inspection
from .finding import Finding, Findings
from .of_history import fit_of_history
from .of_layers import MANY, judge_gradients

__all__ = ["of_run"]


def of_run(history: Mapping[str, Sequence[float]], inspections: Sequence[Inspection]) -> Findings:
    """What curves and inspections tell by themselves: over-fitting, a lost loss, gradients, stuck units."""
    found = [*_lost(history), *fit_of_history(history)]
    if inspections:
        first, last = inspections[0], inspections[-1]
        relative = {
            layer: part.gradient_norm / part.norm
            for layer, part in first.layers().items()
            if part.gradient_norm is not None and part.gradient_norm > 0 and part.norm > 0
        }
        found += judge_gradients(relative, f"in step {first.step}")
        found += _stuck(last)
    return Findings(found)


def _lost(history: Mapping[str, Sequence[float]]) -> Iterator[Finding]:
    losses = list(history.get("loss", ()))
    bad = [epoch for epoch, loss in enumerate(losses) if not math.isfinite(loss)]
    if bad:
        yield Finding(
            "learning rate too high",
            f"the training loss is {losses[bad[0]]:g} in epoch {bad[0] + 1}",
            "lower the rate to a tenth; limit gradients with clip_norm; see that no input is NaN",
            "error",
        )


def _stuck(inspection: Inspection) -> Iterator[Finding]:
    for name, diagnosis, advice in (
        ("dead", "dead units", "lower the learning rate, start biases at 0, or take LeakyReLU or ELU"),
        ("saturated", "saturated units", "lower the scale of the initial weights, or normalise between the layers"),
    ):
        shares = {layer: getattr(part, name) for layer, part in inspection.activations.items()}
        stuck = {layer: share for layer, share in shares.items() if share is not None and share > MANY}
        if stuck:
            worst = max(stuck, key=lambda layer: stuck[layer])
            yield Finding(
                diagnosis,
                f"in step {inspection.step}, {stuck[worst]:.0%} of the units of {worst} were {name} for the whole "
                f"batch".replace("%", " %"),
                advice,
            )
