"""Ending training when it does not help any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...numbers import check_count, check_number
from ..callback import Callback
from ..placement import on_host
from .monitor import Monitor

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["EarlyStopping"]


class EarlyStopping(Callback):
    """Ends training when a result has not improved for some epochs, and brings back the best weights.

    Parameters
    ----------
    monitor
        The result that is watched; without ``"val_loss"`` there, ``"loss"`` stands for it.
    patience
        How many epochs in a row without improvement end training.
    min_delta
        A value must be better than the best by more than this to be an improvement.
    mode
        ``"min"``, ``"max"``, or ``"auto"``: more is better of accuracies and other scores of classes, else less.
    min_change
        If given, training also ends when the training loss has changed by less than this from epoch to epoch,
        ``patience`` times in a row.
    restore_best
        Whether the model has, at the end of the fit, the weights (and running statistics) of the best epoch. Of the
        callbacks that write weights at the end a fit takes one.
    start
        The number of the first epoch that counts.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(40, 8)).astype(np.float32), rng.integers(0, 2, 40)  # nothing to learn
    >>> model = tg.nn.Sequential(tg.nn.Linear(8, 32, activation="relu"), tg.nn.Linear(32, 2))
    >>> trainer = tg.train.Trainer(model, tg.nn.CrossEntropyLoss(), tg.optim.Adam(model.parameters(), lr=0.01))
    >>> stopping = tg.train.EarlyStopping(patience=3)
    >>> history = trainer.fit((x, y), 500, validation_split=0.5, callbacks=[stopping], verbose=0)
    >>> len(history.epoch) < 500, len(history.epoch) - 1 - stopping.best_epoch
    (True, 3)
    >>> trainer.stop_reason
    'val_loss has not improved for 3 epochs'
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str = "auto",
        min_change: float | None = None,
        restore_best: bool = True,
        start: int = 0,
    ) -> None:
        check_count("EarlyStopping", "patience", patience)
        if min_change is not None:
            check_number("EarlyStopping", "min_change", min_change)
        self.monitor = Monitor("EarlyStopping", monitor, mode, min_delta)
        self.patience, self.min_change, self.restore_best, self.start = patience, min_change, restore_best, start
        self._restored = False
        self._clear()

    def _clear(self) -> None:
        self.best_epoch: int | None = None
        """The number of the best epoch."""
        self._waited = self._unchanged = 0
        self._last_loss: float | None = None
        self._weights: dict[str, Any] = {}
        self.monitor.clear()

    @property
    def writes_at_end(self) -> str | None:
        """``restore_best`` does."""
        return "restore_best=False" if self.restore_best else None

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Begin anew, unless the state of a run that goes on is there."""
        if not self._restored:
            self._clear()
        self._restored = False

    def on_epoch_end(self, trainer: Trainer, epoch: int, results: dict[str, float]) -> None:
        """Look at the result."""
        value = self.monitor.value(results)
        if epoch < self.start:
            return
        if self.monitor.improves(value):
            self.best_epoch, self._waited = epoch, 0
            if self.restore_best:
                self._weights = {path: np.array(on_host(tensor)) for path, tensor in trainer.model.state_dict().items()}
        else:
            self._waited += 1
            if self._waited >= self.patience:
                trainer.stop(f"{self.monitor.name} has not improved for {_epochs(self.patience)}")
        if self.min_change is not None:
            self._look_at_change(trainer, results["loss"], self.min_change)

    def _look_at_change(self, trainer: Trainer, loss: float, least: float) -> None:
        if self._last_loss is not None:
            self._unchanged = self._unchanged + 1 if abs(loss - self._last_loss) < least else 0
            if self._unchanged >= self.patience:
                trainer.stop(f"loss has changed by less than {least} for {_epochs(self.patience)}")
        self._last_loss = loss

    def on_fit_end(self, trainer: Trainer) -> None:
        """Bring back the best weights."""
        if self._weights:
            trainer.model.load_state_dict(self._weights)

    def state(self) -> dict[str, Any]:
        """What has been seen, and the best weights."""
        return {
            "monitor": self.monitor.state(),
            "best_epoch": self.best_epoch,
            "waited": self._waited,
            "unchanged": self._unchanged,
            "last_loss": self._last_loss,
            "weights": self._weights,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` returned."""
        self.monitor.restore(state["monitor"])
        self.best_epoch, self._last_loss = state["best_epoch"], state["last_loss"]
        self._waited, self._unchanged = state["waited"], state["unchanged"]
        self._weights = dict(state["weights"])
        self._restored = True


def _epochs(count: int) -> str:
    return f"{count} epoch{'s' if count > 1 else ''}"
