"""What a model says about data: batches from whatever data there is, outputs, probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _C, ops
from ..data import DataLoader
from ..nn.parameter import Parameter
from ..structure import replace
from ..train.batches import Batch, first_of, source_of
from ..train.evaluation import Evaluating
from ..train.placement import on_device, on_host

if TYPE_CHECKING:
    from ..nn.module import Module

__all__ = ["Judged", "batches", "call", "device", "judge", "probabilities"]

NDArray = np.ndarray[Any, Any]


def call(model: Module, inputs: Any) -> Any:
    """The model's output for the inputs of a batch: a tensor, a tuple of arguments or a dict of named ones.

    On the model's device.
    """
    inputs = on_device(inputs, device(model))
    if isinstance(inputs, tuple):
        return model(*inputs)
    return model(**inputs) if isinstance(inputs, Mapping) else model(inputs)


def device(model: Module) -> str:
    """The device of the first parameter that there is; of a model that is not built yet, too."""
    values = (value for layer in model.modules() for value in vars(layer).values())
    return next((value.device for value in values if isinstance(value, Parameter)), "cpu")


def batches(owner: str, data: Any, batch_size: int = 128, most: int | None = None) -> Iterator[Batch]:
    """Batches of anything that :meth:`Trainer.fit` takes, in its order, of at most ``most`` samples in all.

    A loader goes on afterwards where it was.
    """
    source = source_of(owner, data, batch_size)
    loader = source.batches
    state: Any = loader.state() if hasattr(loader, "state") else getattr(loader, "epoch", None)
    left = most
    try:
        for batch in source.epoch(0):
            if left is not None and batch.samples >= left:
                yield Batch(*[_first(part, left) for part in batch])
                return
            yield batch
            left = None if left is None else left - batch.samples
    finally:
        if hasattr(loader, "restore"):
            loader.restore(state)
        elif isinstance(loader, DataLoader):
            loader.set_epoch(state)


def _first(value: Any, count: int) -> Any:
    """The first samples of every tensor in a part of a batch."""
    return replace(value, lambda item: isinstance(item, _C.TensorBase), lambda tensor: tensor[:count])


def probabilities(outputs: NDArray) -> NDArray:
    """Probabilities [N, K] from a classifier's outputs, in float64.

    [N, K] are logits, unless each row is positive and sums to 1 already; [N] or [N, 1] are logits of the second of two
    classes, unless all are within 0 and 1.
    """
    z = outputs.astype(np.float64)
    if z.ndim == 1 or z.shape[-1] == 1:
        z = z.reshape(-1)
        if len(z) and (z.min() < 0 or z.max() > 1):
            z = np.exp(-np.logaddexp(0, -z))
        return np.stack([1 - z, z], axis=1)
    if len(z) and z.min() >= 0 and np.allclose(z.sum(-1), 1, atol=1e-3):
        return z
    z = np.exp(z - z.max(axis=-1, keepdims=True))
    shares: NDArray = z / z.sum(axis=-1, keepdims=True)
    return shares


class Judged(NamedTuple):
    """A classifier's answers for data."""

    inputs: NDArray
    labels: NDArray
    """[N], int64."""
    probabilities: NDArray
    """[N, K]."""

    @property
    def predicted(self) -> NDArray:
        """The most probable class of each sample, int64 [N]."""
        found: NDArray = self.probabilities.argmax(axis=1)
        return found


def judge(owner: str, model: Module, data: Any, batch_size: int = 256, most: int | None = None) -> Judged:
    """What a classifier says about data, in evaluation mode.

    Raises
    ------
    ShapeError
        If outputs are not [N, K], or labels neither [N] nor rows [N, K], of which the largest counts.
    """
    inputs, labels, found = [], [], []
    with Evaluating(model):
        for batch in batches(owner, data, batch_size, most):
            outputs, x, y = call(model, batch.inputs), first_of(batch.inputs), batch.target
            if y.ndim == 2 and y.shape == outputs.shape and y.shape[1] > 1:  # one-hot or soft labels
                y = ops.argmax(y, axis=1)
            if outputs.ndim > 2 or y.size != len(x):
                raise _C.ShapeError(
                    f"{owner}: a classifier's outputs must be [N, classes] and its labels [N], found "
                    f"{list(outputs.shape)} and {list(y.shape)}"
                )
            inputs.append(on_host(x).copy())
            labels.append(on_host(y).reshape(-1).astype(np.int64))
            found.append(probabilities(on_host(outputs)))
    return Judged(np.concatenate(inputs), np.concatenate(labels), np.concatenate(found))
