"""Watching one of the results for its best value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ... import _C
from ...numbers import check_number

__all__ = ["Monitor", "better_way"]

_HIGHER = ("acc", "top", "precision", "recall", "f1", "auc", "r2", "score", "iou", "dice")


def better_way(name: str) -> str:
    """``"max"`` for results of which more is better, by the words of their name; else ``"min"``."""
    words = name.lower().split("_")
    is_score = any(word.startswith(_HIGHER) for word in words) and not {"loss", "error"} & set(words)
    return "max" if is_score else "min"


class Monitor:
    """The best value so far of a result.

    Parameters
    ----------
    owner
        Who watches, for errors.
    name
        The result's name; without ``"val_loss"`` there, ``"loss"`` stands for it.
    mode
        ``"min"``, ``"max"``, or ``"auto"``: by :func:`better_way`.
    min_delta
        By how much more than this a value must be better to be an improvement.
    """

    def __init__(self, owner: str, name: str, mode: str = "auto", min_delta: float = 0.0) -> None:
        if mode not in ("min", "max", "auto"):
            raise _C.ArgumentError(f'{owner}: mode must be "min", "max" or "auto", found {mode!r}')
        if not isinstance(name, str):
            raise _C.ArgumentError(f"{owner}: monitor must be the name of a result, found {name!r}")
        check_number(owner, "min_delta", min_delta)
        self.owner, self.name, self.min_delta = owner, name, min_delta
        self.mode = better_way(name) if mode == "auto" else mode
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.best = math.inf if self.mode == "min" else -math.inf

    def value(self, results: Mapping[str, float]) -> float:
        """The watched value.

        Raises
        ------
        ArgumentError
            If it is not among the results.
        """
        name = "loss" if self.name == "val_loss" and "val_loss" not in results else self.name
        if name not in results:
            hint = "; give fit validation_data" if name.startswith("val_") else ""
            raise _C.ArgumentError(f"{self.owner} watches {name!r}, found only {', '.join(results)}{hint}")
        return results[name]

    def improves(self, value: float) -> bool:
        """Whether a value is the best so far; it is remembered then. NaN never is."""
        better = value < self.best - self.min_delta if self.mode == "min" else value > self.best + self.min_delta
        if better:
            self.best = value
        return better

    def state(self) -> dict[str, Any]:
        """The best value."""
        return {"best": self.best}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` returned."""
        self.best = state["best"]
