"""Metrics of classifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _C, ops
from .base import Metric, NDArray, check_choice
from .classes import labels_and_predictions

if TYPE_CHECKING:
    from ...tensor import Tensor

__all__ = ["F1", "Accuracy", "ConfusionMatrix", "Precision", "Recall", "TopK"]


class Accuracy(Metric):
    """The share of labels that are predicted.

    Parameters
    ----------
    threshold
        Of outputs of one score: what is above it is class 1. 0 is right for logits, 0.5 for probabilities.
    name
        What it is called in results.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.train.metrics.Accuracy().of(tg.tensor([[0.1, 0.9], [0.8, 0.2]]), tg.tensor([1, 1]))
    0.5
    """

    def __init__(self, threshold: float = 0.0, name: str = "accuracy") -> None:
        super().__init__(name)
        self.threshold = threshold

    def measure(self, output: Tensor, target: Tensor) -> Tensor:
        """How many labels are right, and of how many where a sample has several."""
        true, predicted, _ = labels_and_predictions(self.name, output, target, self.threshold)
        right = ops.sum(ops.equal(true, predicted))
        return right if true.ndim == 1 else ops.astype(right, "float64") * (len(true) / max(true.size, 1))

    def result(self, total: NDArray, samples: int) -> float:
        """The share."""
        return float(total) / samples


class TopK(Metric):
    """The share of labels that are among the ``k`` largest scores; of equal scores the first classes come first.

    Parameters
    ----------
    k
        How many.
    name
        By default ``"top5"`` for 5.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.train.metrics.TopK(2).of(tg.tensor([[0.1, 0.5, 0.4], [0.8, 0.2, 0.0]]), tg.tensor([2, 2]))
    0.5
    """

    def __init__(self, k: int = 5, name: str | None = None) -> None:
        if type(k) is not int or k < 1:
            raise _C.ArgumentError(f"TopK: k must be a positive integer, found {k!r}")
        super().__init__(f"top{k}" if name is None else name)
        self.k = k

    def measure(self, output: Tensor, target: Tensor) -> Tensor:
        """How many labels are among the largest."""
        true, _, classes = labels_and_predictions(self.name, output, target, 0.0)
        if self.k > classes or output.ndim != true.ndim + 1:
            raise _C.ShapeError(
                f"{self.name}: expected scores [..., C] of at least {self.k} classes, found {list(output.shape)}"
            )
        _, best = ops.topk(output, self.k)
        right = ops.sum(ops.equal(best, ops.expand_dims(true, -1)))
        return right if true.ndim == 1 else ops.astype(right, "float64") * (len(true) / max(true.size, 1))

    def result(self, total: NDArray, samples: int) -> float:
        """The share."""
        return float(total) / samples


class ConfusionMatrix(Metric):
    """How often each class (rows) is taken for each (columns): an array of integers [C, C].

    In a fit it is kept in ``history.arrays``.

    Parameters
    ----------
    threshold
        As of :class:`Accuracy`.
    name
        What it is called in results.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.train.metrics.ConfusionMatrix().of(tg.tensor([[0.1, 0.9], [0.8, 0.2]]), tg.tensor([1, 1])).tolist()
    [[0, 0], [1, 1]]
    """

    def __init__(self, threshold: float = 0.0, name: str = "confusion_matrix") -> None:
        super().__init__(name)
        self.threshold = threshold

    def measure(self, output: Tensor, target: Tensor) -> Tensor:
        """The batch's matrix."""
        true, predicted, classes = labels_and_predictions(self.name, output, target, self.threshold)
        places = (true * classes + predicted).reshape((true.size,))
        ones = ops.ones((true.size,), "int64", places.device)
        return ops.scatter_add(ops.zeros((classes * classes,), "int64", places.device), places, ones).reshape(
            (classes, classes)
        )

    def result(self, total: NDArray, samples: int) -> Any:
        """The matrix."""
        return np.array(total)


