"""A folder with the newest and the best checkpoints of one run."""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from .. import _C
from ..errors import CheckpointError, CheckpointWarning
from ..io.state import read_results, read_state, write_state
from .callbacks.monitor import better_way
from .run_lock import RunLock

__all__ = ["Checkpoint", "CheckpointFolder"]

NAME = re.compile(r"checkpoint-(\d{8,18})\.safetensors")
PARTIAL = re.compile(r"\.checkpoint-\d+\.safetensors\.[0-9a-f]+\.partial")


class Checkpoint(NamedTuple):
    """One file of a :class:`CheckpointFolder`."""

    number: int
    path: Path
    results: dict[str, float]


class CheckpointFolder:
    """The newest and the best checkpoints of a run, of which the newest whole one is never at risk.

    A checkpoint is one safetensors file with checksums of all that is in it. It is written beside the others, reaches
    the disk, and only then gets its name and takes the place of an older one; a process killed at any moment leaves
    whole checkpoints. One run at a time may write: ``with`` takes the folder, and gives it back.

    Parameters
    ----------
    path
        The folder; made if it is not there.
    keep_last
        How many of the newest are kept, from 1.
    keep_best
        How many of the best are kept besides.
    monitor
        The result that says how good a checkpoint is; without ``"val_loss"`` there, ``"loss"`` stands for it. One
        that is not finite is never among the best, nor is a checkpoint that was saved without results.
    mode : {"auto", "min", "max"}
        Whether less or more is better; ``"auto"``: more of accuracies and other scores of classes, else less.

    Raises
    ------
    ArgumentError
        If an argument is out of its range.
    FolderInUseError
        By ``with``, if another run has the folder; with its process, machine and beginning.

    Examples
    --------
    >>> import numpy as np, tempfile, tilegrad as tg
    >>> folder = tg.train.CheckpointFolder(tempfile.mkdtemp(), keep_last=2)
    >>> with folder:
    ...     for step, loss in enumerate([3.0, 1.0, 2.0, 4.0]):
    ...         saved = folder.save({"step": step, "weights": np.ones(2)}, {"val_loss": loss})
    >>> folder.latest()["step"], folder.best()["step"]
    (3, 1)
    >>> [checkpoint.number for checkpoint in folder.checkpoints()]
    [2, 3, 4]
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        keep_last: int = 3,
        keep_best: int = 1,
        monitor: str = "val_loss",
        mode: str = "auto",
    ) -> None:
        owner = "CheckpointFolder"
        for name, value, least in (("keep_last", keep_last, 1), ("keep_best", keep_best, 0)):
            if type(value) is not int or value < least:
                raise _C.ArgumentError(f"{owner}: {name} must be an integer from {least} up, found {value!r}")
        if mode not in ("auto", "min", "max"):
            raise _C.ArgumentError(f"{owner}: mode must be 'auto', 'min' or 'max', found {mode!r}")
        self.path = Path(path)
        self.keep_last, self.keep_best, self.monitor = keep_last, keep_best, monitor
        self.mode = better_way(monitor) if mode == "auto" else mode
        self._lock = RunLock(self.path)
        self._failing = False  # whether the last save failed, and was reported
        self._results: dict[int, dict[str, float] | None] = {}  # None: known to be damaged

    def __enter__(self) -> CheckpointFolder:
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock.acquire()
        for path in self.path.iterdir():
            if PARTIAL.fullmatch(path.name):  # of a run that was killed while it wrote
                path.unlink(missing_ok=True)
        return self

    def __exit__(self, *error: Any) -> None:
        self._lock.release()

    def save(self, state: Mapping[str, Any], results: Mapping[str, float] | None = None) -> bool:
        """Write a checkpoint, then remove those that are neither among the newest nor among the best.

        Parameters
        ----------
        state
            A plain tree: dict, list, tuple, str, int, float, bool, None, NumPy arrays of numbers and tensors. All of it
            comes back exactly.
        results
            Results by name, for ``monitor``.

        Returns
        -------
        bool
            Whether it was written. Where the system refuses (a full disk, for example) a
            :class:`~tilegrad.CheckpointWarning` says so, once until it works again, and the older checkpoints stay.

        Raises
        ------
        ArgumentError
            If the state is no plain tree, or the folder was not taken by ``with``.
        """
        if not self._lock.held:
            raise _C.ArgumentError("CheckpointFolder.save: the folder is not this run's; save inside `with folder:`")
        number = 0
        try:
            number = max(self._numbers(), default=0) + 1
            write_state(self._file(number), state, results)
        except OSError as error:
            if not self._failing:
                warnings.warn(
                    f"{self._file(number)}: the checkpoint could not be written ({error}); training goes on, and "
                    f"{self._newest()}",
                    CheckpointWarning,
                    stacklevel=2,
                )
            self._failing = True
            return False
        self._failing = False
        self._results[number] = dict(results or {})
        self._remove_others()
        return True

    def latest(self) -> dict[str, Any] | None:
        """The newest state, or None if nothing was saved.

        A damaged file is passed over with a :class:`~tilegrad.CheckpointWarning` that says what is wrong with it, and
        the one before is taken.

        Raises
        ------
        CheckpointError
            If there are checkpoints but none is whole.
        """
        return self._first_whole(reversed(self._numbers()))

    def best(self) -> dict[str, Any] | None:
        """The state with the best ``monitor``, or None if none has it; of equals the first. Else as :meth:`latest`."""
        return self._first_whole(self._by_merit())

    def checkpoints(self) -> list[Checkpoint]:
        """What is there, oldest first, without files whose head is damaged."""
        found = [(number, self._known(number)) for number in self._numbers()]
        return [Checkpoint(number, self._file(number), known) for number, known in found if known is not None]

    def _file(self, number: int) -> Path:
        return self.path / f"checkpoint-{number:08d}.safetensors"

    def _numbers(self) -> list[int]:
        """Of all files that are called checkpoints, ascending."""
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return []
        return sorted(int(match[1]) for name in names if (match := NAME.fullmatch(name)))

    def _known(self, number: int) -> dict[str, float] | None:
        """The results of a checkpoint, or None if it is damaged."""
        if number not in self._results:
            try:
                self._results[number] = read_results(self._file(number))
            except FileNotFoundError:  # removed by its run in between
                return None
            except (CheckpointError, OSError):
                self._results[number] = None
        return self._results[number]

    def _merit(self, number: int) -> float | None:
        """Less is better; None for none."""
        results = self._known(number) or {}
        value = results.get(self.monitor, results.get("loss") if self.monitor == "val_loss" else None)
        if value is None or not math.isfinite(value):
            return None
        return float(value) if self.mode == "min" else -float(value)

    def _by_merit(self) -> list[int]:
        merits = [(merit, number) for number in self._numbers() if (merit := self._merit(number)) is not None]
        return [number for _, number in sorted(merits)]

    def _first_whole(self, numbers: Iterable[int]) -> dict[str, Any] | None:
        problems = []
        for number in numbers:
            try:
                state = read_state(self._file(number))
            except FileNotFoundError:  # removed by its run in between
                continue
            except (CheckpointError, OSError) as error:
                self._results[number] = None
                problems.append(str(error))
                continue
            for problem in problems:
                warnings.warn(f"{problem}; {self._file(number).name} is used", CheckpointWarning, stacklevel=3)
            return state
        if problems:
            raise CheckpointError("\n    ".join([f"{self.path}: no checkpoint is whole:", *problems]))
        return None

    def _newest(self) -> str:
        try:
            whole = self.checkpoints()
        except OSError:  # the folder itself is out of reach
            return "what was there stays"
        return f"{whole[-1].path.name} stays" if whole else "there is none yet"

    def _remove_others(self) -> None:
        """All but the newest and the best; a damaged one until enough newer ones are whole."""
        numbers = self._numbers()
        whole = [number for number in numbers if self._known(number) is not None]
        newest = whole[-self.keep_last :]
        kept = {*newest, *self._by_merit()[: self.keep_best]}
        for number in numbers:
            if number < newest[-1] and number not in kept and (number in whole or number < newest[0]):
                with suppress(OSError):  # it is tried again after the next
                    self._file(number).unlink(missing_ok=True)
                self._results.pop(number, None)
