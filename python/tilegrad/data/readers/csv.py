"""CSV: tables as text."""

from __future__ import annotations

import codecs
import csv
import math
import os
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

import numpy as np

from ..._C import ArgumentError
from ...errors import DataError
from .elements import NDArray
from .lists import check_lists

__all__ = ["Table", "read_csv"]

MAX_LINE = 1 << 24  # characters
MAX_COLUMNS = 1 << 17


@dataclass(frozen=True)
class Table:
    r"""Columns of numbers and of texts.

    Attributes
    ----------
    columns : dict of numpy.ndarray
        By name, in the order of the file: float64 [N] for numbers, int64 [N] for texts: the position of each row's
        text in ``categories``.
    categories : dict of list
        By the name of each column of texts: the different ones, sorted.

    Examples
    --------
    >>> import tilegrad as tg
    >>> with open("iris.csv", "w") as file:
    ...     _ = file.write("width,kind\n3.5,setosa\n3.0,virginica\n")
    >>> table = tg.data.readers.read_csv("iris.csv", text=["kind"])
    >>> table.numbers(["width"])
    array([[3.5],
           [3. ]], dtype=float32)
    >>> table.columns["kind"], table.categories["kind"]
    (array([0, 1]), ['setosa', 'virginica'])
    """

    columns: dict[str, NDArray]
    categories: dict[str, list[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def numbers(self, names: Sequence[str] | None = None, dtype: str = "float32") -> NDArray:
        """Columns side by side, in an array of its own.

        Parameters
        ----------
        names
            Of the columns, in the order wanted; by default all that are no texts, in the order of the file. A column of
            texts gives their positions in ``categories``.
        dtype
            What NumPy takes as the dtype of numbers. Integers cut off fractions and have no form for NaN.

        Returns
        -------
        numpy.ndarray
            [N, names].

        Raises
        ------
        ArgumentError
            If there is no column of a name, or ``names`` is one text.
        """
        check_lists("numbers", names=names)
        chosen = [name for name in self.columns if name not in self.categories] if names is None else list(names)
        unknown = [name for name in chosen if name not in self.columns]
        if unknown:
            raise ArgumentError(f"numbers: no column {', '.join(map(repr, unknown))}; there are {list(self.columns)}")
        together = np.empty((len(self), len(chosen)), dtype)
        for position, name in enumerate(chosen):
            together[:, position] = self.columns[name]
        return together


def read_csv(
    path: str | os.PathLike[str],
    *,
    header: bool = True,
    delimiter: str = ",",
    columns: Sequence[str] | None = None,
    text: Sequence[str] = (),
    missing: Sequence[str] = (),
    encoding: str = "utf-8",
) -> Table:
    r"""Read a table.

    Parameters
    ----------
    path
        The file. Fields may be in double quotes, inside of which a doubled quote stands for one (RFC 4180). Empty lines
        are skipped.
    header
        Whether the first line has the names of the columns; otherwise they are called ``"0"``, ``"1"``, ...
    delimiter
        Between fields; one character.
    columns
        The names of those to read; by default all.
    text
        The names of those that hold texts; all others hold numbers.
    missing
        What stands for a number that is not known, such as ``["", "?", "NA"]``: it becomes NaN.
    encoding
        Of the characters; a byte order mark is skipped.

    Returns
    -------
    Table
        The columns.

    Raises
    ------
    DataError
        If a line has more or fewer fields than the first, a field is no finite number, a quote is not closed, a name is
        missing or there twice, or the file is not of this encoding; with the line and the column.
    ArgumentError
        If ``delimiter`` is not one character, a name in ``text`` is not among ``columns``, one text is given where a
        list is expected, or the encoding is unknown.

    Examples
    --------
    >>> import tilegrad as tg
    >>> with open("points.csv", "w") as file:
    ...     _ = file.write("x,y\n1,2\n3,?\n")
    >>> tg.data.readers.read_csv("points.csv", missing=["?"]).columns
    {'x': array([1., 3.]), 'y': array([ 2., nan])}
    """
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n\0':
        raise ArgumentError(f"read_csv: delimiter must be one character, found {delimiter!r}")
    check_lists("read_csv", columns=columns, text=text, missing=missing)
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise ArgumentError(f"read_csv: encoding {encoding!r} is none of Python's, such as 'utf-8'") from None
    where = os.fspath(path)
    with open(path, encoding="utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding, newline="") as file:
        try:
            return _Reader(where, file, delimiter).read(header, columns, text, missing)
        except UnicodeError as error:
            raise DataError(f"{where}: not of encoding {encoding}: {error}") from None


class _Reader:
    def __init__(self, where: str, file: TextIO, delimiter: str) -> None:
        self._where, self._file, self._delimiter = where, file, delimiter
        self._delimiters = 0  # in the lines of a row
        self._rows = csv.reader(self._lines(), delimiter=delimiter, strict=True)

    def _lines(self) -> Iterator[str]:
        while line := self._file.readline(MAX_LINE + 1):
            if len(line) > MAX_LINE:
                raise DataError(f"{self._where}: line {self._rows.line_num + 1}: longer than {MAX_LINE} characters")
            if "\0" in line:
                raise DataError(f"{self._where}: line {self._rows.line_num + 1}: a zero character; this is no text")
            self._delimiters += line.count(self._delimiter)
            if self._delimiters > MAX_COLUMNS:
                raise DataError(f"{self._where}: line {self._rows.line_num + 1}: more than {MAX_COLUMNS} fields")
            yield line

    def _row(self) -> list[str] | None:
        """The next row that is not empty."""
        self._delimiters = 0
        try:
            return next((row for row in self._rows if row), None)
        except csv.Error as error:
            raise DataError(f"{self._where}: line {self._rows.line_num}: {error}") from None

    def read(self, header: bool, columns: Sequence[str] | None, text: Sequence[str], missing: Sequence[str]) -> Table:
        row = self._row()
        if row is None:
            raise DataError(f"{self._where}: the file is empty, expected " + ("a header" if header else "rows"))
        names = row if header else [str(position) for position in range(len(row))]
        self._check_names(names)
        chosen = names if columns is None else list(columns)
        place = {name: position for position, name in enumerate(names)}
        lost = [name for name in (*chosen, *text) if name not in place]
        if lost:
            raise DataError(f"{self._where}: no column {', '.join(map(repr, lost))}; there are {str(names)[:200]}")
        strange = set(text) - set(chosen)
        if strange:
            raise ArgumentError(f"read_csv: text has {', '.join(map(repr, sorted(strange)))}, which columns has not")
        called_text = set(text)
        texts = {name: place[name] for name in chosen if name in called_text}
        numbers = {name: place[name] for name in chosen if name not in texts}
        values, codes = self._values(row if not header else self._row(), names, numbers, texts, frozenset(missing))
        matrix = _array(values, np.float64).reshape(-1, max(len(numbers), 1))
        found: dict[str, NDArray] = {name: matrix[:, column] for column, name in enumerate(numbers)}
        categories = {}
        for name in texts:
            categories[name], found[name] = _sorted(*codes[name])
        return Table({name: found[name] for name in chosen}, categories)

    def _check_names(self, names: list[str]) -> None:
        seen: set[str] = set()
        for position, name in enumerate(names):
            if name in seen:
                raise DataError(
                    f"{self._where}: line {self._rows.line_num}: column {position} is called {name!r} like one before"
                )
            seen.add(name)

    def _values(
        self,
        row: list[str] | None,
        names: list[str],
        numbers: dict[str, int],
        texts: dict[str, int],
        missing: frozenset[str],
    ) -> tuple[array[float], dict[str, tuple[dict[str, int], array[int]]]]:
        """The numbers, row after row; and of each column of texts the number of each text, and those of the rows."""
        values = array("d")
        codes: dict[str, tuple[dict[str, int], array[int]]] = {name: ({}, array("q")) for name in texts}
        places = list(numbers.values())
        everything = places == list(range(len(names)))
        while row is not None:
            if len(row) != len(names):
                raise DataError(
                    f"{self._where}: line {self._rows.line_num}: {len(row)} fields, expected {len(names)} as before"
                )
            self._add(values, row if everything else [row[place] for place in places], list(numbers), missing)
            for name, place in texts.items():
                known, rows = codes[name]
                rows.append(known.setdefault(row[place], len(known)))
            row = self._row()
        return values, codes

    def _add(self, values: array[float], cells: list[str], names: list[str], missing: frozenset[str]) -> None:
        together = "".join(cells)
        try:
            # Python's float() knows more spellings than files should have.
            if together.isascii() and "_" not in together and missing.isdisjoint(cells):
                found = list(map(float, cells))
                if math.isfinite(sum(found)):
                    values.extend(found)
                    return
        except ValueError:
            pass
        for name, cell in zip(names, cells, strict=True):
            values.append(math.nan if cell in missing else self._number(name, cell))

    def _number(self, name: str, cell: str) -> float:
        try:
            value = float(cell) if cell.isascii() and "_" not in cell else math.nan
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise DataError(
                f"{self._where}: line {self._rows.line_num}, column {name!r}: {cell[:40]!r} is no finite number; "
                "texts are read by text=[...], what stands for unknown numbers by missing=[...]"
            )
        return value


def _sorted(known: dict[str, int], rows: array[Any]) -> tuple[list[str], NDArray]:
    """The texts in order, and the position of each row's text."""
    names = sorted(known)
    position = np.empty(len(names), np.int64)
    for rank, name in enumerate(names):
        position[known[name]] = rank
    return names, position[_array(rows, np.int64)]


def _array(values: array[Any], dtype: Any) -> NDArray:
    """Over the same memory."""
    return np.frombuffer(values, dtype) if values else np.empty(0, dtype)
