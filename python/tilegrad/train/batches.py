"""Batches of whatever a trainer is given: arrays, a data set, a DataLoader or any iterable."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import _C, ops
from ..data.dataset import as_array
from ..data.loader import DataLoader
from ..data.sources import StreamSource
from ..data.split import train_validation_split
from ..data.stream import GeneratorDataset

__all__ = ["Batch", "Source", "of_arrays", "source_of"]


class Batch(NamedTuple):
    """What one step is made with: tensors."""

    inputs: Any
    """What the model takes: a tensor, a tuple of several (its arguments) or a dict (its named arguments)."""
    target: Any
    weight: Any = None
    """The weight of each sample in the loss, or None."""

    @property
    def samples(self) -> int:
        """The number of samples."""
        return len(first_of(self.target))


_IDENTITY = ("batch_size", "seed", "shuffle", "drop_last", "buffer_size")


def first_of(value: Any) -> Any:
    """The first tensor in a structure."""
    while isinstance(value, (tuple, list, Mapping)):
        value = next(iter(value.values() if isinstance(value, Mapping) else value))
    return value


def as_tensors(owner: str, value: Any) -> Any:
    """Tensors in place of arrays and numbers."""
    if isinstance(value, _C.TensorBase):
        return value
    if isinstance(value, (tuple, list)) and any(isinstance(item, (_C.TensorBase, np.ndarray)) for item in value):
        return tuple(as_tensors(owner, item) for item in value)
    if isinstance(value, Mapping):
        return {key: as_tensors(owner, item) for key, item in value.items()}
    return ops.tensor(as_array(value, owner))


def as_batch(owner: str, value: Any) -> Batch:
    """A batch that an iterable gave."""
    if isinstance(value, Batch):
        return value
    if not isinstance(value, (tuple, list)) or len(value) not in (2, 3):
        found = f"{len(value)} parts" if isinstance(value, (tuple, list, Mapping)) else type(value).__name__
        raise _C.ArgumentError(
            f"{owner}: a batch must be (inputs, targets) or (inputs, targets, sample weights), found {found}"
        )
    names = ("inputs", "targets", "sample weights")
    batch = Batch(*[as_tensors(f"{owner}: {name}", part) for name, part in zip(names, value, strict=False)])
    count, inputs = batch.samples, first_of(batch.inputs)
    if len(inputs) != count:
        raise _C.ShapeError(f"{owner}: a batch has {len(inputs)} inputs and {count} targets")
    if batch.weight is not None and batch.weight.shape[:1] != (count,):
        raise _C.ShapeError(
            f"{owner}: a batch of {count} samples has sample weights {list(batch.weight.shape)}, expected [{count}]"
        )
    return batch


class Source:
    """Batches, epoch by epoch.

    Parameters
    ----------
    owner
        Who asks, for errors.
    batches
        An iterable of batches: a DataLoader, a list, a generator.
    form
        The structure of arrays, where the batches are of :func:`of_arrays`.
    steps
        How many batches are an epoch, for iterables without an end.
    shard
        ``(rank, ranks)`` of a loader that has none itself: which part of every batch is this process's.
    """

    def __init__(
        self,
        owner: str,
        batches: Iterable[Any],
        form: Any = None,
        steps: int | None = None,
        shard: tuple[int, int] | None = None,
    ) -> None:
        self.batches, self._owner, self._form, self._steps = batches, owner, form, steps
        self._shard = (batches.shard or shard) if isinstance(batches, DataLoader) else None
        self.is_once = isinstance(batches, Iterator)
        self._read = 0  # of what can be read once
        self.first_epoch = getattr(batches, "epoch", 0) if isinstance(batches, DataLoader) else 0
        """The loader's number of the first epoch."""

    @property
    def length(self) -> int | None:
        """The number of batches in an epoch, if it is known."""
        if self._steps is not None:
            return self._steps
        try:
            if isinstance(self.batches, DataLoader):
                return self.batches._count(self._shard)
            return len(self.batches)  # type: ignore[arg-type]
        except TypeError:
            return None

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, without the first ``skip``, which were used by an earlier run."""
        raw = self._from(epoch, skip)
        found = skip
        for value in raw if self._steps is None else itertools.islice(raw, max(self._steps - skip, 0)):
            found += 1
            yield self._batch(value)
        if not found or (self._steps is not None and found < self._steps):
            raise _C.ArgumentError(f"{self._owner}: data gave {found} batches in epoch {epoch + 1}{self._hint()}")

    def _from(self, epoch: int, skip: int) -> Iterator[Any]:
        loader: Any = self.batches
        if hasattr(loader, "restore"):
            loader.restore({"epoch": self.first_epoch + epoch, "batch": skip})
            return loader._sharded(self._shard) if isinstance(loader, DataLoader) else iter(loader)
        if self.is_once:  # what earlier runs and epochs have used comes first
            used = epoch * (self._steps or 0) + skip
            ahead, self._read = max(used - self._read, 0), max(used, self._read)
            return self._counted(itertools.islice(loader, ahead, None))
        return itertools.islice(iter(loader), skip, None)

    def _counted(self, raw: Iterator[Any]) -> Iterator[Any]:
        for value in raw:
            self._read += 1
            yield value

    def state(self) -> dict[str, Any]:
        """Which data these are, as far as it is known, and which of the loader's epochs was the first."""
        loader = self.batches
        about: dict[str, Any] = {"kind": type(loader).__name__, "batches": self.length, "first_epoch": self.first_epoch}
        if isinstance(loader, DataLoader):
            about |= {name: getattr(loader, name) for name in _IDENTITY}
            if not isinstance(loader._source, StreamSource):
                about["samples"] = loader.samples
            if self._shard is not None:
                about["ranks"] = self._shard[1]
        return about

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on in the data that :meth:`state` told of.

        Raises
        ------
        ArgumentError
            If these are others; tells in what they differ.
        """
        here = self.state()
        differences = [
            f"{name} was {state.get(name)!r}, here {value!r}"
            for name, value in here.items()
            if name != "first_epoch" and state.get(name) != value
        ]
        if differences:
            raise _C.ArgumentError(f"{self._owner}: the data are not those of the checkpoint: {'; '.join(differences)}")
        self.first_epoch = state["first_epoch"]

    def whole(self) -> Source:
        """The same data, without a part of this process that the trainer chose."""
        found = copy.copy(self)
        found._shard = self.batches.shard if isinstance(self.batches, DataLoader) else None
        return found

    def rows(self, epoch: int, batch: int) -> Any:
        """The positions in the data of a batch's samples, or None where they are not known."""
        loader = self.batches
        if not isinstance(loader, DataLoader) or isinstance(loader._source, StreamSource):
            return None
        return loader._rows(self.first_epoch + epoch, batch, self._shard)

    def _batch(self, value: Any) -> Batch:
        if self._form is None:
            return as_batch(self._owner, value)
        parts = iter(value)
        return Batch(*[_filled(form, parts) for form in self._form])

    def _hint(self) -> str:
        if self.is_once:
            return "; a generator can be read once: give fewer epochs, a list, or a DataLoader"
        return f", expected {self._steps} (steps_per_epoch)" if self._steps is not None else "; there is nothing in it"


