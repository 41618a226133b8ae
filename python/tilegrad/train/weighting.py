"""Weights of classes and samples in a loss."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _C, ops
from ..nn.module import Module
from ..tensor import Tensor
from .metrics.classes import are_labels

if TYPE_CHECKING:
    from .batches import Batch

__all__ = [
    "ClassWeights",
    "PerSample",
    "adds_up",
    "class_weights",
    "ignored_label",
    "labels_that_count",
    "mean_of_some",
    "per_sample",
    "weighted_loss",
]

Loss = Callable[..., Tensor]


class PerSample(NamedTuple):
    """A loss with a value for every sample, and how the loss itself joins them."""

    loss: Loss
    reduction: str
    ignored: int | None
    """The label of samples that count nothing."""
    weight: Tensor | None
    """Weights [C] of the classes, by whose sum over the samples the loss divides for its mean."""


class ClassWeights(NamedTuple):
    """What fit was given as class weights."""

    values: Tensor
    is_whole: bool
    """Whether there is one for each class; otherwise those behind the last are 1."""


def class_weights(given: Any, labels: Any = None, ignored: int | None = None) -> ClassWeights | None:
    """Class weights from what ``fit`` takes: a dict, numbers, or ``"balanced"`` for the labels given.

    Samples whose label is ``ignored`` count nothing.
    """
    if given is None:
        return None
    if isinstance(given, str):
        return ClassWeights(ops.tensor(_balanced(given, labels, ignored)), False)
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
    return ClassWeights(ops.tensor(values), not isinstance(given, Mapping))


def _balanced(given: str, labels: Any, ignored: int | None) -> Any:
    """``samples / (classes * samples of the class)``."""
    if given != "balanced":
        raise _C.ArgumentError(f'fit: class_weight must be a dict, numbers or "balanced", found {given!r}')
    labels = None if labels is None else np.asarray(labels)
    if labels is not None and ignored is not None:
        labels = labels[labels != ignored]
    if labels is None or labels.dtype.kind not in "iu" or labels.ndim != 1 or labels.min(initial=0) < 0:
        raise _C.ArgumentError('fit: class_weight="balanced" needs data in arrays with one label per sample')
    counts = np.bincount(labels)
    return np.divide(len(labels), len(np.unique(labels)) * counts, out=np.ones(len(counts)), where=counts > 0)


def ignored_label(loss: Loss) -> int | None:
    """The label of samples that count nothing in a loss: its attribute or argument ``ignore_index``."""
    found = getattr(loss, "ignore_index", None) if isinstance(loss, Module) else _defaults(loss).get("ignore_index")
    return found if isinstance(found, int) else None


def per_sample(loss: Loss) -> PerSample:
    """The loss with a value for every sample.

    Raises
    ------
    ArgumentError
        If it gives its mean alone.
    """
    if isinstance(loss, Module) and hasattr(loss, "reduction"):
        apart = copy.copy(loss)
        apart.reduction = "none"
        weight = getattr(loss, "weight", None) if hasattr(loss, "ignore_index") else None
        return PerSample(apart, str(loss.reduction), ignored_label(loss), weight)
    defaults = _defaults(loss)
    if "reduction" in defaults:
        reduction, weight = defaults["reduction"], defaults.get("weight") if "ignore_index" in defaults else None
        return PerSample(
            lambda output, target: loss(output, target, reduction="none"),
            reduction if isinstance(reduction, str) else "mean",
            ignored_label(loss),
            weight if isinstance(weight, Tensor) else None,
        )
    raise _C.ArgumentError(
        'fit: class_weight and sample weights need a loss for each sample: a loss with reduction="none", or a function '
        "with an argument of that name"
    )


def _defaults(function: Loss) -> dict[str, Any]:
    """What a function's arguments are where they are not given; nothing of one that cannot be looked at."""
    try:
        return {name: argument.default for name, argument in inspect.signature(function).parameters.items()}
    except (TypeError, ValueError):
        return {}


