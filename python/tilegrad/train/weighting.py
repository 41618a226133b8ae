"""Weights of classes and samples in a loss."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _C, ops
from ..nn.module import Module
from .metrics.classes import are_labels

if TYPE_CHECKING:
    from ..tensor import Tensor
    from .batches import Batch

__all__ = ["class_weights", "per_sample", "weighted_loss"]

Loss = Callable[..., "Tensor"]


def class_weights(given: Any, labels: Any = None) -> Tensor | None:
    """Class weights [C] from what ``fit`` takes: a dict, numbers, or ``"balanced"`` for the labels given."""
    if given is None:
        return None
    if isinstance(given, str):
        return ops.tensor(_balanced(given, labels))
    if isinstance(given, Mapping):
        bad = [label for label in given if not isinstance(label, (int, np.integer)) or label < 0]
        if bad or not given:
            raise _C.ArgumentError(f"fit: class_weight's keys must be labels from 0, found {bad or 'none'}")
        values = np.ones(max(given) + 1)
        for label, weight in given.items():
            values[label] = weight
    else:
        values = np.asarray(given.numpy() if isinstance(given, _C.TensorBase) else given, np.float64)
    if values.ndim != 1:
        raise _C.ShapeError(f"fit: class_weight must be [C], a weight for each class; found {list(values.shape)}")
    if not (np.isfinite(values) & (values >= 0)).all():
        raise _C.ArgumentError(f"fit: class_weight must be finite and at least 0, found {values.tolist()}")
    return ops.tensor(values)


def _balanced(given: str, labels: Any) -> Any:
    """``samples / (classes * samples of the class)``."""
    if given != "balanced":
        raise _C.ArgumentError(f'fit: class_weight must be a dict, numbers or "balanced", found {given!r}')
    labels = None if labels is None else np.asarray(labels)
    if labels is None or labels.dtype.kind not in "iu" or labels.ndim != 1 or labels.min(initial=0) < 0:
        raise _C.ArgumentError('fit: class_weight="balanced" needs data in arrays with one label per sample')
    counts = np.bincount(labels)
    return np.divide(len(labels), len(np.unique(labels)) * counts, out=np.ones(len(counts)), where=counts > 0)


def per_sample(loss: Loss) -> tuple[Loss, str]:
    """The loss with a value for every sample, and how the loss itself joins them.

    Raises
    ------
    ArgumentError
        If it gives its mean alone.
    """
    if isinstance(loss, Module) and hasattr(loss, "reduction"):
        apart = copy.copy(loss)
        apart.reduction = "none"
        return apart, str(loss.reduction)
    try:
        names = list(inspect.signature(loss).parameters)
    except (TypeError, ValueError):
        names = []
    if "reduction" in names:
        return lambda output, target: loss(output, target, reduction="none"), "mean"
    raise _C.ArgumentError(
        'fit: class_weight and sample weights need a loss for each sample: a loss with reduction="none", or a function '
        "with an argument of that name"
    )


def weighted_loss(apart: Loss, reduction: str, output: Any, batch: Batch, classes: Tensor | None) -> Tensor:
    """The loss with the weights of samples and classes: their products with the losses, joined as the loss joins."""
    losses = apart(output, batch.target)
    if losses.ndim == 0:
        raise _C.ShapeError('fit: the loss gave one number for reduction="none", expected one for each sample')
    if classes is not None:
        losses = _multiplied(losses, _weights_of(batch.target, output, classes))
    if batch.weight is not None:
        losses = _multiplied(losses, batch.weight)
    total = ops.sum(losses)
    if reduction == "sum":
        return total
    return total * (1 / (len(losses) if reduction == "batchmean" else losses.size))


def _multiplied(losses: Tensor, weights: Tensor) -> Tensor:
    """Losses [N, ...] times weights of their first axes."""
    if weights.shape != losses.shape[: weights.ndim]:
        raise _C.ShapeError(f"fit: found losses {list(losses.shape)} and weights {list(weights.shape)} of them")
    weights = ops.astype(weights, losses.dtype)
    return losses * weights.reshape((*weights.shape, *[1] * (losses.ndim - weights.ndim)))


def _weights_of(target: Tensor, output: Any, classes: Tensor) -> Tensor:
    """The weight of each target's class."""
    if are_labels(target):
        return ops.take(classes, ops.astype(target, "int64"))
    if target.ndim > 1 and target.shape[-1] == len(classes):  # one-hot or soft labels
        return ops.sum(ops.astype(target, "float64") * classes, axis=-1)
    if len(classes) == 2:  # the probability of class 1
        return classes[0] + (classes[1] - classes[0]) * ops.astype(target, "float64")
    raise _C.ShapeError(
        f"fit: class_weight has {len(classes)} classes; targets {list(target.shape)} of {target.dtype.name} are "
        "neither labels nor rows of as many"
    )
