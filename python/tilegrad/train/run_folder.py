"""The folder of a run: its checkpoints, its history, and what it is."""

from __future__ import annotations

import json
import os
import platform
import sys
import warnings
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _C
from .._version import __version__
from ..errors import CheckpointWarning
from ..io.architecture import NotDescribableError, encode
from ..io.atomic import write_atomically

if TYPE_CHECKING:
    from .history import History
    from .trainer import Trainer

__all__ = ["RunFolder"]


class RunFolder:
    """Files of a run that people and reports read.

    Parameters
    ----------
    path
        The folder; it is made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._failing = False

    def write_about(self, trainer: Trainer, arguments: Mapping[str, Any], is_resumed: bool) -> None:
        """Write ``run.json``: architecture, arguments, environment, and when the run began and went on."""
        file = self.path / "run.json"
        begun: list[str] = []
        if is_resumed and file.exists():
            begun = _begun(file)
        about = {
            "begun": [*begun, datetime.now(timezone.utc).isoformat(timespec="seconds")],
            "model": _described(trainer),
            "parameters": sum(parameter.size for parameter in trainer.model.parameters()),
            "trainable": sum(p.size for p in trainer.model.parameters() if p.requires_grad),
            "loss": _shown(trainer.loss),
            "optimizer": {
                "kind": type(trainer.optimizer).__name__,
                "groups": [_plain({"lr": group.lr, **group._options}) for group in trainer.optimizer.groups],
            },
            "metrics": [metric.name for metric in trainer.metrics],
            "arguments": _plain(arguments),
            "environment": environment(),
        }
        self._write(file, json.dumps(about, indent=1, allow_nan=False).encode())

    def write_history(self, history: History) -> None:
        """Write ``history.csv``."""
        self._write(self.path / "history.csv", history.csv().encode())

    def _write(self, file: Path, content: bytes) -> None:
        """A full disk does not end training."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_atomically(file, [content])
        except OSError as error:
            if not self._failing:
                warnings.warn(f"{file} was not written ({error}); training goes on", CheckpointWarning, stacklevel=2)
            self._failing = True
        else:
            self._failing = False


def environment() -> dict[str, Any]:
    """What the results were computed with."""
    return {
        "tilegrad": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "machine": platform.machine(),
        "isa": _C.isa(),
        "threads": _C.get_num_threads(),
        "float32_precision": _C.float32_precision(),
        "program": os.path.basename(sys.argv[0]) if sys.argv else "",
    }


def _begun(file: Path) -> list[str]:
    try:
        return [str(time) for time in json.loads(file.read_text(encoding="utf-8"))["begun"]]
    except (OSError, ValueError, KeyError, TypeError):  # it only tells people
        return []


def _described(trainer: Trainer) -> dict[str, Any]:
    found: dict[str, Any] = {"text": repr(trainer.model)}
    try:
        found["architecture"] = encode(trainer.model)
    except NotDescribableError as error:
        found["architecture"], found["reason"] = None, str(error)
    return found


def _shown(value: Any) -> str:
    return getattr(value, "__name__", None) or repr(value)


def _plain(value: Any) -> Any:
    """For JSON; what it lacks as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else repr(value)
    if isinstance(value, (np.ndarray, _C.TensorBase)):
        return f"{type(value).__name__} {list(value.shape)}"
    return _shown(value)
