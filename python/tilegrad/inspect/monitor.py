"""Monitor: looks inside the steps of a training run, now and then."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import _C, ops
from ..io.atomic import write_atomically
from ..train import Callback
from ..train.placement import on_host
from .activity import Activity
from .records import Inspection, LayerStatistics, to_json
from .statistics import ActivationStatistics, ParameterStatistics, histogram, norm

if TYPE_CHECKING:
    from ..tensor import Tensor
    from .tensorboard import SummaryLog

__all__ = ["Monitor", "series_of"]


class Monitor(Callback):
    """Collects what goes on inside a model while it is trained.

    In every inspected step: for each parameter its norm, the norm of its gradient, the ratio of its update to it, and
    histograms of both; for each layer mean, deviation and histogram of what it returned, and the shares of dead ReLU
    units and of saturated tanh and sigmoid units; the loss. A captured step is inspected by running it eagerly, which
    gives the same bits.

    Parameters
    ----------
    every
        Steps whose number is a multiple of it are inspected.
    budget
        The share of the training time that may be spent on looking: a step is inspected later than ``every`` says
        where the steps are so short that it would cost more. The first is always inspected. None: exactly those of
        ``every``, whatever it costs.
    activations
        Whether layers are watched; without, inspected steps cost less.
    most
        How many inspections are kept: when there are more, every second one is dropped and ``every`` doubled.
    log
        Where inspections are written besides, as they are made: a :class:`SummaryLog`, for TensorBoard.

    Attributes
    ----------
    inspections : list of Inspection
        From the first to the last.
    every : int
        The steps between two inspections, now.

    Notes
    -----
    Not inspected steps cost the two calls of the callback. Where the trainer has a run folder, ``monitor.json`` in it
    holds the inspections.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> x = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    >>> y = (x[:, 0] > 0).astype(np.int64)
    >>> model = tg.nn.Sequential(tg.nn.Linear(4, 8), tg.nn.ReLU(), tg.nn.Linear(8, 2))
    >>> trainer = tg.train.Trainer(model, tg.nn.CrossEntropyLoss(), tg.optim.SGD(model.parameters(), lr=0.1))
    >>> monitor = tg.inspect.Monitor(every=4, budget=None)
    >>> history = trainer.fit((x, y), epochs=4, batch_size=16, verbose=0, callbacks=[monitor])
    >>> [inspection.step for inspection in monitor.inspections]
    [0, 4, 8, 12]
    >>> steps, ratios = monitor.series("update_ratio")["0"]
    >>> all(1e-4 < ratio < 1e-1 for ratio in ratios)
    True
    """

    main_only = True

    def __init__(
        self,
        every: int = 100,
        budget: float | None = 0.02,
        activations: bool = True,
        most: int = 256,
        log: SummaryLog | None = None,
    ) -> None:
        for name, value, least in (("every", every, 1), ("most", most, 2)):
            if type(value) is not int or value < least:
                raise _C.ArgumentError(f"Monitor: {name} must be an integer from {least} up, found {value!r}")
        if budget is not None and not (isinstance(budget, (int, float)) and 0 < budget <= 1):
            raise _C.ArgumentError(f"Monitor: budget must be above 0 and at most 1, or None, found {budget!r}")
        self.every, self.budget, self.activations, self.most, self.log = every, budget, activations, most, log
        self.inspections: list[Inspection] = []
        self._due = 0
        self._epoch = 0
        self._model: Any = None
        self._activity: Activity | None = None
        self._seen: dict[str, ActivationStatistics] = {}
        self._found: dict[str, tuple[Tensor, ParameterStatistics]] = {}
        self._clock = _Clock()
        self._is_written = True
        self._is_restored = False
        self._first_every = every

    # The callback.

    def on_fit_begin(self, trainer: Any) -> None:
        """Learn to know the model; begin anew, unless an earlier run goes on."""
        self._model = trainer.model
        self._clock = _Clock()
        if not self._is_restored:
            self.inspections, self.every, self._due = [], self._first_every, 0
        self._is_restored = False

    def on_epoch_begin(self, trainer: Any, epoch: int) -> None:
        """Note the epoch."""
        self._epoch = epoch

    def inspects(self, step: int) -> bool:
        """Whether this step is inspected; watches the layers then."""
        self._clock.begin()
        if step < self._due or not self._clock.affords(self.budget):
            return False
        self._clock.inspecting = True
        self._due = (step // self.every + 1) * self.every
        self._stop_watching()
        self._seen, self._found = {}, {}
        if self.activations:
            self._activity = Activity(self._model, self._see).__enter__()
        return True

    def _see(self, name: str, kind: str, output: Tensor) -> None:
        self._seen[name] = ActivationStatistics.of(kind, on_host(output))

    def _stop_watching(self) -> None:
        if self._activity is not None:
            self._activity.stop()
            self._activity = None

    def on_gradients(self, trainer: Any, step: int, batch: Any) -> None:
        """Look at the gradients, and keep the weights as they are before the update."""
        self._stop_watching()
        for path, parameter in self._model.named_parameters():
            weights = parameter.detach()
            values = on_host(weights)
            gradient = on_host(parameter.grad) if parameter.grad is not None and parameter.requires_grad else None
            self._found[path] = (
                ops.copy(weights),
                ParameterStatistics(
                    norm(values),
                    None if gradient is None else norm(gradient),
                    None,
                    histogram(values),
                    None if gradient is None else histogram(gradient),
                ),
            )

    def on_updated(self, trainer: Any, step: int, batch: Any) -> None:
        """Compare the weights with those before the update."""
        parameters: dict[str, ParameterStatistics] = {}
        has_moved = False
        for path, parameter in self._model.named_parameters():
            before, found = self._found[path]
            ratio = None
            if found.gradient_norm is not None and found.norm > 0:
                ratio = norm(on_host(parameter.detach() - before)) / found.norm
                has_moved |= ratio != 0
            parameters[path] = replace(found, update_ratio=ratio)
        self._found = {}
        if not has_moved and getattr(trainer, "accumulate", 1) > 1:  # the update comes after a later batch
            parameters = {path: replace(found, update_ratio=None) for path, found in parameters.items()}
        self._keep(Inspection(step, self._epoch, None, parameters, self._seen))

    def _keep(self, inspection: Inspection) -> None:
        self.inspections.append(inspection)
        self._is_written = False
        if len(self.inspections) > self.most:
            self.inspections = self.inspections[::2]
            self.every *= 2
            self._due = (inspection.step // self.every + 1) * self.every

    def on_step_end(self, trainer: Any, step: int, results: Mapping[str, float]) -> None:
        """Note the loss of an inspected step, and the time that it took."""
        if self.inspections and self.inspections[-1].step == step and self.inspections[-1].loss is None:
            last = self.inspections[-1]
            self.inspections[-1] = last = replace(last, loss=results.get("loss"))
            if self.log is not None:
                self.log.add_inspection(last)
        self._clock.end()

    def on_epoch_end(self, trainer: Any, epoch: int, results: dict[str, float]) -> None:
        """Write ``monitor.json``, where time allows."""
        if self._clock.affords(self.budget):
            self._write(trainer)

    def on_fit_end(self, trainer: Any) -> None:
        """Write ``monitor.json``."""
        self._stop_watching()
        self._write(trainer)

    def _write(self, trainer: Any) -> None:
        folder = getattr(trainer, "run_folder", None)
        if folder is not None and not self._is_written:
            start = time.perf_counter()
            self.save(Path(folder) / "monitor.json")
            self._clock.spent += time.perf_counter() - start
            self._is_written = True

    def state(self) -> dict[str, Any]:
        """The inspections, for a checkpoint."""
        return {"every": self.every, "due": self._due, "inspections": [found.tree() for found in self.inspections]}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state` returned."""
        self.every, self._due = int(state["every"]), int(state["due"])
        self.inspections = [Inspection.of_tree(tree) for tree in state["inspections"]]
        self._is_restored = True

    # What was found.

    @property
    def overhead(self) -> float:
        """The share of the time of all steps since the last ``fit`` began that was spent on looking."""
        return self._clock.spent / self._clock.total if self._clock.total > 0 else 0.0

    def series(self, name: str) -> dict[str, tuple[list[int], list[float]]]:
        """One number over the steps, by layer.

        Parameters
        ----------
        name
            ``"norm"``, ``"gradient_norm"`` or ``"update_ratio"``, by layer; ``"mean"``, ``"std"``, ``"dead"`` or
            ``"saturated"`` of what layers returned.

        Returns
        -------
        dict
            By layer, the steps and the values; layers without that number are left out.

        Raises
        ------
        ArgumentError
            If there is no such number.
        """
        return series_of(self.inspections, name)

    def losses(self) -> tuple[list[int], list[float]]:
        """The steps that were inspected and the loss that the trainer showed there."""
        known = [(found.step, found.loss) for found in self.inspections if found.loss is not None]
        return [step for step, _ in known], [loss for _, loss in known]

    def save(self, path: str | Path) -> None:
        """Write the inspections as JSON.

        Parameters
        ----------
        path
            The file, which is replaced; its folder must be there. Numbers that JSON has no form for are the texts
            ``"nan"``, ``"inf"`` and ``"-inf"``.
        """
        write_atomically(path, [to_json(self.inspections).encode()])

    def __repr__(self) -> str:
        return f"Monitor(every={self.every}, inspections={len(self.inspections)})"


