"""DataLoader: mini-batches of tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import _C
from ..numbers import check_count
from .dataset import NDArray
from .prefetch import END, Prefetched
from .shard import Shard, checked_shard, emptied, share_of
from .shuffle import shuffled
from .sources import ArraySource, StreamSource, source_of
from .stream import shuffled_through
from .transforms import Transform

__all__ = ["DataLoader"]


class DataLoader:
    """Mini-batches of a data set, one epoch per iteration.

    What is in a batch depends on the arguments, the epoch and the batch's number alone: not on threads, nor on how far
    ahead batches are made.

    Parameters
    ----------
    data
        A tuple of arrays (NumPy arrays, memory-mapped ones too, or tensors) of equal length, whose batches are tuples
        of tensors; one array, whose batches are tensors; a dict of arrays, whose batches are dicts; a :class:`Dataset`,
        whose samples are stacked (:func:`collate`); or an :class:`IterableDataset`, whose samples come in order
        (:func:`from_generator`).
    batch_size
        Samples in a batch; the last one has what is left.
    shuffle
        Whether every epoch has an order of its own.
    drop_last
        Whether a smaller last batch is left out.
    seed
        Of the shuffle and of the transform's draws.
    transform
        A :class:`transforms.Transform`, for the first part of a batch, the images (:class:`transforms.Mixup` changes
        the second, the targets, too); or a function of the whole batch.
    prefetch
        How many batches are made ahead of their use, by threads. 0: each is made when it is asked for, as arrays
        without a transform always are, for they are gathered in less time than threads take to meet.
    workers
        How many threads make batches. More than one helps where a library works without the GIL, as Pillow does; the
        data set is then used by several threads at once. Streams are read by one. 0 is as ``prefetch=0``.
    buffer_size
        Shuffles through a buffer of so many samples (:func:`shuffled_through`), that are near each other in the data.
        Data sets that are iterated over have no other shuffle (1,024 unless said); for others it keeps reads of a large
        file nearly in order.
    collate
        Makes a batch of a list of samples, in place of :func:`collate`.
    shard
        ``(rank, ranks)``: of every ``ranks * batch_size`` samples of the epoch's order this loader gives the part of a
        rank, ``batch_size`` of them. What the last such batch has is split evenly, so that all ranks have as many
        batches; the part of a rank may then be empty, if they are fewer than ranks. What is drawn for a sample does not
        depend on the rank. Streams are read whole by all ranks.

    Raises
    ------
    DataError
        While iterating: the data set raised an exception, which is the cause; the message names the sample.
    ShapeError, DTypeError
        While iterating: samples that do not fit each other; the message names two.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> loader = tg.data.DataLoader((np.zeros((1000, 4), np.float32), np.arange(1000)), batch_size=128, shuffle=True)
    >>> [len(x) for x, y in loader]
    [128, 128, 128, 128, 128, 128, 128, 104]
    >>> len(loader)
    8
    """

    def __init__(
        self,
        data: Any,
        batch_size: int = 32,
        shuffle: bool = False,
        drop_last: bool = False,
        seed: int = 0,
        transform: Transform | Callable[[Any], Any] | None = None,
        prefetch: int = 2,
        workers: int = 1,
        buffer_size: int | None = None,
        collate: Callable[[list[Any]], Any] | None = None,
        shard: tuple[int, int] | None = None,
    ) -> None:
        check_count("DataLoader", "batch_size", batch_size)
        if type(seed) is not int or not 0 <= seed < 2**63:
            raise _C.ArgumentError(f"DataLoader: seed must be an integer from 0 up, found {seed!r}")
        for name, count in (("prefetch", prefetch), ("workers", workers)):
            if type(count) is not int or not 0 <= count <= 1024:
                raise _C.ArgumentError(f"DataLoader: {name} must be an integer from 0 to 1024, found {count!r}")
        if buffer_size is not None and (type(buffer_size) is not int or buffer_size < 1 or not shuffle):
            raise _C.ArgumentError(
                f"DataLoader: buffer_size must be a positive integer, with shuffle=True; found {buffer_size!r}"
            )
        for name, function in (("transform", transform), ("collate", collate)):
            if function is not None and not callable(function):
                raise _C.ArgumentError(f"DataLoader: {name} must be a function, found {type(function).__name__}")
        self.shard = None if shard is None else checked_shard(shard)
        self.batch_size, self.shuffle, self.drop_last, self.seed = batch_size, shuffle, drop_last, seed
        self.transform, self.prefetch, self.workers, self.buffer_size = transform, prefetch, workers, buffer_size
        self._source = source_of(data, transform, seed, collate)
        if isinstance(self._source, StreamSource) and shuffle and buffer_size is None:
            self.buffer_size = 1024
        if isinstance(self._source, ArraySource) and collate is not None:
            raise _C.ArgumentError("DataLoader: batches of arrays are not collated; give a data set, or a transform")
        self.epoch = 0
        self._start = 0  # the batch with which the next iteration begins
        self._token: object = None  # of the iteration that is under way
        self._place = (0, 0)  # its epoch, and how many of its batches were handed out

    @property
    def samples(self) -> int:
        """The number of samples in the data set."""
        return len(self._source)

    def __len__(self) -> int:
        """The number of batches in an epoch.

        Raises
        ------
        TypeError
            If the data set is iterated over and does not say how long it is.
        """
        return self._count(self.shard)

    def _count(self, shard: Shard | None) -> int:
        whole, rest = divmod(self.samples, self.batch_size * (1 if shard is None else shard[1]))
        return whole + (1 if rest and not self.drop_last else 0)

    def set_epoch(self, epoch: int) -> None:
        """Have the next iteration be a certain epoch, from its first batch on; without it, epochs count up from 0.

        Parameters
        ----------
        epoch
            An ``int`` from 0: shuffles and draws depend on it.

        Raises
        ------
        ArgumentError
            If it is something else.
        """
        if type(epoch) is not int or epoch < 0:
            raise _C.ArgumentError(f"set_epoch: expected a number from 0 up, found {epoch!r}")
        self.epoch, self._start, self._token = epoch, 0, None

    def state(self) -> dict[str, int]:
        """Where the loader is: the epoch, and how many of its batches were handed out.

        Batches that were made ahead do not count. After the last batch of an epoch, and before the iteration has ended,
        that is all of them; then it is batch 0 of the next epoch.

        Examples
        --------
        >>> import numpy as np, tilegrad as tg
        >>> loader = tg.data.DataLoader(np.arange(6), batch_size=2, shuffle=True)
        >>> batches = iter(loader)
        >>> first = next(batches)
        >>> loader.state()
        {'epoch': 0, 'batch': 1}
        >>> again = tg.data.DataLoader(np.arange(6), batch_size=2, shuffle=True)
        >>> again.restore(loader.state())
        >>> [b.tolist() for b in again] == [b.tolist() for b in batches]
        True
        """
        epoch, batch = self._place if self._token is not None else (self.epoch, self._start)
        return {"epoch": epoch, "batch": batch}

    def restore(self, state: dict[str, int]) -> None:
        """Have the next iteration go on with a certain batch of a certain epoch.

        Parameters
        ----------
        state
            What :meth:`state` gave, of this loader or one of the same data and arguments. After the last batch of an
            epoch it is an iteration without batches that comes next. A stream is read from its beginning and what comes
            before the batch left out.

        Raises
        ------
        ArgumentError
            If ``state`` is none that :meth:`state` gives, or of a longer data set.
        """
        try:
            epoch, batch = int(state["epoch"]), int(state["batch"])
        except (TypeError, KeyError, ValueError):
            raise _C.ArgumentError(f"DataLoader.restore: expected what state() gives, found {state!r}") from None
        most = None if isinstance(self._source, StreamSource) else len(self)
        if epoch < 0 or batch < 0 or (most is not None and batch > most):
            raise _C.ArgumentError(
                f"DataLoader.restore: epoch {epoch}, batch {batch} is not of this loader, which has {most} batches an "
                "epoch; restore with the data and the batch size of before"
            )
        self.epoch, self._start, self._token = epoch, batch, None

    def __iter__(self) -> Iterator[Any]:
        return self._sharded(self.shard)

    def _sharded(self, shard: Shard | None) -> Iterator[Any]:
        """The next epoch, as a rank sees it."""
        epoch, start = self.epoch, self._start
        self.epoch, self._start = epoch + 1, 0
        self._token = token = object()
        self._place = (epoch, start)
        return _Iteration(self, token, self._batches(epoch, start, shard), epoch, start)

    def _batches(self, epoch: int, start: int, shard: Shard | None) -> Iterator[Any]:
        """The batches of an epoch from one on."""
        source = self._source
        if isinstance(source, StreamSource):
            stream = source.batches(self.batch_size, self.drop_last, self.buffer_size, epoch, start, shard)
            if not self.prefetch or not self.workers:
                return stream
            return Prefetched(lambda _: next(stream, END), start, self.prefetch, repeatable=False)
        order, count = self._order(epoch), self._count(shard)

        def make(number: int) -> Any:
            if number >= count:
                return END
            rows = order[share_of(number, self.batch_size, len(order), shard)]
            # A batch of no samples has the form of one that has some.
            return source.batch(rows, epoch) if len(rows) else emptied(source.batch(order[:1], epoch))

        gathers = isinstance(source, ArraySource) and self.transform is None
        if gathers or not self.prefetch or not self.workers:
            return map(make, range(start, count))
        return Prefetched(make, start, self.prefetch, min(self.workers, max(count - start, 1)))

    def _rows(self, epoch: int, batch: int, shard: Shard | None) -> NDArray:
        """The numbers of a batch's samples."""
        return self._order(epoch)[share_of(batch, self.batch_size, self.samples, shard)]

    def _order(self, epoch: int) -> NDArray:
        """The samples' numbers in the order of an epoch."""
        if not self.shuffle:
            return np.arange(self.samples)
        if self.buffer_size is None:
            return shuffled(self.samples, self.seed, epoch)
        return np.fromiter(shuffled_through(range(self.samples), self.buffer_size, self.seed, epoch), np.int64)


class _Iteration(Iterator[Any]):
    """An epoch's batches; tells the loader how far it is."""

    def __init__(self, loader: DataLoader, token: object, batches: Iterator[Any], epoch: int, start: int) -> None:
        self._loader, self._token, self._batches = loader, token, batches
        self._epoch, self._number = epoch, start

    def __next__(self) -> Any:
        try:
            batch = next(self._batches)
        except StopIteration:
            if self._loader._token is self._token:
                self._loader._token = None
            raise
        self._number += 1
        if self._loader._token is self._token:
            self._loader._place = (self._epoch, self._number)
        return batch
