"""Ending training at the first number that is not finite."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from ..callback import Callback

if TYPE_CHECKING:
    from ..diagnosis import Finding
    from ..trainer import Trainer

__all__ = ["TerminateOnNaN"]


class TerminateOnNaN(Callback):
    """Ends training before an update whose loss or gradients are NaN or infinite, and says where they come from.

    The step is made again without capture, with the same dropout masks and running statistics, and everything in it is
    looked at: the samples, the parameters, every layer's output, the loss, and every gradient. A warning names the
    first that is not finite, and the samples. The model keeps the parameters from before the step.

    While all is well it costs a pass over the gradients in every step.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg, warnings
    >>> x, y = np.ones((8, 2), np.float32), np.ones((8, 1), np.float32)
    >>> x[5] = np.inf
    >>> model = tg.nn.Sequential(tg.nn.Linear(2, 1))
    >>> trainer = tg.train.Trainer(model, tg.nn.MSELoss(), tg.optim.SGD(model.parameters(), lr=0.1))
    >>> guard = tg.train.TerminateOnNaN()
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     history = trainer.fit((x, y), callbacks=[guard], verbose=0)
    >>> trainer.stop_reason
    'step 0: the inputs are not finite, of sample 5'
    """

    watches_finiteness = True

    def __init__(self) -> None:
        self.finding: Finding | None = None
        """What ended the last fit, if it was this."""

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Forget what an earlier fit found."""
        self.finding = None

    def on_not_finite(self, trainer: Trainer, finding: Finding) -> None:
        """End training."""
        self.finding = finding
        warnings.warn(f"training ends: {finding.message}", RuntimeWarning, stacklevel=2)
        trainer.stop(finding.message)