class _Averaged(ConfusionMatrix):
    """A score of each class, from the confusion matrix."""

    def __init__(self, average: str | None, threshold: float, name: str | None) -> None:
        kind = type(self).__name__
        self.average = check_choice(kind, "average", average, ("macro", "micro", "weighted", "binary", None))
        super().__init__(threshold, kind.lower() if name is None else name)

    def result(self, total: NDArray, samples: int) -> Any:
        """The score; 0 where nothing is there to count, as in scikit-learn."""
        if self.average == "binary" and len(total) != 2:
            raise _C.ArgumentError(
                f'{self.name}: average="binary" is for two classes, found {len(total)}; take "macro" or "micro"'
            )
        right = np.diag(total).astype(np.float64)
        predicted, true = total.sum(0).astype(np.float64), total.sum(1).astype(np.float64)
        if self.average == "micro":
            right, predicted, true = right.sum(), predicted.sum(), true.sum()
        scores = self._score(right, predicted, true)
        if self.average is None:
            return scores
        if self.average == "micro":
            return float(scores)
        if self.average == "binary":
            return float(scores[1])
        present = (predicted + true) > 0  # a class that never occurs has no score
        if self.average == "macro":
            return float(scores[present].mean()) if present.any() else 0.0
        return float(_ratio((scores * true).sum(), true.sum()))

    def _score(self, right: Any, predicted: Any, true: Any) -> Any:
        raise NotImplementedError


class Precision(_Averaged):
    """Of what is predicted as a class, the share that is of it.

    Parameters
    ----------
    average
        ``"macro"``: the mean over the classes that occur; ``"micro"``: of all predictions together; ``"weighted"``: the
        mean weighted by how often each class is true; ``"binary"``: of class 1; None: an array.
    threshold
        As of :class:`Accuracy`.
    name
        What it is called in results.

    Examples
    --------
    >>> import tilegrad as tg
    >>> scores, labels = tg.tensor([[0.1, 0.9], [0.2, 0.8], [0.7, 0.3]]), tg.tensor([1, 0, 0])
    >>> tg.train.metrics.Precision("binary").of(scores, labels)
    0.5
    """

    def __init__(self, average: str | None = "macro", threshold: float = 0.0, name: str | None = None) -> None:
        super().__init__(average, threshold, name)

    def _score(self, right: Any, predicted: Any, true: Any) -> Any:
        return _ratio(right, predicted)


class Recall(_Averaged):
    """Of what is of a class, the share that is predicted as it; parameters as of :class:`Precision`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> scores, labels = tg.tensor([[0.1, 0.9], [0.2, 0.8], [0.7, 0.3]]), tg.tensor([1, 0, 0])
    >>> tg.train.metrics.Recall("binary").of(scores, labels)
    1.0
    """

    def __init__(self, average: str | None = "macro", threshold: float = 0.0, name: str | None = None) -> None:
        super().__init__(average, threshold, name)

    def _score(self, right: Any, predicted: Any, true: Any) -> Any:
        return _ratio(right, true)


class F1(_Averaged):
    """The harmonic mean of precision and recall; parameters as of :class:`Precision`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> scores, labels = tg.tensor([[0.1, 0.9], [0.2, 0.8], [0.7, 0.3]]), tg.tensor([1, 0, 0])
    >>> round(tg.train.metrics.F1("binary").of(scores, labels), 4)
    0.6667
    """

    def __init__(self, average: str | None = "macro", threshold: float = 0.0, name: str | None = None) -> None:
        super().__init__(average, threshold, name)

    def _score(self, right: Any, predicted: Any, true: Any) -> Any:
        return _ratio(2 * right, predicted + true)


def _ratio(a: Any, b: Any) -> Any:
    """``a / b``, and 0 for nothing of nothing."""
    return np.divide(a, b, out=np.zeros_like(np.asarray(a, np.float64)), where=np.asarray(b) > 0)
