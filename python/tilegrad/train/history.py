"""History: what every epoch of a training gave."""

from __future__ import annotations

import csv as csv_files
import io
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import _C
from ..errors import DataError, require
from ..io.atomic import write_atomically

__all__ = ["History"]


class History(dict[str, list[float]]):
    """Names of losses and metrics, and for each a list with one number per epoch.

    An epoch that lacks a value, such as the validation of an epoch that was interrupted, has NaN there. Metrics that
    are arrays, such as a confusion matrix, are in ``arrays``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> history = tg.train.History()
    >>> history.add(0, {"loss": 0.5})
    >>> history.add(1, {"loss": 0.25, "val_loss": 0.5})
    >>> history
    {'loss': [0.5, 0.25], 'val_loss': [nan, 0.5]}
    >>> history.epoch
    [0, 1]
    >>> history.to_csv("history.csv")
    >>> tg.train.History.read_csv("history.csv") == history
    False
    >>> tg.train.History.read_csv("history.csv")["loss"]
    [0.5, 0.25]
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        """The numbers of the epochs, from 0."""
        self.arrays: dict[str, list[Any]] = {}
        """Metrics that are arrays, by name: one per epoch."""

    def add(self, epoch: int, results: Mapping[str, float], arrays: Mapping[str, Any] | None = None) -> None:
        """Add an epoch.

        Parameters
        ----------
        epoch
            Its number.
        results
            A number by name. Names that this epoch lacks, or that earlier ones lacked, are NaN there.
        arrays
            Metrics that are arrays, by name; appended to those in ``arrays``.

        Raises
        ------
        ArgumentError
            If a result is no number; nothing is added then.
        """
        values = {name: _as_number(name, value) for name, value in results.items()}
        for name in [*self, *(name for name in values if name not in self)]:
            column = self.setdefault(name, [math.nan] * len(self.epoch))
            column.append(values.get(name, math.nan))
        for name, array in (arrays or {}).items():
            self.arrays.setdefault(name, []).append(array)
        self.epoch.append(epoch)

    def rows(self) -> list[dict[str, float]]:
        """One dict per epoch, ``"epoch"`` included."""
        return [
            {"epoch": epoch, **{name: column[position] for name, column in self.items()}}
            for position, epoch in enumerate(self.epoch)
        ]

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write one line per epoch, with a head of names; numbers are written so that they read back the same.

        Parameters
        ----------
        path
            The file, which is replaced; its folder must be there. Arrays are not in it.
        """
        write_atomically(path, [self.csv().encode()])

    def csv(self) -> str:
        """What :meth:`to_csv` writes."""
        text = io.StringIO()
        writer = csv_files.writer(text, lineterminator="\n")
        writer.writerow(["epoch", *self])
        for row in self.rows():
            writer.writerow([repr(value) for value in row.values()])
        return text.getvalue()

    @classmethod
    def read_csv(cls, path: str | os.PathLike[str]) -> History:
        """Read what :meth:`to_csv` wrote.

        Parameters
        ----------
        path
            The file, in UTF-8.

        Returns
        -------
        History
            With the same epochs and numbers, without arrays.

        Raises
        ------
        DataError
            If it is no such file; tells the line, where there is one.
        """
        found = cls()
        try:
            with open(path, encoding="utf-8", newline="") as file:
                lines = list(csv_files.reader(file))
        except (UnicodeError, csv_files.Error) as error:
            raise DataError(f"{os.fspath(path)}: no table: {error}") from None
        if not lines or not lines[0] or lines[0][0] != "epoch":
            raise DataError(
                f"{os.fspath(path)}: line 1 must begin with 'epoch', found {lines[0] if lines else 'nothing'}"
            )
        names = lines[0][1:]
        if len(set(names)) < len(names):
            raise DataError(f"{os.fspath(path)}: line 1 has a name twice: {lines[0]}")
        for number, line in enumerate(lines[1:], start=2):
            try:
                epoch, *values = int(line[0]), *(float(value) for value in line[1:])
            except (ValueError, IndexError):
                raise DataError(f"{os.fspath(path)}: line {number} is not of numbers: {line}") from None
            if len(values) != len(names):
                raise DataError(f"{os.fspath(path)}: line {number} has {len(values)} values, expected {len(names)}")
            found.add(epoch, dict(zip(names, values, strict=True)))
        return found

    def plot(self, names: Sequence[str] | None = None, path: str | os.PathLike[str] | None = None) -> Any:
        """Draw curves over epochs: a panel for each name, with that of the validation beside it.

        Parameters
        ----------
        names
            Which, without ``"val_"``; by default all but the rates and speeds.
        path
            If given, the figure is written there, in the format of the name's end.

        Returns
        -------
        matplotlib.figure.Figure
            Shown by notebooks by itself.

        Raises
        ------
        MissingExtraError
            If Matplotlib is not installed: extra ``plot``.
        ArgumentError
            If there is nothing to draw, or a name is unknown.
        """
        require("matplotlib", "plot", "History.plot")
        from matplotlib.figure import Figure  # no pyplot: no window, no state

        bases = [name.removeprefix("val_") for name in self]
        shown = list(dict.fromkeys(name for name in bases if name not in _NOT_DRAWN)) if names is None else list(names)
        unknown = [name for name in shown if name not in bases]
        if unknown or not shown:
            raise _C.ArgumentError(f"plot: found no {unknown or 'curves'}; there are {', '.join(self) or 'none'}")
        figure = Figure(figsize=(4.5 * len(shown), 3.5), layout="constrained")
        for axes, name in zip(np.ravel(figure.subplots(1, len(shown))), shown, strict=True):
            for column, label in ((name, "training"), (f"val_{name}", "validation")):
                if column in self:
                    axes.plot([number + 1 for number in self.epoch], self[column], label=label, marker=".")
            axes.set_xlabel("epoch")
            axes.set_title(name)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.legend()
        if path is not None:
            figure.savefig(path)
        return figure

    def state(self) -> dict[str, Any]:
        """Its content as plain lists."""
        return {
            "epoch": list(self.epoch),
            "columns": {name: list(column) for name, column in self.items()},
            "arrays": {name: list(arrays) for name, arrays in self.arrays.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over the content of another history in place of its own.

        Parameters
        ----------
        state
            What :meth:`state` returned.
        """
        self.clear()
        self.update({name: [float(value) for value in column] for name, column in state["columns"].items()})
        self.epoch = list(state["epoch"])
        self.arrays = {name: list(arrays) for name, arrays in state["arrays"].items()}


def _as_number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise _C.ArgumentError(f"History: result {name!r} must be a number, found {value!r}") from None


_NOT_DRAWN = ("samples_per_second",)
