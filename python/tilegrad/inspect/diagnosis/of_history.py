"""Findings of the curves: over-fitting and under-fitting."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..overfit import overfitting
from .case import Case
from .finding import Finding
from .probe import loss_of
from .twin import twin

__all__ = ["fit_of_history", "over_fitting", "under_fitting"]

# The gap between validation and training loss, as a share of the loss of knowing nothing: a quarter of all that there
# was to learn was learnt by heart. Runs that generalise stay under a tenth.
GAP = 0.25
# What is left of that loss where a network has learnt less than a third of what there is. Noise leaves a half in many a
# healthy regression.
LEFT = 2 / 3
# A curve has come to rest where its last third fell by less than this share.
REST = 0.05
_ADVICE = (
    "stop at that epoch (EarlyStopping keeps the best weights), gather or augment data, add dropout or weight decay, "
    "or take a smaller network"
)


def over_fitting(case: Case) -> Iterator[Finding]:
    """Whether the network learns its training samples by heart."""
    found = list(fit_of_history(case.history))
    if found:
        yield from found
        return
    if "val_loss" in case.history and len(case.losses("val_loss")):
        training, validation = case.losses()[-1], case.losses("val_loss")[-1]
        seen = "at the end of the run"
    elif case.validation is not None and case.is_finite:
        model = twin(case.model).eval()
        training = loss_of(model, case.loss, case.look)
        validation, seen = loss_of(model, case.loss, case.validation), f"on {case.look.samples} samples of each"
    else:
        return
    scale = case.chance
    if scale is None:
        scale = float(case.losses()[0]) if len(case.losses()) else None
    if scale and validation - training > GAP * scale:
        yield Finding(
            "over-fitting",
            f"{seen}, the loss is {training:.3g} in training and {validation:.3g} in validation; knowing nothing it "
            f"would be {scale:.3g}",
            _ADVICE.replace("stop at that epoch", "stop earlier"),
        )


def fit_of_history(history: Mapping[str, Sequence[float]]) -> Iterator[Finding]:
    """What the curves tell without model and data."""
    found = overfitting(history)
    if found is None:
        return
    losses = list(history["loss"])
    back = (
        f", {found.given_back:.0%} of what it had gained".replace("%", " %") if math.isfinite(found.given_back) else ""
    )
    yield Finding(
        "over-fitting",
        f"the validation loss was best in epoch {found.epoch + 1} with {found.best:.3g} and rose to {found.last:.3g}"
        f"{back}, while the training loss fell from {losses[found.epoch]:.3g} to {losses[-1]:.3g}",
        _ADVICE,
    )


# What does not explain a network that learns too little: the first may be the same thing, seen on ten samples.
_NO_REASONS = {"cannot over-fit ten samples", "loss not near ln(classes) at the start", "over-fitting"}


def under_fitting(case: Case) -> Iterator[Finding]:
    """Whether training has come to rest far above what there is to learn, and nothing else explains it."""
    losses, scale = case.losses(), case.chance
    if set(case.found) - _NO_REASONS or len(losses) < 3 or not np.isfinite(losses).all() or not case.is_finite:
        return
    third = max(1, len(losses) // 3)
    if losses[-1] < (1 - REST) * losses[-1 - third]:
        return  # it still falls
    reached = loss_of(twin(case.model).eval(), case.loss, case.look)
    limit: Any = losses[0] if scale is None else scale
    if not (reached > LEFT * limit and losses[-1] > LEFT * limit):
        return
    yield Finding(
        "under-fitting",
        f"the training loss has come to rest at {losses[-1]:.3g} ({reached:.3g} without dropout), which is "
        f"{losses[-1] / limit:.0%} of the {limit:.3g} of the best constant answer".replace("%", " %"),
        "take a larger or deeper network, better features, less dropout and weight decay, a longer training with a "
        "higher rate; see whether the inputs tell the targets at all",
    )
