"""Where a DataLoader's batches come from: arrays, data sets of single samples, streams."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .. import ops
from .._C import ArgumentError
from ..errors import DataError
from ..tensor import Tensor
from .collate import collate
from .dataset import NDArray, as_array, check_lengths
from .shard import Shard, emptied, share_of
from .split import Subset
from .stream import shuffled_through
from .transforms import Transform

__all__ = ["ArraySource", "DatasetSource", "StreamSource", "source_of"]

_SAME = ("float32", "float64", "float16", "int64", "int32", "uint8", "bool")  # dtypes of both NumPy and tensors
Change = Callable[[Any], Any]


class Batches:
    """What all sources do: the transform of a batch."""

    transform: Transform | Change | None
    seed: int

    def changed(self, batch: Any, numbers: Sequence[int] | NDArray, epoch: int) -> Any:
        """The batch of the samples with these numbers, transformed."""
        if not isinstance(self.transform, Transform):
            return batch if self.transform is None else self.transform(batch)
        if isinstance(batch, Tensor):
            return self._images(batch, np.arange(len(batch)), None, epoch, numbers)[0]
        keys = list(batch) if isinstance(batch, dict) else list(range(len(batch)))
        parts = dict(batch) if isinstance(batch, dict) else dict(enumerate(batch))
        targets = parts[keys[1]] if len(keys) > 1 else None
        images = parts[keys[0]]
        parts[keys[0]], changed = self._images(images, np.arange(len(images)), targets, epoch, numbers)
        if len(keys) > 1:
            parts[keys[1]] = changed
        return parts if isinstance(batch, dict) else tuple(parts.values())

    def _images(self, images: Tensor, rows: NDArray, targets: Any, epoch: int, numbers: Any) -> tuple[Tensor, Any]:
        assert isinstance(self.transform, Transform)
        return self.transform.apply(images, rows, targets, self.seed, epoch, numbers)


class ArraySource(Batches):
    """Rows of arrays; of a Subset, sample ``i`` is row ``indices[i]``."""

    def __init__(
        self, arrays: dict[Any, NDArray], form: type, transform: Any, seed: int, indices: NDArray | None = None
    ) -> None:
        check_lengths({f"array {key!r}": len(array) for key, array in arrays.items()})
        self.arrays, self.form, self.transform, self.seed, self._indices = arrays, form, transform, seed, indices
        # Images that a transform can take from where they are are not gathered first.
        first = next(iter(arrays.values()))
        self._whole: Tensor | None = None
        if isinstance(transform, Transform) and first.flags.c_contiguous and first.flags.writeable:
            self._whole = ops.from_numpy(first) if first.dtype.name in _SAME and first.dtype.isnative else None

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())) if self._indices is None else self._indices)

    def batch(self, samples: NDArray, epoch: int) -> Any:
        """The batch of these samples."""
        rows = samples if self._indices is None else self._indices[samples]
        if self._whole is None:
            return self.changed(self._formed([_gather(a, rows) for a in self.arrays.values()]), samples, epoch)
        rest = [_gather(array, rows) for array in list(self.arrays.values())[1:]]
        images, targets = self._images(self._whole, rows, rest[0] if rest else None, epoch, samples)
        return self._formed([images, *([targets] if rest else []), *rest[1:]])

    def _formed(self, parts: list[Any]) -> Any:
        if self.form is Tensor:
            return parts[0]
        return dict(zip(self.arrays, parts, strict=True)) if self.form is dict else tuple(parts)


def _gather(array: NDArray, rows: NDArray) -> Tensor:
    """The rows of an array as a tensor."""
    if array.dtype.name not in _SAME or not array.dtype.isnative:
        return ops.tensor(array[rows])
    # Straight into memory of the tensor's allocator, whose pages the last batch has touched already.
    batch = ops.empty((len(rows), *array.shape[1:]), array.dtype.name)
    np.take(array, rows, axis=0, out=batch.numpy(), mode="clip")  # "raise" would buffer; the rows are all there
    return batch


class DatasetSource(Batches):
    """Samples of a data set, one by one."""

    def __init__(self, dataset: Any, transform: Any, seed: int, collate: Any) -> None:
        self.dataset, self.transform, self.seed, self.collate = dataset, transform, seed, collate

    def __len__(self) -> int:
        return len(self.dataset)

    def batch(self, rows: NDArray, epoch: int) -> Any:
        """The batch of these samples."""
        numbers = rows.tolist()
        return self.changed(_collated(self.collate, [self._sample(n) for n in numbers], numbers), rows, epoch)

    def _sample(self, number: int) -> Any:
        try:
            return self.dataset[number]
        except Exception as error:
            raise DataError(
                f"DataLoader: sample {number} of {_named(self.dataset)} raised {type(error).__name__}: {error}"
            ) from error


class StreamSource(Batches):
    """Samples in the order in which they come, or through a buffer."""

    def __init__(self, dataset: Any, transform: Any, seed: int, collate: Any) -> None:
        if iter(dataset) is dataset:
            raise ArgumentError(
                f"DataLoader: a {type(dataset).__name__} can be read only once; give from_generator() the "
                "function that makes it"
            )
        self.dataset, self.transform, self.seed, self.collate = dataset, transform, seed, collate

    def __len__(self) -> int:
        length = getattr(self.dataset, "length", None)
        if length is None and hasattr(self.dataset, "__len__"):
            length = len(self.dataset)
        if length is None:
            raise TypeError(f"DataLoader: {_named(self.dataset)} does not say how many samples it has")
        return int(length)

    def batches(
        self, size: int, drop_last: bool, buffer: int | None, epoch: int, start: int, shard: Shard | None
    ) -> Iterator[Any]:
        """The batches of an epoch from number ``start`` on; samples before, and of other ranks, are passed over."""
        items: Iterator[tuple[int, Any]] = self._numbered()
        if buffer is not None:
            items = shuffled_through(items, buffer, self.seed, epoch)
        whole = size * (1 if shard is None else shard[1])
        items = itertools.islice(items, start * whole, None)
        while chosen := list(itertools.islice(items, whole)):
            if len(chosen) < whole and drop_last:
                return
            own = chosen[share_of(0, size, len(chosen), shard)]
            yield self._made(own, epoch) if own else emptied(self._made(chosen[:1], epoch))

    def _made(self, chosen: list[tuple[int, Any]], epoch: int) -> Any:
        numbers, samples = [number for number, _ in chosen], [sample for _, sample in chosen]
        return self.changed(_collated(self.collate, samples, numbers), numbers, epoch)

    def _numbered(self) -> Iterator[tuple[int, Any]]:
        number = 0
        try:
            for sample in self.dataset:
                yield number, sample
                number += 1
        except Exception as error:
            raise DataError(
                f"DataLoader: sample {number} of {_named(self.dataset)} raised {type(error).__name__}: {error}"
            ) from error


def _collated(function: Any, samples: list[Any], numbers: list[int]) -> Any:
    return collate(samples, numbers) if function is None else function(samples)


def _named(dataset: Any) -> str:
    return type(dataset).__name__ if "object at 0x" in repr(dataset) else repr(dataset)


def source_of(data: Any, transform: Any, seed: int, collate: Any) -> ArraySource | DatasetSource | StreamSource:
    """The source that belongs to what a DataLoader was given."""
    part = data if isinstance(data, Subset) and hasattr(data.dataset, "arrays") else None
    arrays = getattr(data if part is None else part.dataset, "arrays", data)
    if isinstance(arrays, Mapping):
        named = {key: as_array(value, f"DataLoader: {key!r}") for key, value in arrays.items()}
        return ArraySource(named, dict, transform, seed)
    if isinstance(arrays, (tuple, list)):
        placed = {i: as_array(value, f"DataLoader: array {i}") for i, value in enumerate(arrays)}
        return ArraySource(placed, tuple, transform, seed, None if part is None else part.indices)
    if isinstance(arrays, (np.ndarray, Tensor)):
        return ArraySource({0: as_array(arrays, "DataLoader: the array")}, Tensor, transform, seed)
    if hasattr(data, "__len__") and hasattr(data, "__getitem__"):
        return DatasetSource(data, transform, seed, collate)
    if hasattr(data, "__iter__"):
        return StreamSource(data, transform, seed, collate)
    raise ArgumentError(
        "DataLoader: expected arrays, a data set with __len__ and __getitem__, or one with __iter__ (from_generator); "
        f"found {type(data).__name__}"
    )
