"""Keeper: when the state of a fit is kept, and where."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import _C
from .ranks import ALONE, Alone
from .run_folder import RunFolder
from .snapshot import restore, snapshot

if TYPE_CHECKING:
    from .loop import Loop

__all__ = ["Keeper", "keeper_of"]

_INSIDE = "checkpoints"


class Keeper:
    """Keeps the state of a fit in a folder that is its own for a while.

    Parameters
    ----------
    folder
        With ``save(state, results)`` and ``latest()``; taken and given back by ``with``.
    path
        Of the run.
    resume
        Whether the newest state is taken over.
    every
        After how many batches the state is kept; None for after epochs alone.
    ranks
        Of which the main one has the folder.
    """

    def __init__(self, folder: Any, path: Path, resume: bool, every: int | None, ranks: Alone) -> None:
        self.run_folder = RunFolder(path)
        self._folder, self._resume, self._every, self._ranks = folder, resume, every, ranks
        self._kept_at = 0

    def __enter__(self) -> Keeper:
        if self._ranks.is_main:
            self._folder.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._ranks.is_main:
            self._folder.__exit__(*error)

    def begin(self, loop: Loop, arguments: Mapping[str, Any]) -> None:
        """Take over the newest state, or see that there is none."""
        state = self._ranks.from_main(self._folder.latest)
        if state is not None:
            if not self._resume:
                raise _C.ArgumentError(
                    f"fit: checkpoint {str(self.run_folder.path)!r} holds an earlier run: resume=True goes on with it; "
                    "give a new run a folder of its own"
                )
            restore(loop, state)
        self._kept_at = loop.step
        if self._ranks.is_main:
            self.run_folder.write_about(loop.trainer, arguments, is_resumed=state is not None)

    def step(self, loop: Loop) -> None:
        """A batch is done, and an update with it."""
        if self._every is not None and loop.step - self._kept_at >= self._every:
            self.keep(loop)

    def keep(self, loop: Loop, results: Mapping[str, float] | None = None) -> None:
        """Keep the state as it is."""
        state = snapshot(loop)
        if state is not None:
            self._folder.save(state, results)
        self._kept_at = loop.step

    def end_epoch(self, loop: Loop, results: dict[str, float]) -> None:
        """An epoch is done. What an interrupted one leaves was kept in its middle."""
        if self._ranks.is_main:
            self.run_folder.write_history(loop.trainer.history)
        if not loop.is_interrupted:
            self.keep(loop, results)


def keeper_of(checkpoint: Any, resume: bool, every: int | None, ranks: Alone = ALONE) -> Keeper | None:
    """From the arguments of fit."""
    if every is not None and (type(every) is not int or every < 1):
        raise _C.ArgumentError(f"fit: checkpoint_every must be a positive integer or None, found {every!r}")
    if checkpoint is None:
        given = "resume" if resume else "checkpoint_every"
        if resume or every is not None:
            raise _C.ArgumentError(f"fit: {given} needs checkpoint, the folder of the run")
        return None
    if isinstance(checkpoint, (str, os.PathLike)):
        from .checkpoint_folder import CheckpointFolder

        path = Path(checkpoint)
        return Keeper(CheckpointFolder(path / _INSIDE), path, resume, every, ranks)
    if not hasattr(checkpoint, "save") or not hasattr(checkpoint, "latest"):
        raise _C.ArgumentError(
            f"fit: checkpoint must be a folder's path or a CheckpointFolder, found {type(checkpoint).__name__}"
        )
    path = Path(checkpoint.path)
    return Keeper(checkpoint, path.parent if path.name == _INSIDE else path, resume, every, ranks)
