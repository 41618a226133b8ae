"""DataLoader: mini-batches of tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .. import _C, ops
from ..tensor import Tensor
from .dataset import NDArray, as_array, check_lengths
from .shuffle import shuffled

__all__ = ["DataLoader"]


class DataLoader:
    """Mini-batches of a data set, one epoch per iteration.

    Parameters
    ----------
    data
        A tuple of arrays (NumPy arrays or tensors) of equal length, whose batches are tuples of tensors; one array,
        whose batches are tensors; a dict of arrays, whose batches are dicts; or a :class:`Dataset`, whose samples are
        stacked.
    batch_size
        Samples in a batch; the last one has what is left.
    shuffle
        Whether every epoch has an order of its own. It depends on ``seed`` and the epoch's number alone.
    drop_last
        Whether a smaller last batch is left out.
    seed
        Of the shuffle.

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
        self, data: Any, batch_size: int = 32, shuffle: bool = False, drop_last: bool = False, seed: int = 0
    ) -> None:
        if type(batch_size) is not int or batch_size < 1:
            raise _C.ArgumentError(f"DataLoader: batch_size must be a positive integer, found {batch_size!r}")
        if type(seed) is not int or not 0 <= seed < 2**63:
            raise _C.ArgumentError(f"DataLoader: seed must be an integer from 0 up, found {seed!r}")
        self.batch_size, self.shuffle, self.drop_last, self.seed = batch_size, shuffle, drop_last, seed
        self.epoch = 0
        self._arrays: dict[Any, NDArray] | None
        self._form = type(data)
        data = getattr(data, "arrays", data)
        if isinstance(data, Mapping):
            self._form, self._arrays = (
                dict,
                {key: as_array(value, f"DataLoader: {key!r}") for key, value in data.items()},
            )
        elif isinstance(data, (tuple, list)):
            self._form = tuple
            self._arrays = {i: as_array(value, f"DataLoader: array {i}") for i, value in enumerate(data)}
        elif isinstance(data, (np.ndarray, Tensor)):
            self._form, self._arrays = Tensor, {0: as_array(data, "DataLoader: the array")}
        elif hasattr(data, "__len__") and hasattr(data, "__getitem__"):
            self._arrays, self.dataset = None, data
        else:
            raise _C.ArgumentError(
                f"DataLoader: expected arrays, or a data set with __len__ and __getitem__; found {type(data).__name__}"
            )
        if self._arrays is not None:
            check_lengths({f"array {key!r}": len(array) for key, array in self._arrays.items()})

    @property
    def samples(self) -> int:
        """The number of samples in the data set."""
        return len(self.dataset) if self._arrays is None else len(next(iter(self._arrays.values())))

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        whole, rest = divmod(self.samples, self.batch_size)
        return whole + (1 if rest and not self.drop_last else 0)

    def set_epoch(self, epoch: int) -> None:
        """Have the next iteration be epoch number ``epoch``; without it, epochs count up from 0."""
        if type(epoch) is not int or epoch < 0:
            raise _C.ArgumentError(f"set_epoch: expected a number from 0 up, found {epoch!r}")
        self.epoch = epoch

    def __iter__(self) -> Iterator[Any]:
        epoch, self.epoch = self.epoch, self.epoch + 1
        return self._batches(epoch)

    def _batches(self, epoch: int) -> Iterator[Any]:
        order = shuffled(self.samples, self.seed, epoch) if self.shuffle else np.arange(self.samples)
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            yield self._batch(order[start : start + self.batch_size])

    def _batch(self, rows: NDArray) -> Any:
        if self._arrays is None:
            return _stack([self.dataset[int(row)] for row in rows])
        batch = {key: _gather(array, rows) for key, array in self._arrays.items()}
        if self._form is Tensor:
            return batch[0]
        return batch if self._form is dict else tuple(batch.values())


_SAME = ("float32", "float64", "float16", "int64", "int32", "uint8", "bool")  # dtypes of both NumPy and tensors


def _gather(array: NDArray, rows: NDArray) -> Tensor:
    """The rows of an array as a tensor."""
    if array.dtype.name not in _SAME or not array.dtype.isnative:
        return ops.tensor(array[rows])
    # Straight into memory of the tensor's allocator, whose pages the last batch has touched already.
    batch = ops.empty((len(rows), *array.shape[1:]), array.dtype.name)
    np.take(array, rows, axis=0, out=batch.numpy(), mode="clip")  # "raise" would buffer; the rows are all there
    return batch


def _stack(samples: list[Any]) -> Any:
    """A batch from samples of one form."""
    first = samples[0]
    if isinstance(first, Mapping):
        return {key: _stack([sample[key] for sample in samples]) for key in first}
    if isinstance(first, (tuple, list)):
        if len({len(sample) for sample in samples}) != 1:
            raise _C.ShapeError("DataLoader: the samples of a batch have different numbers of parts")
        return tuple(_stack(list(part)) for part in zip(*samples, strict=True))
    parts = [sample.detach().numpy() if isinstance(sample, Tensor) else np.asarray(sample) for sample in samples]
    shapes = {part.shape for part in parts}
    if len(shapes) != 1:
        raise _C.ShapeError(f"DataLoader: the samples of a batch have shapes {sorted(shapes)}; a batch needs one")
    stacked = np.stack(parts)
    # Python's floats are float32, as in tg.tensor.
    return ops.tensor(stacked.astype(np.float32) if isinstance(first, float) else stacked)
