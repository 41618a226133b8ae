"""Results in a CSV file."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

from ..callback import Callback
from ..history import History

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["CSVLogger"]


class CSVLogger(Callback):
    """Writes the results into a file after every epoch: one line each, with a head of names.

    The file is whole at any time. Of a run that was resumed the lines of its earlier epochs stay.

    Parameters
    ----------
    path
        Of the file.
    append
        Whether lines that are there stay, also of another run; its epochs then go on counting.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> model = tg.nn.Sequential(tg.nn.Linear(2, 1))
    >>> trainer = tg.train.Trainer(model, tg.nn.MSELoss(), tg.optim.SGD(model.parameters(), lr=0.1))
    >>> x, y = np.ones((8, 2), np.float32), np.ones((8, 1), np.float32)
    >>> history = trainer.fit((x, y), 3, callbacks=[tg.train.CSVLogger("run.csv")], verbose=0)
    >>> tg.train.History.read_csv("run.csv")["loss"] == history["loss"]
    True
    """

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        self.path, self.append = os.fspath(path), append
        self._rows, self._first = History(), 0

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Find the lines that stay."""
        self._rows, self._first = History(), 0
        if self.append and os.path.exists(self.path):
            self._rows = History.read_csv(self.path)
            self._first = max(self._rows.epoch, default=-1) + 1
        for row in trainer.history.rows():  # of the run that goes on
            epoch = int(row.pop("epoch"))
            if not self.append:
                self._rows.add(epoch, row)

    def on_epoch_end(self, trainer: Trainer, epoch: int, results: dict[str, float]) -> None:
        """Write the file."""
        self._rows.add(self._first + epoch, results)
        try:
            self._rows.to_csv(self.path)
        except OSError as error:
            warnings.warn(f"CSVLogger: {self.path} was not written ({error}); training goes on", stacklevel=2)
