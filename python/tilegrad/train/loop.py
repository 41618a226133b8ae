"""Loop: the epochs of one fit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..random import default_generator
from .batches import Batch, Source
from .callback import Callbacks
from .interrupts import Interrupts
from .progress import Progress
from .totals import Results, arrays, numbers

if TYPE_CHECKING:
    from ..tensor import Tensor
    from .trainer import Trainer

__all__ = ["Loop"]


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
        Weights of the classes [C], or None.
    callbacks
        What is called.
    verbose
        As of fit.
    """

    def __init__(
        self,
        trainer: Trainer,
        source: Source,
        epochs: int,
        validation: Source | None,
        classes: Tensor | None,
        callbacks: Callbacks,
        verbose: int,
    ) -> None:
        self.trainer, self.source, self.epochs, self.validation = trainer, source, epochs, validation
        self.classes, self.callbacks, self.verbose = classes, callbacks, verbose
        self.epoch = self.batch = self.step = 0
        self._step = trainer._step
        self._totals = trainer._step.training
        self._guards = callbacks.watching_finiteness()
        self._unfinished = 0  # batches whose gradients wait for an update
        self._interrupts = Interrupts()
        self._totals.clear()

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
            try:
                self._run_batches(progress)
            except KeyboardInterrupt:
                trainer.stop("interrupted")
            if self._unfinished:
                self._step.update()
                self._unfinished = 0
            seconds = time.perf_counter() - start
            found = self._totals.results()
            results, kept = numbers(found), arrays(found)
            if self.validation is not None:
                self.callbacks.call("on_validation_begin", trainer)
                judged = trainer.evaluate(self.validation)
                self.callbacks.call("on_validation_end", trainer)
                results.update({f"val_{name}": value for name, value in numbers(judged).items()})
                kept.update({f"val_{name}": value for name, value in arrays(judged).items()})
            if results:
                trainer.optimizer.observe(results)
            results["samples_per_second"] = (self._totals.count - before) / seconds if seconds > 0 else 0.0
            self.callbacks.call("on_epoch_end", trainer, self.epoch, results)
            trainer.history.add(self.epoch, results, kept)
            shown = {name: value for name, value in results.items() if name != "samples_per_second"}
            progress.end(shown, trainer.stop_reason or "")
        finally:
            progress.close()
        self.epoch, self.batch = self.epoch + 1, 0
        self._totals.clear()

    def _run_batches(self, progress: Progress) -> None:
        trainer = self.trainer
        for batch in self.source.epoch(self.epoch, self.batch):
            self._run_batch(batch)
            results = Results(lambda: numbers(self._totals.results()))
            self.callbacks.call("on_step_end", trainer, self.step, results)
            self.batch, self.step = self.batch + 1, self.step + 1
            progress.step(results)
            if self._interrupts.pending:
                trainer.stop("interrupted")
            if trainer.stop_reason is not None:
                break

    def _run_batch(self, batch: Batch) -> None:
        """One step; in two halves where somebody looks at it in between."""
        is_first, is_last = self._unfinished == 0, self._unfinished + 1 == self.trainer.accumulate
        inspecting = self.callbacks.inspecting(self.step)
        if self._guards is None and inspecting is None:
            self._step.train(batch, self.classes, is_first, is_last)
        else:
            random = default_generator.state() if self._guards is not None else None
            self._step.gradients(batch, self.classes, is_first, eager=inspecting is not None)
            if self._guards is not None and not self._step.is_finite() and self._stops_at(batch, random):
                return
            if inspecting is not None:
                inspecting.call("on_gradients", self.trainer, self.step, batch)
            if is_last:
                self._step.update(eager=inspecting is not None)
            if inspecting is not None:
                inspecting.call("on_updated", self.trainer, self.step, batch)
        self._unfinished = 0 if is_last else self._unfinished + 1

    def _stops_at(self, batch: Batch, random: Any) -> bool:
        """Whether a step whose loss or gradients are not finite ends here: the guards are told why."""
        raise NotImplementedError
