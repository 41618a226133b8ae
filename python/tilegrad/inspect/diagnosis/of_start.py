"""Findings of the start: the first loss, and ten samples."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import nn, optim
from ...autograd import no_grad
from ...train.placement import on_host
from ..predictions import call
from .case import Case
from .finding import Finding
from .probe import loss_of, train, value_of

if TYPE_CHECKING:
    from ...nn.module import Module

__all__ = ["first_loss", "ten_samples"]

# Fresh logits have a deviation of up to 1.5 (He's initialisation doubles the variance that ReLU halves), which adds
# half of its square to ln(classes), twice that by an unlucky seed; so half as much again and 1 more is no bad luck.
SLACK, MORE = 1.5, 1.0


def first_loss(case: Case) -> Iterator[Finding]:
    """Whether a classifier begins with the loss of one that does not know: ln(classes)."""
    classes = _classes(case)
    if classes is None:
        return
    expected, found = math.log(classes), case.start_loss
    when = f"before training, on {case.look.samples} samples"
    if found is None and case.monitor is not None and case.monitor.losses()[0][:1] == [0]:
        found, when = case.monitor.losses()[1][0], "in the first batch"
    if found is None or found <= SLACK * expected + MORE:
        return
    yield Finding(
        "loss not near ln(classes) at the start",
        f"{when}, the loss is {found:.3g}; a network that knows nothing of {classes} classes yet has "
        f"ln({classes}) = {expected:.3g}",
        "lower the scale of the last layer's initial weights, scale the inputs, and see that the loss gets logits and "
        "labels as it expects them",
        "error" if not math.isfinite(found) or found > 10 * expected else "warning",
    )


def _classes(case: Case) -> int | None:
    """How many classes the loss chooses from."""
    if isinstance(case.loss, (nn.BCEWithLogitsLoss, nn.BCELoss)):
        return 2
    if not case.is_classifier:
        return None
    with no_grad():
        outputs = call(case.current, case.sample.first(2).inputs)
    return int(outputs.shape[-1])


# Ten samples are fitted where the loss is under a tenth of what it was: some dozen steps for a network that works, so
# 300 are ten times enough. Adam at two rates, because neither the user's optimizer nor its rate is in question here.
TEN, ENOUGH, STEPS, RATES = 10, 0.1, 300, (1e-2, 1e-3)


def ten_samples(case: Case) -> Iterator[Finding]:
    """Whether the model can learn ten samples by heart; one that cannot has a mistake in it."""
    model = case.start if case.start is not None else case.current
    if case.start is None and not case.is_finite:
        return
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    batch = _distinct(case)
    if not parameters:
        yield Finding(
            "cannot over-fit ten samples",
            f"0 of {len(list(model.parameters()))} parameters are trained: all are frozen, or there are none",
            "unfreeze() the layers that are to learn",
            "error",
        )
        return
    without = _without_gradient(case, model, batch)
    if "detached" in without:
        yield Finding(
            "cannot over-fit ten samples",
            without.removeprefix("; "),
            "look for detach(), no_grad(), numpy() or item() between the parameters and the loss",
            "error",
        )
        return
    before = loss_of(model, case.loss, batch)
    floor = _floor(case, batch)
    goal = floor + ENOUGH * (max(before, _constant_loss(case, batch) or before) - floor)

    def is_enough(copied: Module) -> bool:
        return loss_of(copied, case.loss, batch) <= goal

    reached: dict[float, float] = {}
    for rate in RATES:
        trained = train(
            model,
            case.loss,
            lambda copied: optim.Adam([p for p in copied.parameters() if p.requires_grad], lr=rate),
            lambda: itertools.repeat(batch),
            STEPS,
            is_enough,
        )
        reached[rate] = loss_of(trained, case.loss, batch)
        if reached[rate] <= goal:
            return
    best = min(reached, key=lambda rate: (math.isnan(reached[rate]), reached[rate]))
    yield Finding(
        "cannot over-fit ten samples",
        f"after {STEPS} steps of Adam on the same {batch.samples} samples the loss went from {before:.3g} to "
        f"{reached[best]:.3g} at best (rate {best:g}); {goal:.2g} would do{without}",
        "look for a mistake: labels that do not belong to their inputs, inputs that are all alike, a detached tensor, "
        "an activation or a softmax behind the last layer, a layer too narrow for anything to pass",
        "error",
    )


def _distinct(case: Case) -> Any:
    """Ten samples, of several classes where there are."""
    labels = case.sample.labels
    rows = case.sample.order
    if labels is not None and len(np.unique(labels)) > 1:
        shuffled = labels[rows]
        # Round robin over the classes: the first of each, then the second of each.
        turn = np.zeros(len(rows), np.int64)
        for label in np.unique(labels):
            of_label = np.flatnonzero(shuffled == label)
            turn[of_label] = np.arange(len(of_label))
        rows = rows[np.argsort(turn, kind="stable")]
    return case.sample.rows(rows[:TEN])


def _constant_loss(case: Case, batch: Any) -> float | None:
    """What the best constant answer has on the ten samples, for losses where that is known."""
    target = on_host(batch.target) if hasattr(batch.target, "numpy") else None
    if target is None:
        return None
    if case.is_classifier:
        _, counts = np.unique(target, return_counts=True)
        shares = counts / counts.sum()
        return float(-(shares * np.log(shares)).sum())
    return float(target.astype(np.float64).var(axis=0).mean()) if isinstance(case.loss, nn.MSELoss) else None


def _floor(case: Case, batch: Any) -> float:
    """The least loss that there is: with smoothed labels or soft targets it is above 0."""
    smoothing = getattr(case.loss, "label_smoothing", 0.0)
    if smoothing and case.is_classifier:
        K = _classes(case) or 2
        rest, own = smoothing / K, 1 - smoothing + smoothing / K
        return -(own * math.log(own) + (K - 1) * rest * math.log(rest))
    if isinstance(case.loss, (nn.BCEWithLogitsLoss, nn.BCELoss)):
        p = np.clip(batch.target.numpy().astype(np.float64), 1e-12, 1 - 1e-12)
        return float(-(p * np.log(p) + (1 - p) * np.log(1 - p)).mean())
    return 0.0


def _without_gradient(case: Case, model: Module, batch: Any) -> str:
    """Which parameters the loss does not reach."""
    model.zero_grad()
    value = value_of(model, case.loss, batch)
    if not value.requires_grad:
        return "; no gradient reaches any parameter: the output is detached"
    value.backward()
    named = [(path, p) for path, p in model.named_parameters() if p.requires_grad]
    none = [path for path, p in named if p.grad is None or not on_host(p.grad).any()]
    model.zero_grad()
    return f"; no gradient reaches {len(none)} of {len(named)} parameters, the first {none[0]}" if none else ""
