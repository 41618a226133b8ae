"""Step: one batch through model, loss, gradients and optimizer, as it is or as a captured program."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .. import _C, ops
from ..autograd import no_grad
from ..capture import capture as captured
from ..capture import depends_on
from .evaluation import call
from .metrics import Metric
from .metrics.base import Function
from .placement import on_host
from .totals import Totals
from .weighting import labels_that_count, mean_of_some, per_sample, weighted_loss

if TYPE_CHECKING:
    from ..nn.module import Module
    from ..tensor import Tensor
    from .batches import Batch
    from .weighting import ClassWeights

__all__ = ["Step"]


class Step:
    """What is done with a batch. Everything is computed by launches; nothing reads a value.

    Parameters
    ----------
    model, loss, optimizer
        As of the trainer.
    metrics
        For the totals of training and of evaluation.
    penalty
        ``penalty(model)``, added to the loss before the gradients are computed; or None.
    accumulate
        The number of batches whose gradients are averaged for an update.
    capture
        Whether steps are recorded and replayed.
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[..., Tensor],
        optimizer: Any,
        metrics: Sequence[Metric | Function],
        penalty: Callable[[Module], Tensor] | None,
        accumulate: int,
        capture: bool,
    ) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.training, self.judging = Totals(metrics), Totals(metrics)
        self.accumulate, self._penalty = accumulate, penalty
        self._is_of_some = mean_of_some(loss)
        self._loss: Tensor | None = None  # of the last batch
        self._norm: Tensor = _C.full((2,), 0.0, _C.float64, optimizer.groups[0]._rate.device)
        run: Callable[..., Any] = captured if capture else _as_it_is
        self._run, self._half, self._finish = run(self._whole), run(self._gradients), run(self._update)
        self._check, self._judge = run(self._measure_gradients), run(self._judged)
        self.forward = run(self.forward_eagerly)
        """The model's output for inputs in the form of a batch."""

    # A step of training.

    def train(self, batch: Batch, classes: ClassWeights | None, is_first: bool, is_last: bool) -> None:
        """The whole step: gradients, added to those of an unfinished update unless it is the first batch of one, and
        the update after the last.
        """
        self._count(batch, *self._run(batch, classes, is_first, is_last))

    def gradients(
        self, batch: Batch, classes: ClassWeights | None, is_first: bool, eager: bool, share: float | None = None
    ) -> None:
        """The step up to the gradients, times ``share``; of no samples, which a rank's part of a batch may have, or a
        share of 0 they are zero.
        """
        if not batch.samples or share == 0:
            self._loss = None
            if is_first:
                self.optimizer.zero_grad()
            return
        # As a number it would be baked into a captured step.
        factor = None if share is None else _C.full((), share, _C.float64, self._norm.device)
        self._count(batch, *(self._gradients if eager else self._half)(batch, classes, is_first, factor))

    def update(self, eager: bool = False) -> None:
        """The rest of it."""
        (self._update if eager else self._finish)()

    def update_early(self, batches: int) -> None:
        """The update after fewer batches than are accumulated: of the mean over these."""
        with no_grad():
            for gradient in self._present_gradients():
                gradient.mul_(self.accumulate / batches)
        self.update()

    def is_finite(self, of_all: bool = False) -> bool:
        """Whether the loss and all gradients are, after :meth:`gradients`; of all ranks, the gradients alone."""
        self._check()
        return math.isfinite(on_host(self._norm)[0]) and (of_all or self.loss_is_finite())

    def loss_is_finite(self) -> bool:
        """Whether the loss of the last batch is."""
        return self._loss is None or math.isfinite(self._loss.item())

    def weight_of(self, batch: Batch) -> float:
        """What the mean loss of a batch was divided by: its weight in a mean with others."""
        counted = self._counted(batch) if batch.samples else None
        return float(batch.samples) if counted is None else float(counted.item())

    def _whole(self, batch: Batch, classes: ClassWeights | None, is_first: bool, is_last: bool) -> Any:
        found = self._gradients(batch, classes, is_first)
        if is_last:
            self._update()
        return found

    def _gradients(
        self, batch: Batch, classes: ClassWeights | None, is_first: bool, share: Tensor | None = None
    ) -> Any:
        if is_first:
            self.optimizer.zero_grad()
        output = self.forward_eagerly(batch.inputs)
        loss = self.loss_of(output, batch, classes)
        whole = self.whole_loss(loss)
        (whole if share is None else whole * ops.astype(share, whole.dtype)).backward()
        with no_grad():
            self.training.add(loss, output, batch.target, batch.samples, self._counted(batch))
        return loss.detach(), output if self.training.functions else None

    def _update(self) -> None:
        self.optimizer.step()

    def _measure_gradients(self) -> None:
        depends_on(self.optimizer._settings)  # on which parameters are frozen
        _C.gradient_norm(self._norm, self._present_gradients(), math.inf)

    def _present_gradients(self) -> list[Tensor]:
        return [p.grad for group in self.optimizer.groups for p in group.parameters if p.grad is not None]

    def _count(self, batch: Batch, loss: Tensor, output: Any) -> None:
        self._loss = loss
        self.training.count += batch.samples
        self.training.add_functions(output, batch.target, batch.samples)

    def loss_of(self, output: Any, batch: Batch, classes: ClassWeights | None = None) -> Tensor:
        """The loss of a batch, with the weights of its samples and classes."""
        if batch.weight is None and classes is None:
            loss = self.loss(output, batch.target)
        else:
            loss = weighted_loss(per_sample(self.loss), output, batch, classes)
        if not isinstance(loss, _C.TensorBase) or loss.ndim:
            found = list(loss.shape) if isinstance(loss, _C.TensorBase) else type(loss).__name__
            raise _C.ShapeError(f"Trainer: loss must return one number, a tensor of no axes; found {found}")
        return loss

    def _counted(self, batch: Batch) -> Tensor | None:
        """What the mean loss of the batch was divided by, where that is not the number of its samples."""
        return labels_that_count(per_sample(self.loss), batch.target) if self._is_of_some else None

    def whole_loss(self, loss: Tensor) -> Tensor:
        """What gradients are of: the loss with the penalty, a share of the mean over the batches of an update."""
        whole = loss if self._penalty is None else loss + self._penalty(self.model)
        return whole if self.accumulate == 1 else whole * (1 / self.accumulate)

    def forward_eagerly(self, inputs: Any) -> Any:
        """The same, never captured."""
        return call(self.model, inputs)

    # Evaluation.

    def judge(self, batch: Batch) -> None:
        """Add a batch to the totals of evaluation."""
        if not batch.samples:
            return
        output = self._judge(batch)
        self.judging.count += batch.samples
        self.judging.add_functions(output, batch.target, batch.samples)

    def _judged(self, batch: Batch) -> Any:
        output = self.forward_eagerly(batch.inputs)
        self.judging.add(self.loss_of(output, batch), output, batch.target, batch.samples, self._counted(batch))
        return output if self.judging.functions else None


def _as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    return function
