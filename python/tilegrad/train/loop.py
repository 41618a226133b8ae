"""Loop: the epochs of one fit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .batches import Batch, Source
from .callback import Callbacks
from .diagnosis import Before, diagnose
from .interrupts import Interrupts
from .placement import device_of, on_device
from .progress import Progress
from .ranks import ALONE, Alone
from .totals import Results, Totals, arrays, numbers

if TYPE_CHECKING:
    from .keeper import Keeper
    from .trainer import Trainer
    from .weighting import ClassWeights

__all__ = ["INTERRUPTED", "Loop"]

INTERRUPTED = "interrupted"


class Loop:
    """Where a fit is, and what brings it to its end.

    Parameters
    ----------
    trainer
        Whose model is trained.
    source
        Of the batches.
    epochs
        How many.
    validation
        Of the batches that are evaluated after each epoch, or None.
    classes
        Weights of the classes, or None.
    callbacks
        What is called.
    verbose
        As of fit.
    keeper
        Of checkpoints, or None.
    ranks
        The processes that train together.
    """

    def __init__(
        self,
        trainer: Trainer,
        source: Source,
        epochs: int,
        validation: Source | None,
        classes: ClassWeights | None,
        callbacks: Callbacks,
        verbose: int,
        keeper: Keeper | None = None,
        ranks: Alone = ALONE,
    ) -> None:
        self.trainer, self.source, self.epochs, self.validation = trainer, source, epochs, validation
        self.callbacks, self._keeper, self.ranks = callbacks, keeper, ranks
        self.verbose = verbose if ranks.is_main else 0
        self._device = device_of(trainer.model)
        self.classes = on_device(classes, self._device)
        self.epoch = self.batch = self.step = 0
        self._step = trainer._step
        self._totals = trainer._step.training
        self._guards = callbacks.watching_finiteness()
        self._before = Before(trainer.model) if self._guards is not None else None
        self._unfinished = 0  # batches whose gradients wait for an update
        self._interrupts = Interrupts()
        self._arrays: dict[str, Any] = {}  # the epoch's results that are no numbers
        self._totals.clear()

    @property
    def is_interrupted(self) -> bool:
        """Whether the fit ends because of Ctrl-C."""
        return self.trainer.stop_reason == INTERRUPTED

    @property
    def _is_pending(self) -> bool:
        """Whether somebody interrupts; of several ranks, what all know of all."""
        return self._interrupts.pending if self.ranks.size == 1 else self.ranks.interrupted

    def run(self) -> None:
        """All epochs that are left."""
        trainer = self.trainer
        with self._interrupts:
            self.callbacks.call("on_fit_begin", trainer)
            while self.epoch < self.epochs and trainer.stop_reason is None:
                self._run_epoch()
            self.callbacks.call("on_fit_end", trainer)

    def _run_epoch(self) -> None:
        trainer = self.trainer
        trainer.model.train()
        self.callbacks.call("on_epoch_begin", trainer, self.epoch)
        title = f"epoch {self.epoch + 1}/{self.epochs}"
        progress = Progress(title, self.source.length, self.verbose, self.batch)
        start, before = time.perf_counter(), self._totals.count
        try:
            self._train_epoch(progress)
            seconds = time.perf_counter() - start
            totals = self.ranks.joined(self._totals)
            if not totals.count:  # interrupted at its very beginning
                return
            results = self._results(totals)
            rate = (self._totals.count - before) / seconds if seconds > 0 else 0.0
            results["samples_per_second"] = sum(self.ranks.gather(rate))
            self.callbacks.call("on_epoch_end", trainer, self.epoch, results)
            trainer.history.add(self.epoch, results, self._arrays)
            shown = {name: value for name, value in results.items() if name != "samples_per_second"}
            progress.end(shown, trainer.stop_reason or "")
        finally:
            progress.close()
        self.epoch, self.batch = self.epoch + 1, 0
        self._totals.clear()
        if self._keeper is not None:
            self._keeper.end_epoch(self, results)
        if self._is_pending:
            trainer.stop(INTERRUPTED)

    def _train_epoch(self, progress: Progress) -> None:
        """The epoch's batches, or those before somebody stops it."""
        try:
            self._run_batches(progress)
            if self._unfinished:
                self._average()
                self._step.update_early(self._unfinished)
                self._unfinished = 0
            self.ranks.end_epoch(self._interrupts.pending)
            if self.is_interrupted and self._keeper is not None:
                self._keeper.keep(self)
        except KeyboardInterrupt:  # not from the keyboard, or the second: a step may be half done
            if self.ranks.size > 1:  # the others would wait
                raise
            self.trainer.stop(INTERRUPTED)
            self._unfinished = 0

    def _results(self, totals: Totals) -> dict[str, float]:
        """Numbers of the epoch and of its validation; arrays are put aside."""
        found = totals.results()
        if self.validation is not None:
            self.callbacks.call("on_validation_begin", self.trainer)
            judged = self.ranks.joined(self.trainer._judge(self.validation)).results()
            self.callbacks.call("on_validation_end", self.trainer)
            found.update({f"val_{name}": value for name, value in judged.items()})
        results, self._arrays = numbers(found), arrays(found)
        self.trainer.optimizer.observe(results)
        return results

    def _run_batches(self, progress: Progress) -> None:
        trainer = self.trainer
        for batch in self.source.epoch(self.epoch, self.batch):
            self._run_batch(on_device(batch, self._device))
            self.batch, self.step = self.batch + 1, self.step + 1
            results = Results(lambda: numbers(self._totals.results()))
            self.callbacks.call("on_step_end", trainer, self.step - 1, results)
            progress.step(results)
            if self._keeper is not None and not self._unfinished:
                self._keeper.step(self)
            if self._is_pending and not self._unfinished:
                trainer.stop(INTERRUPTED)
            if trainer.stop_reason is not None:
                break

    def _run_batch(self, batch: Batch) -> None:
        """One step; in two halves where somebody looks at it in between."""
        is_first, is_last = self._unfinished == 0, self._unfinished + 1 == self.trainer.accumulate
        inspecting = self.callbacks.inspecting(self.step)
        if self._before is None and inspecting is None and self.ranks.size == 1:
            self._step.train(batch, self.classes, is_first, is_last)
        else:
            if self._before is not None and (is_first or self.ranks.size == 1):
                self._before.keep()
            share = self.ranks.share(self._step, batch)
            self._step.gradients(batch, self.classes, is_first, inspecting is not None, share)
            if is_last:
                self._average()
            if self._before is not None and not self._is_finite(is_last):
                self._refuse(batch, self._before)
                return
            if inspecting is not None:
                inspecting.call("on_gradients", self.trainer, self.step, batch)
            if is_last:
                self._step.update(eager=inspecting is not None)
            if inspecting is not None:
                inspecting.call("on_updated", self.trainer, self.step, batch)
        self._unfinished = 0 if is_last else self._unfinished + 1

    def _average(self) -> None:
        self.ranks.average(self._step, self._interrupts.pending, watches=self._before is not None)

    def _is_finite(self, is_last: bool) -> bool:
        """Whether the loss and gradients are; of several ranks, when their gradients are joined."""
        if self.ranks.size == 1:
            return self._step.is_finite()
        return not is_last or (self.ranks.losses_are_finite and self._step.is_finite(of_all=True))

    def _refuse(self, batch: Batch, before: Before) -> None:
        """Leave out the update of a step whose loss or gradients are not finite, and tell why."""
        before.restore()
        samples = self.source.rows(self.epoch, self.batch)
        finding = self.ranks.finding(
            lambda: diagnose(self._step, batch, self.classes, self.step, samples) if batch.samples else None
        )
        before.restore()
        self.trainer.optimizer.zero_grad()
        self._unfinished = 0
        assert self._guards is not None
        assert finding is not None
        self._guards.call("on_not_finite", self.trainer, finding)
