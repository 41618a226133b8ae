"""Metrics of classifiers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _C, ops
from ...numbers import check_count
from .base import Metric, NDArray, check_choice
from .classes import are_labels, labels_and_predictions

if TYPE_CHECKING:
    from ...tensor import Tensor

__all__ = ["F1", "Accuracy", "ConfusionMatrix", "Precision", "Recall", "TopK"]


class _OfClasses(Metric):
    """What metrics of classifiers have in common: what is taken for a class, and which labels count."""

    ignore_index: int | None

    def _counted(self, true: Tensor, target: Tensor) -> Tensor | None:
        """Where labels count; None where all do."""
        return None if self.ignore_index is None or not are_labels(target) else ops.not_equal(true, self.ignore_index)

    def _sum(self, right: Tensor, true: Tensor, counted: Tensor | None) -> Tensor:
        """How many are right; and of how many, where some do not count. Of several in a sample, their share."""
        if counted is not None:
            return ops.stack([ops.sum(ops.where(counted, right, False)), ops.sum(counted)])
        total = ops.sum(right)
        return total if true.ndim == 1 else ops.astype(total, "float64") * (len(true) / max(true.size, 1))

    def _share(self, total: NDArray, samples: int) -> float:
        """Of what :meth:`_sum` added up."""
        return float(_ratio(*total)) if total.ndim else float(total) / samples


class Accuracy(_OfClasses):
    """The share of labels that are predicted.

    Parameters
    ----------
    threshold
        Of outputs of one score: what is above it is class 1. 0 is right for logits, 0.5 for probabilities.
    name
        What it is called in results.
    multilabel
        Whether several classes of a row may be true, each by itself: of targets [..., L] of zeros and ones every one
        counts. Otherwise rows of floats are one-hot or soft labels, of which the largest counts.
    ignore_index
        The label of what does not count, as of :class:`tilegrad.nn.CrossEntropyLoss`.

    Notes
    -----
    A trainer makes metrics that it is given by name so that they suit its loss: with the threshold 0.5 for BCELoss,
    multilabel for it and BCEWithLogitsLoss, and with the loss's ``ignore_index``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.train.metrics.Accuracy().of(tg.tensor([[0.1, 0.9], [0.8, 0.2]]), tg.tensor([1, 1]))
    0.5
    """

    def __init__(
        self,
        threshold: float = 0.0,
        name: str = "accuracy",
        multilabel: bool = False,
        ignore_index: int | None = None,
    ) -> None:
        super().__init__(name)
        self.threshold, self.multilabel, self.ignore_index = threshold, multilabel, ignore_index

    def measure(self, output: Tensor, target: Tensor) -> Tensor:
        """How many labels are right."""
        true, predicted, _ = labels_and_predictions(self.name, output, target, self.threshold, self.multilabel)
        return self._sum(ops.equal(true, predicted), true, self._counted(true, target))

    def result(self, total: NDArray, samples: int) -> float:
        """The share."""
        return self._share(total, samples)


class TopK(_OfClasses):
    """The share of labels that are among the ``k`` largest scores; of equal scores the first classes come first.

    Parameters
    ----------
    k
        How many.
    name
        By default ``"top5"`` for 5.
    ignore_index
        As of :class:`Accuracy`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.train.metrics.TopK(2).of(tg.tensor([[0.1, 0.5, 0.4], [0.8, 0.2, 0.0]]), tg.tensor([2, 2]))
    0.5
    """

    def __init__(self, k: int = 5, name: str | None = None, ignore_index: int | None = None) -> None:
        check_count("TopK", "k", k)
        super().__init__(f"top{k}" if name is None else name)
        self.k, self.ignore_index = k, ignore_index

    def measure(self, output: Tensor, target: Tensor) -> Tensor:
        """How many labels are among the largest."""
        true, _, classes = labels_and_predictions(self.name, output, target, 0.0)
        if self.k > classes or output.ndim != true.ndim + 1:
            raise _C.ShapeError(
                f"{self.name}: expected scores [..., C] of at least {self.k} classes, found {list(output.shape)}"
            )
        _, best = ops.topk(output, self.k)
        right = ops.any(ops.equal(best, ops.expand_dims(true, -1)), axis=-1)
        return self._sum(right, true, self._counted(true, target))

    def result(self, total: NDArray, samples: int) -> float:
        """The share."""
        return self._share(total, samples)


class ConfusionMatrix(_OfClasses):
    """How often each class (rows) is taken for each (columns): an array of integers [C, C].

    In a fit it is kept in ``history.arrays``.

    Parameters
    ----------
    threshold
        As of :class:`Accuracy`.
    name
        What it is called in results.
    multilabel
        Whether several of L labels may be true, as of :class:`Accuracy`: [L, 2, 2] then, a matrix for each.
    ignore_index
        As of :class:`Accuracy`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.train.metrics.ConfusionMatrix().of(tg.tensor([[0.1, 0.9], [0.8, 0.2]]), tg.tensor([1, 1])).tolist()
    [[0, 0], [1, 1]]
    """

    def __init__(
        self,
        threshold: float = 0.0,
        name: str = "confusion_matrix",
        multilabel: bool = False,
        ignore_index: int | None = None,
    ) -> None:
        super().__init__(name)
        self.threshold, self.multilabel, self.ignore_index = threshold, multilabel, ignore_index

    def measure(self, output: Tensor, target: Tensor) -> Tensor:
        """The batch's matrix."""
        true, predicted, classes = labels_and_predictions(self.name, output, target, self.threshold, self.multilabel)
        counted, places = self._counted(true, target), true * classes + predicted
        if counted is not None:
            places = ops.where(counted, places, 0)
            true = ops.where(counted, true, 0)
        shape: tuple[int, ...] = (classes, classes)
        if self.multilabel and output.shape == target.shape and output.ndim > 1 and output.shape[-1] > 1:
            places = places + ops.arange(output.shape[-1], dtype="int64", device=places.device) * 4
            shape = (output.shape[-1], 2, 2)
        size = math.prod(shape)
        places = ops.where(ops.less(true, 0), size, places)  # which would count from the end
        found = ops.ones(places.shape, "int64", places.device) if counted is None else ops.astype(counted, "int64")
        try:
            matrix = ops.scatter_add(
                ops.zeros((size,), "int64", places.device), places.reshape((true.size,)), found.reshape((true.size,))
            )
        except _C.OutOfRangeError:
            raise _C.OutOfRangeError(
                f"{self.name}: a label is not from 0 to {classes - 1}; give the metric its ignore_index, if it is one"
            ) from None
        return matrix.reshape(shape)

    def result(self, total: NDArray, samples: int) -> Any:
        """The matrix."""
        return np.array(total)


