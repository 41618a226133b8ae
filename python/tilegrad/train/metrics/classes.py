"""What classes a model predicts, and which are right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ... import _C, ops
from .base import check_tensors

if TYPE_CHECKING:
    from ...tensor import Tensor

__all__ = ["are_labels", "labels_and_predictions"]

_INTEGERS = (_C.int64, _C.int32, _C.uint8, _C.bool)


def are_labels(target: Tensor) -> bool:
    """Whether targets are numbers of classes."""
    return target.dtype in _INTEGERS


def labels_and_predictions(
    name: str, output: Tensor, target: Tensor, threshold: float, multilabel: bool = False
) -> tuple[Tensor, Tensor, int]:
    """True and predicted classes as int64 of one shape, and how many classes there are.

    Scores [..., C] with labels [...] or, unless several may be true, with rows [..., C] of which the largest counts; or
    scores and targets of one shape, where what is above the threshold is class 1.
    """
    check_tensors(name, output, target)
    if output.ndim == target.ndim + 1 and output.shape[:-1] == target.shape and are_labels(target):
        if output.shape[-1] == 1:  # a column of scores of two classes
            return _whole(target), _whole(ops.greater(output, threshold)).reshape(target.shape), 2
        return _whole(target), ops.argmax(output, axis=-1), output.shape[-1]
    if output.shape != target.shape:
        raise _C.ShapeError(
            f"{name}: found the output {list(output.shape)} and the target {list(target.shape)}; expected scores "
            "[..., C] with labels [...], or both of one shape"
        )
    if output.ndim > 1 and output.shape[-1] > 1 and not are_labels(target) and not multilabel:
        return ops.argmax(target, axis=-1), ops.argmax(output, axis=-1), output.shape[-1]
    true = _whole(target) if are_labels(target) else _whole(ops.greater(target, 0.5))
    return true, _whole(ops.greater(output, threshold)), 2


def _whole(x: Any) -> Any:
    return x if x.dtype == _C.int64 else ops.astype(x, "int64")