_OF_OUTPUTS = ("mean", "std", "dead", "saturated")


def series_of(inspections: Iterable[Inspection], name: str) -> dict[str, tuple[list[int], list[float]]]:
    """See :meth:`Monitor.series`."""
    known = (*LayerStatistics._fields, *_OF_OUTPUTS)
    if name not in known:
        raise _C.ArgumentError(f"Monitor.series: expected one of {', '.join(known)}; found {name!r}")
    found: dict[str, tuple[list[int], list[float]]] = {}
    for inspection in inspections:
        parts: dict[str, Any] = inspection.activations if name in _OF_OUTPUTS else inspection.layers()
        for layer, statistics in parts.items():
            value = getattr(statistics, name)
            if value is not None:
                steps, values = found.setdefault(layer, ([], []))
                steps.append(inspection.step)
                values.append(value)
    return found


class _Clock:
    """How long steps take, and how much longer those that are inspected."""

    def __init__(self) -> None:
        self.total = 0.0
        """Of all steps, from the callback's first call to its last."""
        self.spent = 0.0
        self.inspecting = False
        self._start = 0.0
        self._least = float("inf")  # of a step that nobody looks at
        self._pending: list[float] = []  # inspected steps before there was another to compare with
        self._last_cost = 0.0
        self._is_after = False

    def begin(self) -> None:
        self._start = time.perf_counter()

    def affords(self, budget: float | None) -> bool:
        """Whether looking once more, at the price of the last time, keeps within the budget."""
        if budget is None or (self.total == 0 and self.spent == 0):
            return True
        return not self._pending and self.spent + self._last_cost <= budget * self.total

    def end(self) -> None:
        seconds = time.perf_counter() - self._start
        self.total += seconds
        if self.inspecting:
            self._pending.append(seconds)
        elif self._is_after:
            # A captured step is checked anew after a look; that belongs to its price.
            self._pending.append(seconds)
        else:
            self._least = min(self._least, seconds)
            if self._pending:
                self._last_cost = sum(max(0.0, taken - self._least) for taken in self._pending)
                self.spent += self._last_cost
                self._pending.clear()
        self._is_after, self.inspecting = self.inspecting, False
