"""Metrics, computed as tensors inside the step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ... import _C
from .base import Function, Metric
from .classification import F1, Accuracy, ConfusionMatrix, Precision, Recall, TopK
from .regression import MAE, MSE, RMSE

__all__ = ["F1", "MAE", "MSE", "RMSE", "Accuracy", "ConfusionMatrix", "Metric", "Precision", "Recall", "TopK"]

NAMED: dict[str, Callable[[], Metric]] = {
    "accuracy": Accuracy,
    "top5": TopK,
    "precision": Precision,
    "recall": Recall,
    "f1": F1,
    "confusion_matrix": ConfusionMatrix,
    "mse": MSE,
    "rmse": RMSE,
    "mae": MAE,
}


def as_metric(metric: Any, options: Mapping[str, Any]) -> Metric | Function:
    """A metric from a name, with those of the options that it has; a metric or a function."""
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        if metric not in NAMED:
            raise _C.ArgumentError(f"Trainer: metric {metric!r} is none of {', '.join(NAMED)}; give a function")
        made = NAMED[metric]()
        for option, value in options.items():
            if hasattr(made, option):
                setattr(made, option, value)
        return made
    if isinstance(metric, type) and issubclass(metric, Metric):
        raise _C.ArgumentError(f"Trainer: metric {metric.__name__} is a class; give {metric.__name__}()")
    if not callable(metric):
        raise _C.ArgumentError(
            f"Trainer: a metric is a name, a Metric or a function (output, target) -> float; found "
            f"{type(metric).__name__}"
        )
    return Function(metric, getattr(metric, "__name__", type(metric).__name__))