class _Averaged(ConfusionMatrix):
    """A score of each class, from the confusion matrix."""

    def __init__(
        self,
        average: str | None = "macro",
        threshold: float = 0.0,
        name: str | None = None,
        multilabel: bool = False,
        ignore_index: int | None = None,
    ) -> None:
        kind = type(self).__name__
        self.average = check_choice(kind, "average", average, ("macro", "micro", "weighted", "binary", None))
        super().__init__(threshold, kind.lower() if name is None else name, multilabel, ignore_index)

    def result(self, total: NDArray, samples: int) -> Any:
        """The score; 0 where nothing is there to count, as in scikit-learn."""
        if self.average == "binary" and total.shape != (2, 2):
            raise _C.ArgumentError(
                f'{self.name}: average="binary" is for two classes, found {len(total)}; take "macro" or "micro"'
            )
        if total.ndim == 3:  # of labels, whose scores are those of their being there
            right, predicted, true = total[:, 1, 1], total[:, :, 1].sum(1), total[:, 1].sum(1)
        else:
            right, predicted, true = np.diag(total), total.sum(0), total.sum(1)
        right, predicted, true = (counts.astype(np.float64) for counts in (right, predicted, true))
        if self.average == "micro":
            right, predicted, true = right.sum(), predicted.sum(), true.sum()
        scores = self._score(right, predicted, true)
        if self.average is None:
            return scores
        if self.average == "micro":
            return float(scores)
        if self.average == "binary":
            return float(scores[1])
        # A class that never occurs has no score; a label is a column, which is there whatever is in it.
        present = (predicted + true > 0) | (total.ndim == 3)
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
    multilabel
        Whether several of L labels may be true, as of :class:`Accuracy`: the scores are of the labels then.
    ignore_index
        As of :class:`Accuracy`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> scores, labels = tg.tensor([[0.1, 0.9], [0.2, 0.8], [0.7, 0.3]]), tg.tensor([1, 0, 0])
    >>> tg.train.metrics.Precision("binary").of(scores, labels)
    0.5
    """

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

    def _score(self, right: Any, predicted: Any, true: Any) -> Any:
        return _ratio(2 * right, predicted + true)


def _ratio(a: Any, b: Any) -> Any:
    """``a / b``, and 0 for nothing of nothing."""
    return np.divide(a, b, out=np.zeros_like(np.asarray(a, np.float64)), where=np.asarray(b) > 0)
