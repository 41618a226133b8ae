"""Data sets that are read from front to back, and the buffer that shuffles them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar, runtime_checkable

from .. import _C
from .._C import ArgumentError
from ..numbers import check_count

__all__ = ["GeneratorDataset", "IterableDataset", "from_generator", "shuffled_through"]

Item = TypeVar("Item")
PURPOSE = 0x627566666572  # of the buffer's draws


@runtime_checkable
class IterableDataset(Protocol):
    """Anything that gives its samples anew whenever it is iterated over: for data that is larger than memory.

    Examples
    --------
    >>> import tilegrad as tg
    >>> isinstance([1.5, 2.5], tg.data.IterableDataset)
    True
    """

    def __iter__(self) -> Iterator[Any]:
        """From the first sample on."""


class GeneratorDataset:
    """The samples of a generator function; :func:`from_generator` makes it.

    Parameters
    ----------
    function, length
        As of :func:`from_generator`.

    Raises
    ------
    ArgumentError
        If ``function`` cannot be called, or ``length`` is no integer from 0 up.

    Examples
    --------
    >>> import tilegrad as tg
    >>> list(tg.data.GeneratorDataset(lambda: range(3)))
    [0, 1, 2]
    """

    def __init__(self, function: Callable[[], Iterable[Any]], length: int | None = None) -> None:
        if not callable(function):
            raise ArgumentError(
                f"from_generator: expected a function that returns an iterable, found {type(function).__name__}; "
                "a generator itself could be read once only"
            )
        if length is not None and (type(length) is not int or length < 0):
            raise ArgumentError(f"from_generator: length must be a number from 0 up or None, found {length!r}")
        self.function, self.length = function, length

    def __iter__(self) -> Iterator[Any]:
        return iter(self.function())

    def __repr__(self) -> str:
        return f"from_generator({getattr(self.function, '__name__', self.function)})"


def from_generator(function: Callable[[], Iterable[Any]], length: int | None = None) -> GeneratorDataset:
    """A data set of what a function yields, called anew for every epoch.

    Parameters
    ----------
    function
        Without parameters; returns an iterator (or a list ...) of samples: arrays, or tuples or dicts of them.
    length
        How many samples it yields, if that is known: a loader then knows how many batches it has. It is not compared
        with what comes.

    Returns
    -------
    GeneratorDataset
        Calls the function whenever it is iterated over.

    Raises
    ------
    ArgumentError
        If ``function`` cannot be called, or ``length`` is no integer from 0 up.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> def squares():
    ...     for i in range(5):
    ...         yield np.float32(i), i * i
    >>> loader = tg.data.DataLoader(tg.data.from_generator(squares), batch_size=2)
    >>> [y.tolist() for x, y in loader]
    [[0, 1], [4, 9], [16]]
    """
    return GeneratorDataset(function, length)


def shuffled_through(items: Iterable[Item], size: int, seed: int, epoch: int) -> Iterator[Item]:
    """The items in an order drawn from a buffer: each place that is drawn is filled by the next item.

    An item moves forward by fewer than ``size`` places, and backward without bound. With a buffer as large as the data
    all orders are equally likely. The draws depend on ``seed``, ``epoch`` and the place alone.

    Parameters
    ----------
    items
        Anything to iterate over, also without an end; read as far ahead as the buffer is large.
    size
        Items in the buffer, from 1, which keeps the order.
    seed, epoch
        Integers that the draws depend on.

    Returns
    -------
    Iterator
        Each item once.

    Raises
    ------
    ArgumentError
        If ``size`` is no positive integer.

    Examples
    --------
    >>> import tilegrad as tg
    >>> sorted(tg.data.shuffled_through("abc", size=2, seed=0, epoch=0))
    ['a', 'b', 'c']
    """
    check_count("shuffled_through", "size", size)
    return _drawn(items, size, seed, epoch)


def _drawn(items: Iterable[Item], size: int, seed: int, epoch: int) -> Iterator[Item]:
    base = _C.derived_seed(_C.derived_seed(seed, PURPOSE), epoch)
    draws = map(_C.derived_seed, itertools.repeat(base), itertools.count())
    buffer: list[Item] = []
    for item in items:
        if len(buffer) < size:
            buffer.append(item)
            continue
        place = next(draws) % size  # of 2^63 draws: none is likelier than another by more than size / 2^63
        buffer[place], item = item, buffer[place]
        yield item
    while buffer:
        place = next(draws) % len(buffer)
        buffer[place], buffer[-1] = buffer[-1], buffer[place]
        yield buffer.pop()
