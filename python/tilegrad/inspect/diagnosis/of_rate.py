"""Findings of the learning rate: the same start trained with other rates."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ... import optim
from .case import Case
from .finding import Finding
from .probe import loss_of, peak_rates, same_optimizer, train

__all__ = ["rate"]

# A probe with a smaller rate must win at least a fifth of the loss, and twice what the given rate wins, before the rate
# is called too high: at healthy rates the larger wins in so few steps.
WON, TWICE = 0.2, 2.0
# Too low: the rate wins less than a twentieth where ten to ten thousand times as much wins a quarter, and five times as
# much.
LITTLE, MUCH, TIMES = 0.05, 0.25, 5.0
# A run that ended under this share of the loss of knowing nothing did learn, whatever the probes say.
LEARNT = 0.6


def rate(case: Case) -> Iterator[Finding]:
    """Whether a smaller or a larger rate would do better."""
    losses = case.losses()
    has_learnt = bool(len(losses)) and math.isfinite(losses[-1]) and losses[-1] < LEARNT * (case.chance or losses[0])
    diverged = len(losses) > 0 and _diverged(losses)
    if (has_learnt and not diverged) or "cannot over-fit ten samples" in case.found:
        return
    if case.optimizer is not None and case.start_loss is not None and math.isfinite(case.start_loss):
        yield from _probed(case, has_learnt, diverged)
    elif len(losses):
        yield from _from_history(case, losses, diverged)


def _diverged(losses: np.ndarray) -> bool:
    """Whether the training loss is lost, or ended half as high again as it was at its best and above where it began."""
    finite = losses[np.isfinite(losses)]
    return len(finite) < len(losses) or (len(finite) > 1 and finite[-1] > max(1.5 * finite.min(), finite[0]))


def _probed(case: Case, has_learnt: bool, diverged: bool) -> Iterator[Finding]:
    start, before = case.start, case.start_loss
    assert start is not None
    assert before is not None
    rates = peak_rates(case.optimizer)
    seen: dict[float, float] = {}

    def won(factor: float) -> float:
        if factor not in seen:
            trained = train(
                start,
                case.loss,
                same_optimizer(case.optimizer, case.model, factor),
                case.sample.training_batches,
                case.steps,
            )
            after = loss_of(trained, case.loss, case.look)
            seen[factor] = before - after if math.isfinite(after) else -math.inf
        return seen[factor]

    def shown(factor: float) -> str:
        after = before - won(factor)
        return f"{rates[0] * factor:.2g} to {after:.3g}" if math.isfinite(after) else f"{rates[0] * factor:.2g} to NaN"

    said = f"from {before:.3g}, {case.steps} steps at rate "
    own = won(1.0)
    lower = max((0.1, 0.01), key=won)
    if won(lower) > WON * before and won(lower) > TWICE * own:
        yield Finding(
            "learning rate too high",
            f"{said}{shown(1.0)}, at {shown(lower)}" + _what_history_says(case, diverged),
            f"lower the rate to about {rates[0] * lower:.1g}, or warm it up; limit gradients with clip_norm",
            "error" if own < LITTLE * before else "warning",
        )
        return
    if own >= LITTLE * before or has_learnt:
        return
    higher = max((10.0, 100.0, 1e3, 1e4), key=won)
    if won(higher) > MUCH * before and won(higher) > TIMES * own:
        yield Finding(
            "learning rate too low",
            f"{said}{shown(1.0)}, at {shown(higher)}" + _what_history_says(case, diverged) + _ratios(case),
            f"raise the rate to about {rates[0] * higher:.1g}: ten times at once, until the loss falls in the first "
            "hundred steps",
            "warning",
        )


def _what_history_says(case: Case, diverged: bool) -> str:
    losses = case.losses()
    if not len(losses):
        return ""
    if diverged:
        bad = np.flatnonzero(~np.isfinite(losses))
        if len(bad):
            return f"; in the run the loss was {losses[bad[0]]:g} from epoch {bad[0] + 1} on"
    return f"; in {len(losses)} epochs the run's loss went from {losses[0]:.3g} to {losses[-1]:.3g}"


def _ratios(case: Case) -> str:
    """The update ratios of the run, where somebody watched."""
    if case.monitor is None:
        return ""
    ratios = [value for _, values in case.monitor.series("update_ratio").values() for value in values]
    return f"; updates are {np.median(ratios):.0e} of the weights, healthy is 1e-3" if ratios else ""


# Epochs that a curve needs before its form says anything.
EPOCHS = 4


def _from_history(case: Case, losses: np.ndarray, diverged: bool) -> Iterator[Finding]:
    """Without the optimizer: the form of the curve, and what Adam makes of the same start."""
    finite = losses[np.isfinite(losses)]
    if diverged:
        if len(finite) < len(losses):
            seen = f"the training loss is {losses[~np.isfinite(losses)][0]:g} from epoch {len(finite) + 1} on"
        else:
            seen = f"the training loss rose from {finite.min():.3g} at its best to {finite[-1]:.3g}"
        yield Finding(
            "learning rate too high", seen, "lower the rate to a tenth; limit gradients with clip_norm", "error"
        )
        return
    if case.start is None or case.start_loss is None:
        return
    above = 2 * max(case.start_loss, case.chance or 0.0)
    if losses.max() > above:
        yield Finding(
            "learning rate too high",
            f"training begins at a loss of {case.start_loss:.3g}, and epoch {int(losses.argmax()) + 1} had "
            f"{losses.max():.3g}: steps made it worse; in the end it was {losses[-1]:.3g}",
            "lower the rate to a tenth; limit gradients with clip_norm",
            "error",
        )
        return
    if len(losses) < EPOCHS:
        return
    reached = _by_adam(case)
    if not reached < LEARNT * losses[-1]:
        return  # a usual optimizer does no better: it is not the rate
    steps = np.diff(losses)
    fallen, walked = losses[0] - losses[-1], np.abs(steps).sum()
    said = f"the loss went from {losses[0]:.3g} to {losses[-1]:.3g} in {len(losses)} epochs"
    adam = f"; {case.steps} steps of Adam at 0.001 brought the same start to {reached:.3g}"
    if (steps < 0).mean() >= 0.8:
        yield Finding(
            "learning rate too low",
            f"{said}, falling in {int((steps < 0).sum())} of {len(steps)}{adam}{_ratios(case)}",
            "raise the rate ten times at once, until the loss falls in the first hundred steps",
        )
    elif walked > 3 * abs(fallen):
        yield Finding(
            "learning rate too high",
            f"{said}, and {walked:.3g} up and down on the way{adam}",
            "lower the rate to a tenth",
        )


def _by_adam(case: Case) -> float:
    """What a short training by Adam reaches from the start."""
    assert case.start is not None
    trained = train(
        case.start,
        case.loss,
        lambda copied: optim.Adam([p for p in copied.parameters() if p.requires_grad], lr=1e-3),
        case.sample.training_batches,
        2 * case.steps,
    )
    return loss_of(trained, case.loss, case.look)
