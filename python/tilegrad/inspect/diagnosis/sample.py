"""What the doctor has read of the data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ... import _C, ops
from ...data import DataLoader
from ...structure import replace, tensors_in
from ...train.batches import Batch, are_arrays
from ...train.placement import on_host
from ..predictions import batches

__all__ = ["Sample"]

NDArray = np.ndarray[Any, Any]

# Enough labels to tell an order from chance (a run of equal labels of one in ten classes is seen in a hundred), and
# inputs that fit into any machine's memory.
MOST_SAMPLES, MOST_BYTES = 4096, 256 * 2**20


def _is_tensor(value: Any) -> bool:
    return isinstance(value, _C.TensorBase)


class Sample:
    """The first samples of the data, in its order.

    Parameters
    ----------
    data
        Anything that ``Trainer.fit`` takes.
    batch_size
        For arrays.
    seed
        Of the order in which probes use what was read.
    """

    def __init__(self, data: Any, batch_size: int, seed: int) -> None:
        self.is_arrays = are_arrays(data) or (hasattr(data, "__getitem__") and not isinstance(data, (DataLoader, list)))
        """Whether ``Trainer.fit`` shuffles it."""
        read: list[Batch] = []
        total = size = 0
        for batch in batches("doctor", data, batch_size, MOST_SAMPLES):
            read.append(batch)
            total += batch.samples
            size += sum(tensor.nbytes for tensor in tensors_in(batch.inputs))
            if size > MOST_BYTES:
                break
        self.count = total
        self.batch_size = max(batch.samples for batch in read)
        self._inputs, self._target = read[0].inputs, read[0].target
        self.inputs = _joined([tensors_in(batch.inputs) for batch in read])
        """The arrays among the inputs, in the data's order."""
        self.targets = _joined([tensors_in(batch.target) for batch in read])
        self.order = np.random.default_rng(seed).permutation(total)

    @property
    def labels(self) -> NDArray | None:
        """Whole numbers [N], one for each sample, or None where targets are something else."""
        if len(self.targets) != 1 or self.targets[0].size != self.count or self.targets[0].dtype.kind not in "iu":
            return None
        found: NDArray = self.targets[0].reshape(-1)
        return found

    def rows(self, rows: NDArray) -> Batch:
        """Some of the samples, as a batch."""
        return Batch(_filled(self._inputs, self.inputs, rows), _filled(self._target, self.targets, rows))

    def first(self, count: int) -> Batch:
        """Samples chosen by chance, always the same."""
        return self.rows(self.order[:count])

    def training_batches(self) -> Iterator[Batch]:
        """Batches for training probes, without end: all of one size, in the shuffled order, round and round."""
        size = min(self.batch_size, self.count)
        place = 0
        while True:
            yield self.rows(np.take(self.order, range(place, place + size), mode="wrap"))
            place += size


def _joined(parts: list[list[Any]]) -> list[NDArray]:
    return [np.concatenate([on_host(tensor) for tensor in column]) for column in zip(*parts, strict=True)]


def _filled(form: Any, arrays: list[NDArray], rows: NDArray) -> Any:
    found = iter(arrays)
    return replace(form, _is_tensor, lambda _: ops.tensor(next(found)[rows]))


def validation_sample(data: Any, batch_size: int) -> Batch | None:
    """Up to 512 samples of validation data, as one batch."""
    if data is None:
        return None
    return Sample(data, batch_size, 0).first(512)
