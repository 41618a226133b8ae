"""The learning rate among the results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..callback import Callback

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["LearningRateLogger"]


class LearningRateLogger(Callback):
    """Adds the learning rate of the epoch's last update to the results: ``"lr"``, or ``"lr_0"``, ``"lr_1"``, ... of
    several groups.

    Put it in front of callbacks that write results.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> model = tg.nn.Sequential(tg.nn.Linear(2, 1))
    >>> optimizer = tg.optim.SGD(model.parameters(), lr=lambda step: 1 / (1 + step))
    >>> trainer = tg.train.Trainer(model, tg.nn.MSELoss(), optimizer)
    >>> x, y = np.zeros((8, 2), np.float32), np.zeros((8, 1), np.float32)
    >>> trainer.fit((x, y), 2, 4, callbacks=[tg.train.LearningRateLogger()], verbose=0)["lr"]
    [0.5, 0.25]
    """

    def on_epoch_end(self, trainer: Trainer, epoch: int, results: dict[str, float]) -> None:
        """Add the rates."""
        optimizer = trainer.optimizer
        last = max(optimizer.steps - 1, 0)
        rates = [group._rate_at(last) for group in optimizer.groups]
        for number, rate in enumerate(rates):
            results["lr" if len(rates) == 1 else f"lr_{number}"] = rate
