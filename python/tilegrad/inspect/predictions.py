"""What a model says about data: batches from whatever data there is, outputs, probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _C, ops
from ..autograd import no_grad
from ..data import DataLoader

if TYPE_CHECKING:
    from ..nn.module import Module
    from ..tensor import Tensor

__all__ = ["Judged", "batches", "evaluating", "judge", "probabilities"]

NDArray = np.ndarray[Any, Any]


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Inside, the model is in evaluation mode and makes no gradients; afterwards each layer has the mode it had."""
    modes = [(layer, layer.training) for layer in model.modules()]
    model.eval()
    try:
        with no_grad():
            yield
    finally:
        for layer, mode in modes:
            layer.training = mode


def batches(owner: str, data: Any, batch_size: int = 128, most: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs of inputs and targets, at most ``most`` samples in all, in the order in which the data has them.

    ``data`` is a pair of arrays, a data set or anything whose iteration gives batches; a loader goes on afterwards with
    the epoch that it would have begun.
    """
    epoch = getattr(data, "epoch", None)
    is_batches = isinstance(data, list) and all(isinstance(item, (tuple, list)) for item in data)
    if not is_batches and hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        data = DataLoader(data, batch_size)
    elif not hasattr(data, "__iter__"):
        raise _C.ArgumentError(
            f"{owner}: data must be arrays (inputs, targets), a data set or batches, found {type(data).__name__}"
        )
    left = most
    try:
        for batch in data:
            if not isinstance(batch, (tuple, list)) or len(batch) != 2:
                raise _C.ArgumentError(
                    f"{owner}: a batch must be a pair (inputs, targets), found {type(batch).__name__}"
                    + (f" of {len(batch)}" if isinstance(batch, (tuple, list)) else "")
                )
            x, y = (part if isinstance(part, _C.TensorBase) else ops.tensor(part) for part in batch)
            if left is not None and len(x) >= left:
                yield x[:left], y[:left]
                return
            yield x, y
            left = None if left is None else left - len(x)
    finally:
        if epoch is not None and type(epoch) is int and hasattr(data, "set_epoch"):
            data.set_epoch(epoch)


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
        If outputs are not [N, K] or labels not [N].
    """
    inputs, labels, found = [], [], []
    with evaluating(model):
        for x, y in batches(owner, data, batch_size, most):
            outputs = model(x)
            if outputs.ndim > 2 or y.size != len(x):
                raise _C.ShapeError(
                    f"{owner}: a classifier's outputs must be [N, classes] and its labels [N], found "
                    f"{list(outputs.shape)} and {list(y.shape)}"
                )
            inputs.append(x.numpy().copy())
            labels.append(y.numpy().reshape(-1).astype(np.int64))
            found.append(probabilities(outputs.numpy()))
    if not inputs:
        raise _C.ArgumentError(f"{owner}: there are no samples in the data")
    return Judged(np.concatenate(inputs), np.concatenate(labels), np.concatenate(found))
