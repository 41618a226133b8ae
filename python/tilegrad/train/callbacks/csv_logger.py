"""Results in a CSV file."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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

    main_only = True

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        self.path, self.append = os.fspath(path), append
        self._rows, self._first = History(), 0
        self._is_restored = False

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Find the lines that stay."""
        before = History.read_csv(self.path) if self.append and os.path.exists(self.path) else History()
        if not self._is_restored:
            self._first = max(before.epoch, default=-1) + 1
        self._is_restored = False
        self._rows = History()
        for rows, first in ((before, 0), (trainer.history, self._first)):  # of other runs; of the run that goes on
            for row in rows.rows():
                epoch = first + int(row.pop("epoch"))
                if rows is trainer.history or epoch < self._first:
                    self._rows.add(epoch, row)

    def on_epoch_end(self, trainer: Trainer, epoch: int, results: dict[str, float]) -> None:
        """Write the file."""
        self._rows.add(self._first + epoch, results)
        try:
            self._rows.to_csv(self.path)
        except OSError as error:
            warnings.warn(f"CSVLogger: {self.path} was not written ({error}); training goes on", stacklevel=2)

    def state(self) -> dict[str, Any]:
        """The number of the run's first line, where there are lines of others."""
        return {"first": self._first} if self.append else {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` returned."""
        self._first, self._is_restored = int(state["first"]), True