def _filled(form: Any, parts: Iterator[Any]) -> Any:
    """A structure with the next parts in its places."""
    if isinstance(form, tuple):
        return tuple(_filled(item, parts) for item in form)
    if isinstance(form, dict):
        return {key: _filled(item, parts) for key, item in form.items()}
    return next(parts)


class Arrays(NamedTuple):
    """Arrays in the form of a batch, with one sample per first index."""

    form: Any
    flat: list[Any]

    @property
    def samples(self) -> int:
        """The number of samples."""
        return len(self.flat[0])


def _taken(owner: str, value: Any, flat: list[Any]) -> Any:
    """The form of a structure whose arrays are put into ``flat``."""
    if isinstance(value, tuple):
        return tuple(_taken(f"{owner}[{position}]", item, flat) for position, item in enumerate(value))
    if isinstance(value, Mapping):
        return {key: _taken(f"{owner}[{key!r}]", item, flat) for key, item in value.items()}
    flat.append(as_array(value, owner))
    return None


def are_arrays(data: Any) -> bool:
    """Whether data is a tuple (or list) of arrays, not of batches."""
    if isinstance(data, tuple):
        return True
    return isinstance(data, list) and len(data) in (2, 3) and not any(isinstance(item, (tuple, list)) for item in data)


def of_arrays(owner: str, data: Sequence[Any], sample_weight: Any = None) -> Arrays:
    """Arrays ``(inputs, targets)`` or ``(inputs, targets, weights)``, checked."""
    parts = (*data,) if sample_weight is None else (*data, sample_weight)
    if len(parts) not in (2, 3):
        more = "" if sample_weight is None else " and sample_weight"
        raise _C.ArgumentError(
            f"{owner}: expected arrays (inputs, targets) or (inputs, targets, sample weights), found {len(data)} "
            f"arrays{more}"
        )
    names = ("the inputs", "the targets", "the sample weights")
    forms: list[Any] = []
    flat: list[Any] = []
    lengths: dict[str, int] = {}
    for name, part in zip(names, parts, strict=False):
        before = len(flat)
        forms.append(_taken(f"{owner}: {name}", part, flat))
        lengths |= {f"{name}{f' ({i})' if i else ''}": len(array) for i, array in enumerate(flat[before:])}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} have {length}" for name, length in lengths.items())
        raise _C.ShapeError(f"{owner}: all arrays must have one number of samples: {found}")
    if len(parts) == 3:
        flat[-1] = _weights(owner, flat[-1])
    return Arrays(tuple(forms), flat)


