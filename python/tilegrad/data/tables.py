"""Tables as data sets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from .._C import ArgumentError
from .dataset import ArrayDataset, NDArray
from .readers.csv import read_csv
from .readers.lists import check_lists

__all__ = ["CSVDataset"]


class CSVDataset(ArrayDataset):
    r"""The rows of a CSV file: numbers to predict from, and what is to be predicted.

    Parameters
    ----------
    path
        The file.
    target
        The column's name; None where there is none, and a sample is the row of numbers alone.
    features
        The names of the columns to predict from; by default all others that the file has.
    categorical
        Whether the target holds texts, which become labels; otherwise numbers, which become float32.
    options
        Of :func:`readers.read_csv`: ``header``, ``delimiter``, ``text`` (columns of texts among the features, which
        become the numbers of their categories), ``missing``, ``encoding``.

    Attributes
    ----------
    x : numpy.ndarray
        float32 [N, F].
    y : numpy.ndarray
        int64 or float32 [N], if there is a target.
    features : list of str
        The names of the columns of ``x``.
    classes : list of str
        The texts that the labels stand for, sorted; empty if the target holds numbers.

    Raises
    ------
    DataError
        If the file is damaged: :func:`readers.read_csv` says how.
    ArgumentError
        If a name is none of the file's columns.

    Examples
    --------
    >>> import tilegrad as tg
    >>> with open("iris.csv", "w") as file:
    ...     _ = file.write("length,width,kind\n5.1,3.5,setosa\n6.3,3.3,virginica\n")
    >>> iris = tg.data.CSVDataset("iris.csv", target="kind", categorical=True)
    >>> iris.x.shape, iris.y, iris.classes
    ((2, 2), array([0, 1]), ['setosa', 'virginica'])
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        target: str | None = None,
        features: Sequence[str] | None = None,
        categorical: bool = False,
        **options: Any,
    ) -> None:
        text = options.pop("text", ())
        check_lists("CSVDataset", text=text, features=features)
        text = list(text)
        if categorical:
            if target is None:
                raise ArgumentError("CSVDataset: categorical says what the target holds: give target=")
            text.append(target)
        columns = None if features is None else [*features, *([] if target is None else [target])]
        table = read_csv(path, text=text, columns=columns, **options)
        if target is not None and target not in table.columns:
            raise ArgumentError(f"CSVDataset: no column {target!r}; {os.fspath(path)} has {list(table.columns)}")
        self.features = [name for name in table.columns if name != target] if features is None else list(features)
        self.classes = [] if target is None else table.categories.get(target, [])
        self.x: NDArray = table.numbers(self.features)
        if target is None:
            super().__init__(self.x)
            return
        values = table.columns[target]
        self.y: NDArray = values if categorical else values.astype("float32")
        super().__init__(self.x, self.y)
