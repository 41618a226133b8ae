"""A rate that falls when training no longer gets anywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ... import _C
from ...numbers import check_number

__all__ = ["ReduceOnPlateau"]


class ReduceOnPlateau:
    """Multiplies the rate by ``factor`` whenever a metric has not improved for more than ``patience`` looks at it.

    The metric comes through :meth:`observe`: by hand, once an epoch, or from :class:`tilegrad.train.Trainer`, which
    calls :meth:`tilegrad.optim.Optimizer.observe` after every epoch. What it has seen is saved with the optimizer.

    Parameters
    ----------
    rate
        The first rate.
    monitor
        The name of the metric among the trainer's results; without ``"val_loss"`` there, ``"loss"`` stands for it.
    mode : {"min", "max"}
        Whether less or more is better.
    factor
        Above 0 and below 1.
    patience
        How many looks without improvement are let pass.
    threshold
        An improvement is one by more than this, from 0.
    threshold_mode : {"rel", "abs"}
        Whether ``threshold`` is a share of the best value or counts as it is.
    cooldown
        How many looks after a reduction do not count.
    min_rate
        The rate falls no further.

    Raises
    ------
    ArgumentError
        If a number is out of its range.

    Notes
    -----
    As PyTorch's ReduceLROnPlateau. One object follows one training: give every optimizer its own.

    Examples
    --------
    >>> from tilegrad.optim.schedules import ReduceOnPlateau
    >>> schedule = ReduceOnPlateau(0.1, factor=0.5, patience=1)
    >>> rates = []
    >>> for loss in (1.0, 0.9, 0.9, 0.9, 0.8):
    ...     schedule.observe(loss)
    ...     rates.append(schedule(0))
    >>> rates
    [0.1, 0.1, 0.1, 0.05, 0.05]
    """

    def __init__(
        self,
        rate: float,
        monitor: str = "val_loss",
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_rate: float = 0.0,
    ) -> None:
        owner = "ReduceOnPlateau"
        if mode not in ("min", "max"):
            raise _C.ArgumentError(f"{owner}: mode must be 'min' or 'max', found {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise _C.ArgumentError(f"{owner}: threshold_mode must be 'rel' or 'abs', found {threshold_mode!r}")
        check_number(owner, "rate", rate)
        check_number(owner, "factor", factor, high=1.0, open_low=True)
        for name, value in (("patience", patience), ("threshold", threshold), ("cooldown", cooldown)):
            check_number(owner, name, value)
        check_number(owner, "min_rate", min_rate)
        self.rate, self.monitor, self.mode, self.factor, self.patience = rate, monitor, mode, factor, patience
        self.threshold, self.threshold_mode, self.cooldown, self.min_rate = (
            threshold,
            threshold_mode,
            cooldown,
            min_rate,
        )
        self._best: float | None = None
        self._bad = self._cooling = 0

    def __call__(self, step: int) -> float:
        """The rate, whatever the step."""
        return self.rate

    def observe(self, metric: float) -> None:
        """Looks at the metric; NaN is no improvement.

        Parameters
        ----------
        metric
            A number, also a tensor of one. The first finite one is the best so far.
        """
        value = float(metric)
        if self._is_better(value):
            self._best, self._bad = value, 0
        else:
            self._bad += 1
        if self._cooling > 0:
            self._cooling -= 1
            self._bad = 0
        if self._bad > self.patience:
            self.rate = max(self.rate * self.factor, min(self.min_rate, self.rate))
            self._cooling, self._bad = self.cooldown, 0

    def _is_better(self, value: float) -> bool:
        if self._best is None:
            return math.isfinite(value)
        margin = self.threshold * (self._best if self.threshold_mode == "rel" else 1.0)
        return value < self._best - margin if self.mode == "min" else value > self._best + margin

    def state_dict(self) -> dict[str, Any]:
        """What it has seen so far, as numbers and None."""
        return {"rate": self.rate, "best": self._best, "bad": self._bad, "cooling": self._cooling}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Goes on from what :meth:`state_dict` returned.

        Parameters
        ----------
        saved
            ``{"rate": ..., "best": ..., "bad": ..., "cooling": ...}``.

        Raises
        ------
        ArgumentError
            If it is something else; nothing is changed then.
        """
        self.check_state_dict(saved)
        self.rate, self._best, self._bad, self._cooling = (saved[name] for name in ("rate", "best", "bad", "cooling"))

    @staticmethod
    def check_state_dict(saved: Mapping[str, Any]) -> None:
        """Raises where :meth:`load_state_dict` would.

        Parameters
        ----------
        saved
            As in :meth:`load_state_dict`.

        Raises
        ------
        ArgumentError
            If it is something else.
        """
        if not isinstance(saved, Mapping) or set(saved) != {"rate", "best", "bad", "cooling"}:
            raise _C.ArgumentError(f"this is no state of ReduceOnPlateau: {saved!r:.80}")
        for name, value in saved.items():
            if name != "best":
                check_number("ReduceOnPlateau", name, value)
            elif value is not None and not (isinstance(value, (int, float)) and not math.isnan(value)):
                raise _C.ArgumentError(f"ReduceOnPlateau: best must be a number or None, found {value!r}")

    def __repr__(self) -> str:
        return f"ReduceOnPlateau(rate={self.rate:g}, monitor={self.monitor!r}, mode={self.mode!r})"