def _weights(owner: str, weights: Any) -> Any:
    """Weights of samples: floating, finite and not negative."""
    weights = weights if weights.dtype.kind == "f" else weights.astype(np.float32)
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)).reshape(len(weights), -1).all(1))
    if bad.size:
        raise _C.ArgumentError(
            f"{owner}: sample weights must be finite and at least 0, found {weights[bad[0]]} of sample {bad[0]}"
        )
    return weights


def split(arrays: Arrays, fraction: float, seed: int) -> tuple[Arrays, Arrays]:
    """A part for training and one for validation, chosen by the seed."""
    first, second = train_validation_split(*arrays.flat, fraction=fraction, seed=seed)
    return Arrays(arrays.form, list(first)), Arrays(arrays.form, list(second))


def source_of(
    owner: str,
    data: Any,
    batch_size: int,
    shuffle: bool = False,
    seed: int = 0,
    steps: int | None = None,
    shard: tuple[int, int] | None = None,
) -> Source:
    """Batches of anything that a trainer takes; of loaders, arrays and data sets the part of a rank."""
    if isinstance(data, Source):
        return data
    if not isinstance(data, Arrays) and are_arrays(data):
        data = of_arrays(owner, data)
    if isinstance(data, Arrays):
        if not data.samples:
            raise _C.ShapeError(f"{owner}: the arrays have no samples")
        loader = DataLoader(tuple(data.flat), batch_size, shuffle=shuffle, seed=seed)
        return Source(owner, loader, data.form, steps, shard)
    if isinstance(data, (DataLoader, list, Iterator)):
        return Source(owner, data, None, steps, shard)
    is_array = isinstance(data, (np.ndarray, _C.TensorBase))
    if isinstance(data, GeneratorDataset) or (
        hasattr(data, "__len__")
        and hasattr(data, "__getitem__")
        and not isinstance(data, (str, bytes))
        and not is_array
    ):
        return Source(owner, DataLoader(data, batch_size, shuffle=shuffle, seed=seed), None, steps, shard)
    if hasattr(data, "__iter__") and not isinstance(data, (str, bytes)) and not is_array:
        return Source(owner, data, None, steps)
    raise _C.ArgumentError(
        f"{owner}: data must be arrays (inputs, targets), a DataLoader, a data set or an iterable of batches; found "
        f"{type(data).__name__}"
    )