def weighted_loss(apart: PerSample, output: Any, batch: Batch, classes: ClassWeights | None) -> Tensor:
    """The loss with the weights of samples and classes: their products with the losses, joined as the loss joins.

    A mean is divided by what the loss divides by without these weights, so that weights of 1 change nothing.
    """
    losses = apart.loss(output, batch.target)
    if losses.ndim == 0:
        raise _C.ShapeError('fit: the loss gave one number for reduction="none", expected one for each sample')
    divisor = None if apart.reduction == "sum" else _divisor(apart, losses, batch.target)
    if classes is not None:
        weights = _of_all_classes(classes, losses, output, batch.target)
        losses = _multiplied(losses, _weights_of(batch.target, weights, apart.ignored))
    if batch.weight is not None:
        losses = _multiplied(losses, batch.weight)
    total = ops.sum(losses)
    if isinstance(divisor, int):
        return total * (1 / divisor)
    return total if divisor is None else total / ops.astype(divisor, total.dtype)


def _divisor(apart: PerSample, losses: Tensor, target: Any) -> int | Tensor:
    """What the loss divides by for its mean: the losses that count, or the sum of the weights of their classes."""
    if apart.reduction == "batchmean":
        return len(losses)
    of_labels = None if getattr(target, "shape", None) != losses.shape else labels_that_count(apart, target)
    return losses.size if of_labels is None else of_labels


def labels_that_count(apart: PerSample, target: Any) -> Tensor | None:
    """How many labels count, or the sum of the weights of their classes; None where all count 1."""
    if not isinstance(target, Tensor) or not are_labels(target):
        return None
    if apart.weight is not None:
        return ops.sum(_weights_of(target, apart.weight, apart.ignored))
    return None if apart.ignored is None else ops.sum(ops.not_equal(ops.astype(target, "int64"), apart.ignored))


def adds_up(loss: Loss) -> bool:
    """Whether a loss is known to be a sum over the samples."""
    try:
        return per_sample(loss).reduction == "sum"
    except _C.ArgumentError:
        return False


def mean_of_some(loss: Loss) -> bool:
    """Whether a loss is a mean in which labels may count nothing, or by the weight of their class."""
    try:
        apart = per_sample(loss)
    except _C.ArgumentError:
        return False
    return apart.reduction == "mean" and (apart.ignored is not None or apart.weight is not None)


def _multiplied(losses: Tensor, weights: Tensor) -> Tensor:
    """Losses [N, ...] times weights of their first axes."""
    if weights.shape != losses.shape[: weights.ndim]:
        raise _C.ShapeError(f"fit: found losses {list(losses.shape)} and weights {list(weights.shape)} of them")
    weights = ops.astype(weights, losses.dtype)
    return losses * weights.reshape((*weights.shape, *[1] * (losses.ndim - weights.ndim)))


def _of_all_classes(given: ClassWeights, losses: Tensor, output: Any, target: Any) -> Tensor:
    """Weights [C] of as many classes as outputs and targets have."""
    if not isinstance(target, Tensor):
        raise _C.ArgumentError(
            f"fit: class_weight needs one target, found a {type(target).__name__}; weigh each in a loss of your own"
        )
    found, count = len(given.values), 2  # scores of one class against the other
    if are_labels(target):
        if not isinstance(output, Tensor) or output.shape[:-1] != target.shape:
            count = 2 if isinstance(output, Tensor) and output.shape == target.shape else found
        elif output.shape[-1] > 1:
            count = output.shape[-1]
    elif (
        target.ndim > 1 and target.shape[-1] > 1 and (losses.ndim < target.ndim or found == target.shape[-1])
    ):  # one-hot or soft labels
        count = target.shape[-1]
    if found > count or (given.is_whole and found < count):
        raise _C.ShapeError(
            f"fit: class_weight has {found} classes, targets {list(target.shape)} of {target.dtype.name} have {count}"
        )
    rest = ops.ones((count - found,), given.values.dtype, given.values.device)
    return ops.concat([given.values, rest]) if found < count else given.values


def _weights_of(target: Tensor, classes: Tensor, ignored: int | None) -> Tensor:
    """The weight of each target's class; 0 of a label that is ignored."""
    if are_labels(target):
        labels = ops.astype(target, "int64")
        if ignored is None:
            return ops.take(classes, labels)
        counted = ops.not_equal(labels, ignored)  # the ignored label may be no class
        return ops.where(counted, ops.take(classes, ops.where(counted, labels, 0)), 0.0)
    if target.ndim > 1 and target.shape[-1] == len(classes):  # one-hot or soft labels
        return ops.sum(ops.astype(target, "float64") * classes, axis=-1)
    return classes[0] + (classes[1] - classes[0]) * ops.astype(target, "float64")  # the probability of class 1
