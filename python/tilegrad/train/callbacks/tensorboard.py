"""Results for TensorBoard."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ... import _C
from ...errors import require
from ..callback import Callback

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["TensorBoard"]


class TensorBoard(Callback):
    """Writes results as scalars that TensorBoard shows: ``epoch/loss``, ``epoch/val_loss`` and so on, by epoch from 1.

    Needs the package tensorboardX: extra ``tensorboard``.

    Parameters
    ----------
    folder
        Where the event files go.
    every
        If given, the means so far and the learning rate are also written every so many steps, as ``step/...``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.train.TensorBoard("runs/first", every=100).folder
    'runs/first'
    """

    main_only = True

    def __init__(self, folder: str | os.PathLike[str], every: int | None = None) -> None:
        if every is not None and (type(every) is not int or every < 1):
            raise _C.ArgumentError(f"TensorBoard: every must be a positive integer or None, found {every!r}")
        self.folder, self.every = os.fspath(folder), every
        self._writer: Any = None

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Open the event file."""
        module = require("tensorboardX", "tensorboard", "the callback TensorBoard")
        self._writer = module.SummaryWriter(self.folder)

    def on_step_end(self, trainer: Trainer, step: int, results: Mapping[str, float]) -> None:
        """Write every so many steps."""
        if self.every is not None and (step + 1) % self.every == 0:
            rates = trainer.optimizer.lr
            rates = {f"lr_{i}": rate for i, rate in enumerate(rates)} if isinstance(rates, list) else {"lr": rates}
            self._write("step", {**results, **rates}, step + 1)

    def on_epoch_end(self, trainer: Trainer, epoch: int, results: dict[str, float]) -> None:
        """Write the epoch."""
        self._write("epoch", results, epoch + 1)
        self._writer.flush()

    def _write(self, prefix: str, results: Mapping[str, float], position: int) -> None:
        for name, value in results.items():
            if math.isfinite(value):  # tensorboardX complains about others
                self._writer.add_scalar(f"{prefix}/{name}", value, position)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Close the event file."""
        self._writer.close()
