"""Where a run began to over-fit, from its history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Overfitting", "overfitting"]


class Overfitting(NamedTuple):
    """The epoch from which validation got worse while training got better; found by :func:`overfitting`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> history = {"loss": [2.0, 1.0, 0.5, 0.2, 0.1], "val_loss": [2.0, 1.5, 1.75, 2.0, 2.5]}
    >>> tg.inspect.overfitting(history)
    Overfitting(epoch=1, best=1.5, last=2.0, given_back=1.0)
    """

    epoch: int
    """The best of the validation loss; from 0."""
    best: float
    """The validation loss there."""
    last: float
    """The validation loss at the end: of the last three epochs, the middle one."""
    given_back: float
    """How much of what validation had gained since the first epoch was lost again; infinite where nothing was."""


def overfitting(history: Mapping[str, Sequence[float]]) -> Overfitting | None:
    """Finds where the validation loss began to rise for good while the training loss went on falling.

    Parameters
    ----------
    history
        With ``"loss"`` and ``"val_loss"``, one value per epoch.

    Returns
    -------
    Overfitting or None
        None where it does not: fewer than four epochs, the best epoch among the last two, a rise under a tenth of the
        best loss or under a fifth of the gain since the first epoch, or a training loss that did not fall since.

    Notes
    -----
    Both bounds keep noise out: of a loss near zero (0.01 to 0.02 is nothing after a fall from 2.3), and of one that
    never moved. The end is the median of three epochs, so that one bad epoch does not count.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.inspect.overfitting({"loss": [2.0, 1.0, 0.5, 0.2, 0.1], "val_loss": [2.0, 1.5, 1.6, 1.8, 2.1]}).epoch
    1
    >>> tg.inspect.overfitting({"loss": [2.0, 1.0, 0.5, 0.2], "val_loss": [2.0, 1.1, 0.7, 0.5]}) is None
    True
    """
    training, validation = _finite(history, "loss"), _finite(history, "val_loss")
    count = min(len(training), len(validation))
    if count < 4:
        return None
    training, validation = training[:count], validation[:count]
    epoch = int(np.argmin(validation))
    if epoch >= count - 2:
        return None
    best, last = float(validation[epoch]), float(np.median(validation[-3:]))
    rise, gain = last - best, float(validation[0]) - best
    if rise < 0.1 * abs(best) or rise < 0.2 * gain or not np.median(training[-3:]) < training[epoch]:
        return None
    return Overfitting(epoch, best, last, rise / gain if gain > 0 else float("inf"))


def _finite(history: Mapping[str, Sequence[float]], name: str) -> Any:
    values = np.asarray(list(history.get(name, ())), np.float64)
    return values if np.isfinite(values).all() else values[:0]
