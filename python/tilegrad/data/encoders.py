"""Categories as numbers."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from .._C import ArgumentError, ShapeError
from .dataset import NDArray

__all__ = ["BinaryEncoder", "LabelEncoder", "OneHotEncoder"]

Self = TypeVar("Self", bound="LabelEncoder")


class LabelEncoder:
    """Categories (texts or numbers) as the labels 0, 1, ..., in the sorted order of the categories of the training
    data.

    Parameters
    ----------
    unknown : {"error", "ignore"}
        What becomes of a category that the training data does not have: an error, or label -1.

    Attributes
    ----------
    classes : numpy.ndarray
        The categories, sorted.

    Raises
    ------
    ArgumentError
        If it is used before ``fit``, or meets a category that is not known; with its row.

    Examples
    --------
    >>> import tilegrad as tg
    >>> encoder = tg.data.LabelEncoder().fit(["red", "green", "red"])
    >>> encoder.transform(["green", "red"]), encoder.inverse([1, 0])
    (array([0, 1]), array(['red', 'green'], dtype='<U5'))
    """

    classes: NDArray | None = None

    def __init__(self, unknown: str = "error") -> None:
        if unknown not in ("error", "ignore"):
            raise ArgumentError(f"{type(self).__name__}: unknown must be 'error' or 'ignore', found {unknown!r}")
        self.unknown = unknown

    def fit(self: Self, values: Any) -> Self:
        """Learn the categories of the training data.

        Parameters
        ----------
        values
            [N], at least one: texts, numbers or booleans, as a list, an array or a tensor. A list of texts and numbers
            counts as texts.

        Returns
        -------
        LabelEncoder
            Itself.

        Raises
        ------
        ShapeError
            If the values are not [N], or are something else.
        ArgumentError
            If there are none, or one is NaN, which is no category.
        """
        found = self._categories(values)
        if not len(found):
            raise ArgumentError(f"{type(self).__name__}.fit: there are no values")
        self.classes = np.unique(found)
        return self

    def transform(self, values: Any) -> NDArray:
        """The labels of categories.

        Parameters
        ----------
        values
            [N], also none, as of :meth:`fit`.

        Returns
        -------
        numpy.ndarray
            int64 [N].

        Raises
        ------
        ArgumentError
            If a category is not known and ``unknown`` is ``"error"``; if one is NaN; or if texts are given for numbers
            or the other way round.
        ShapeError
            As of :meth:`fit`.
        """
        return self._labels(values)

    def fit_transform(self, values: Any) -> NDArray:
        """``fit``, then ``transform`` the same values.

        Parameters
        ----------
        values
            As of :meth:`fit`.

        Returns
        -------
        numpy.ndarray
            What :meth:`transform` gives.
        """
        return self.fit(values).transform(values)

    def inverse(self, encoded: Any) -> NDArray:
        """The categories of labels.

        Parameters
        ----------
        encoded
            [N], whole numbers from 0 to K - 1 for K categories. The -1 of ``unknown="ignore"`` stands for none.

        Returns
        -------
        numpy.ndarray
            [N], of the dtype of ``classes``.

        Raises
        ------
        ShapeError
            If the labels are not [N], or no whole numbers.
        IndexError
            If there is no category of that label.
        """
        labels, classes = np.asarray(encoded), self._known()
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise ShapeError(
                f"{type(self).__name__}: labels must be whole numbers [N], found {labels.dtype} {list(labels.shape)}"
            )
        return self._chosen(labels, classes)

    def _chosen(self, labels: NDArray, classes: NDArray) -> NDArray:
        wrong = (labels < 0) | (labels >= len(classes))
        if wrong.any():
            row = int(wrong.argmax())
            raise IndexError(
                f"{type(self).__name__}: label {labels[row]} of row {row} is not from 0 to {len(classes) - 1}"
            )
        result: NDArray = classes[labels]
        return result

    def _categories(self, values: Any) -> NDArray:
        array = np.asarray(values)
        if array.dtype.kind == "O" and all(isinstance(value, str) for value in array.flat):  # a table's column of texts
            array = array.astype(str)
        if array.ndim != 1 or array.dtype.kind not in "biufUS":
            raise ShapeError(
                f"{type(self).__name__}: values must be texts or numbers [N], found {array.dtype} {list(array.shape)}"
            )
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise ArgumentError(
                f"{type(self).__name__}: row {int(np.isnan(array).argmax())} is NaN, which is no category"
            )
        return array

    def _known(self) -> NDArray:
        if self.classes is None:
            raise ArgumentError(f"{type(self).__name__}: not fitted yet; call fit() with the training data first")
        return self.classes

    def _labels(self, values: Any) -> NDArray:
        array, classes = self._categories(values), self._known()
        if len(array) and (array.dtype.kind in "US") != (classes.dtype.kind in "US"):
            raise ArgumentError(
                f"{type(self).__name__}: values are {array.dtype}, but those of the training data were {classes.dtype}"
            )
        labels: NDArray = np.searchsorted(classes, array).astype(np.int64)
        known = classes[np.minimum(labels, len(classes) - 1)] == array
        if not known.all():
            if self.unknown == "error":
                row = int((~known).argmax())
                raise ArgumentError(
                    f"{type(self).__name__}: {array[row].item()!r} of row {row} is none of the {len(classes)} "
                    "categories of the training data"
                )
            labels[~known] = -1
        return labels


class OneHotEncoder(LabelEncoder):
    """A column for each category, which has a one where the sample is of it.

    Parameters
    ----------
    unknown : {"error", "ignore"}
        What becomes of a category that the training data does not have: an error, or a row of zeros.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.data.OneHotEncoder().fit_transform(["b", "a", "c"])
    array([[0., 1., 0.],
           [1., 0., 0.],
           [0., 0., 1.]], dtype=float32)
    """

    def transform(self, values: Any) -> NDArray:
        """float32 [N, K]."""
        labels = self._labels(values)
        rows = np.flatnonzero(labels >= 0)
        encoded = np.zeros((len(labels), len(self._known())), np.float32)
        encoded[rows, labels[rows]] = 1
        return encoded

    def inverse(self, encoded: Any) -> NDArray:
        """The category of the largest number in each row [N, K]: also of probabilities."""
        rows, classes = np.asarray(encoded), self._known()
        if rows.ndim != 2 or rows.shape[1] != len(classes):
            raise ShapeError(f"{type(self).__name__}: expected [N, {len(classes)}], found {list(rows.shape)}")
        if self.unknown == "ignore" and not rows.any(axis=1).all():
            row = int((~rows.any(axis=1)).argmax())
            raise ArgumentError(f"{type(self).__name__}: row {row} is of zeros, which stand for no known category")
        result: NDArray = classes[rows.argmax(axis=1)]
        return result


class BinaryEncoder(LabelEncoder):
    """The label's binary digits, the highest first: ceil(log2 K) columns for K categories.

    With ``unknown="ignore"`` label 0 is kept for what is not known, and there are ceil(log2 (K + 1)) columns.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.data.BinaryEncoder().fit_transform(["a", "b", "c"])
    array([[0., 0.],
           [0., 1.],
           [1., 0.]], dtype=float32)
    """

    def transform(self, values: Any) -> NDArray:
        """float32 [N, digits]."""
        labels = self._labels(values) + self._first
        encoded: NDArray = (labels[:, None] >> self._places() & 1).astype(np.float32)
        return encoded

    def inverse(self, encoded: Any) -> NDArray:
        """The categories of rows of digits [N, digits], each rounded."""
        rows, places = np.asarray(encoded), self._places()
        if rows.ndim != 2 or rows.shape[1] != len(places):
            raise ShapeError(f"{type(self).__name__}: expected [N, {len(places)}], found {list(rows.shape)}")
        labels: NDArray = ((rows > 0.5).astype(np.int64) << places).sum(axis=1) - self._first
        return self._chosen(labels, self._known())

    @property
    def _first(self) -> int:
        """The label of the first category."""
        return 1 if self.unknown == "ignore" else 0

    def _places(self) -> NDArray:
        digits = max((len(self._known()) + self._first - 1).bit_length(), 1)
        return np.arange(digits - 1, -1, -1)
