"""Saving the model after epochs."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ... import _C
from ...io import save
from ...numbers import check_count
from ..callback import Callback
from .monitor import Monitor

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["ModelCheckpoint"]


class ModelCheckpoint(Callback):
    """Saves the model with :func:`tilegrad.save`, after the best epochs or after all.

    It is for models that are used later; ``fit(checkpoint=...)`` is for runs that go on. Where the disk is full, a
    warning says so and training goes on; the old file stays.

    Parameters
    ----------
    path
        Of the file; ``"{epoch}"``, counted from 1, and results are filled in:
        ``"model-{epoch:03d}-{val_loss:.3f}.safetensors"``. Folders are made.
    monitor
        The result that is watched; without ``"val_loss"`` there, ``"loss"`` stands for it.
    mode
        ``"min"``, ``"max"``, or ``"auto"``: more is better of accuracies and other scores of classes, else less.
    best_only
        Whether only an epoch that is the best so far is saved.
    every
        Of how many epochs one is saved, or looked at.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> model = tg.nn.Sequential(tg.nn.Linear(2, 1))
    >>> trainer = tg.train.Trainer(model, tg.nn.MSELoss(), tg.optim.SGD(model.parameters(), lr=0.1))
    >>> keep = tg.train.ModelCheckpoint("best.safetensors")
    >>> x, y = np.ones((10, 2), np.float32), np.ones((10, 1), np.float32)
    >>> history = trainer.fit((x, y), epochs=2, callbacks=[keep], verbose=0)
    >>> tg.load("best.safetensors")
    Sequential(
        Linear(2, 1),
    )
    """

    main_only = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        monitor: str = "val_loss",
        mode: str = "auto",
        best_only: bool = True,
        every: int = 1,
    ) -> None:
        check_count("ModelCheckpoint", "every", every)
        self.path, self.best_only, self.every = os.fspath(path), best_only, every
        self.monitor = Monitor("ModelCheckpoint", monitor, mode)
        self.saved: list[str] = []
        """The files written, in order."""

    def on_epoch_end(self, trainer: Trainer, epoch: int, results: dict[str, float]) -> None:
        """Save, if it is time."""
        if (epoch + 1) % self.every or (self.best_only and not self.monitor.improves(self.monitor.value(results))):
            return
        try:
            path = self.path.format(epoch=epoch + 1, **results)
        except (KeyError, IndexError) as error:
            raise _C.ArgumentError(
                f"ModelCheckpoint: path {self.path!r} names {error}, found epoch, {', '.join(results)}"
            ) from None
        try:
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            save(trainer.model, path)
        except OSError as error:
            warnings.warn(f"ModelCheckpoint: {path} was not written ({error}); training goes on", stacklevel=2)
            return
        self.saved.append(path)

    def state(self) -> dict[str, Any]:
        """The best value so far."""
        return self.monitor.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` returned."""
        self.monitor.restore(state)
