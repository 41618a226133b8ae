"""DataParallel: the same model on all ranks, trained with the mean gradient of all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _C
from ..errors import DistributedError
from .agreement import check_same
from .random_streams import generators_of, separate_streams
from .replica import Replica
from .world import world

if TYPE_CHECKING:
    from ..nn.module import Module
    from ..optim.optimizer import Optimizer

__all__ = ["DataParallel"]

_END = -1  # the place of a rank that has ended its epoch


class DataParallel:
    """Keeps a model the same on all ranks: each computes gradients of its own samples, all make the update of the mean.

    For training loops of your own; :class:`tilegrad.train.Trainer` with ``distributed=True`` does all of it. At the
    start parameters and buffers are those of rank 0, and random generators (of dropout) draw other numbers on each
    rank. In a program of one process nothing is changed.

    Parameters
    ----------
    model, optimizer
        What is trained; made alike on all ranks.

    Raises
    ------
    ArgumentError
        If ranks differ in the names, shapes or dtypes of parameters and buffers, or in the optimizer.

    Examples
    --------
    The global batch is that of all ranks together; with ``shard`` a loader gives each rank its part of it.

    >>> import numpy as np, tilegrad as tg
    >>> model = tg.nn.Linear(2, 1)
    >>> optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    >>> replicas = tg.distributed.DataParallel(model, optimizer)
    >>> x, y = np.ones((10, 2), np.float32), np.ones((10, 1), np.float32)
    >>> shard = (tg.distributed.rank(), tg.distributed.size())
    >>> for inputs, targets in tg.data.DataLoader((x, y), batch_size=4, shuffle=True, shard=shard):
    ...     optimizer.zero_grad()
    ...     tg.mse_loss(model(inputs), targets).backward()
    ...     replicas.average_gradients(len(inputs))
    ...     optimizer.step()
    >>> optimizer.steps
    3
    """

    def __init__(self, model: Module, optimizer: Optimizer) -> None:
        self._world = world()
        self._steps = 0
        if self._world.comm is None:
            return
        self._replica = Replica(model, optimizer, self._world.comm)
        check_same(
            "DataParallel", self._replica.description(), "every rank must make the same model and the same optimizer"
        )
        self._replica.broadcast()
        separate_streams(generators_of(model))

    def average_gradients(self, samples: float) -> None:
        """Put the mean gradient over all ranks in place of this rank's, and so the running statistics.

        Called by all ranks as often, between ``backward()`` and the optimizer's ``step()``, outside of captured
        functions.

        Parameters
        ----------
        samples
            How many this rank's gradient is a mean over: the weight that it has in the mean, so that ranks with fewer
            samples count less. Of 0 the gradient does not count.

        Raises
        ------
        ArgumentError
            If ``samples`` is negative or not finite.
        DistributedError
            If another rank is elsewhere in the training.
        """
        if not 0 <= samples < float("inf"):
            raise _C.ArgumentError(f"average_gradients: samples must be from 0 up, found {samples}")
        self._exchange(float(samples), ())

    def _exchange(self, weight: float, notes: Sequence[float]) -> Any:
        """The same; returns the notes of all ranks, [size, notes]."""
        self._steps += 1
        if self._world.comm is None:
            return np.array([notes])
        present, counters = self._replica.presence(), self._replica.counters()
        told = self._meet(self._steps, [weight, *notes, *present, *(float(c.item()) for c in counters)])
        weights = told[:, 0]
        total = float(weights.sum())
        split = 1 + len(notes)
        somewhere = told[:, split : split + len(present)].any(axis=0)
        self._replica.add_up(weight / total if total else 1 / self._world.size, somewhere.tolist())
        for counter, largest in zip(counters, told[:, split + len(present) :].max(axis=0), strict=True):
            _C.fill_(counter, int(largest))
        return told[:, 1:split]

    def _weights(self, weight: float) -> list[float]:
        """Meet all ranks at a batch whose gradients will be accumulated; returns the weights of all."""
        found: list[float] = self._tell(self._steps + 0.5, [weight, 0.0])[:, 0].tolist()
        return found

    def _end(self, notes: Sequence[float]) -> Any:
        """Meet all ranks at the end of an epoch; returns the notes of all."""
        return self._tell(_END, notes)

    def _tell(self, place: float, notes: Sequence[float]) -> Any:
        """The notes of all ranks, [size, notes]."""
        # Of the length of an exchange's, so that a rank which is elsewhere can be told apart.
        rest = [0.0] * (1 + len(self._replica.presence()) + len(self._replica.counters()))
        return self._meet(place, [*notes, *rest])[:, : len(notes)]

    def _meet(self, place: float, numbers: Sequence[float]) -> Any:
        """The numbers of all ranks, [size, numbers], which must be at one place."""
        own = np.array([place, *numbers], np.float64)
        every = np.empty((self._world.size, len(own)))
        self._world.comm.Allgather(own, every)
        places = every[:, 0]
        if (places != places[0]).any():
            other = int(np.flatnonzero(places != places[0])[0])
            raise DistributedError(
                f"rank 0 is {_named(places[0])} and rank {other} {_named(places[other])}: all ranks need as many "
                "batches, and callbacks that stop a training must decide alike on all of them"
            )
        return every[:, 1:]


def _named(place: float) -> str:
    return "at the end of its epoch" if place == _END else f"at update {math.ceil(place)}"
