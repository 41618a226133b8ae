"""Everything that is known of a run while it is examined."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import nn
from .probe import loss_of
from .sample import Sample
from .twin import is_finite, probing_mode, twin

if TYPE_CHECKING:
    from ...nn.module import Module
    from ...tensor import Tensor
    from ...train.batches import Batch
    from ..monitor import Monitor

__all__ = ["Case"]

# Samples for what is measured once: a share of units is within 5 % at two standard errors; of large inputs fewer.
LOOK, LOOK_BYTES = 512, 64 * 2**20


@dataclass
class Case:
    """A model, its data and its run."""

    model: Module
    """As it is now; never trained, never written to."""
    start: Module | None
    """As training begins with it; None where that is not known any more."""
    sample: Sample
    loss: Callable[..., Tensor]
    optimizer: Any
    history: Mapping[str, Sequence[float]]
    monitor: Monitor | None
    validation: Batch | None
    steps: int
    """How long training probes are."""
    found: list[str] = field(default_factory=list)
    """What has been diagnosed so far: later checks need not blame its consequences on something else."""

    @cached_property
    def look(self) -> Batch:
        """Some samples, chosen by chance."""
        size = sum(array.nbytes for array in self.sample.inputs) // max(1, self.sample.count)
        return self.sample.first(int(min(LOOK, max(16, LOOK_BYTES // max(1, size)))))

    @cached_property
    def is_finite(self) -> bool:
        """Whether all weights are, now."""
        return is_finite(self.current.parameters())

    @cached_property
    def current(self) -> Module:
        """A copy of the model as it is, in :func:`probing_mode`."""
        return probing_mode(twin(self.model))

    @cached_property
    def start_loss(self) -> float | None:
        """The loss with which training begins."""
        return None if self.start is None else loss_of(probing_mode(self.start), self.loss, self.look)

    def losses(self, name: str = "loss") -> np.ndarray[Any, Any]:
        """A column of the history; empty where there is none."""
        return np.asarray(list(self.history.get(name, ())), np.float64)

    @property
    def is_classifier(self) -> bool:
        """Whether the loss is the cross-entropy of classes."""
        return self.sample.labels is not None and isinstance(self.loss, (nn.CrossEntropyLoss, nn.NLLLoss))

    @cached_property
    def chance(self) -> float | None:
        """The loss of the best constant answer: the entropy of the labels, the variance of numbers; else unknown."""
        if self.is_classifier:
            _, counts = np.unique(np.asarray(self.sample.labels), return_counts=True)
            shares = counts / counts.sum()
            return float(-(shares * np.log(shares)).sum())
        if isinstance(self.loss, (nn.MSELoss, nn.BCEWithLogitsLoss, nn.BCELoss)) and len(self.sample.targets) == 1:
            target = self.sample.targets[0].astype(np.float64)
            if isinstance(self.loss, nn.MSELoss):
                return float(target.var(axis=0).mean())
            share = np.clip(target.mean(axis=0), 1e-12, 1 - 1e-12)
            return float(-(share * np.log(share) + (1 - share) * np.log(1 - share)).mean())
        return None
