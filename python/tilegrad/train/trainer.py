"""Trainer: the training loop, with a progress bar and a history."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _C, ops
from ..autograd import no_grad
from ..capture import capture as captured
from ..data.loader import DataLoader
from ..tensor import Tensor

if TYPE_CHECKING:
    from ..nn.module import Module

__all__ = ["Trainer"]

Metric = Callable[[Tensor, Tensor], float]
History = dict[str, list[float]]


def accuracy(output: Tensor, target: Tensor) -> float:
    """The share of samples whose largest output [..., C] is at their label [...]."""
    return float((output.detach().numpy().argmax(-1) == target.numpy()).mean())


METRICS: dict[str, Metric] = {"accuracy": accuracy}


class Trainer:
    """Trains a model, evaluates it, and predicts with it.

    Parameters
    ----------
    model
        Takes a batch of inputs.
    loss
        ``loss(output, target)``, a scalar tensor.
    optimizer
        Of the model's parameters.
    metrics
        ``"accuracy"``, or functions ``(output, target) -> float``; reported as means over samples.
    capture
        Whether steps are recorded and replayed (:func:`tilegrad.capture`): the same bits without the time that Python
        takes. Model and loss must not look at values then. The trainer's model, loss and optimizer are those of its
        making; it must not be given others.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> x = np.float32([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> y = np.int64([0, 0, 0, 1])
    >>> model = tg.nn.Sequential(tg.nn.Linear(2, 2))
    >>> optimizer = tg.optim.Adam(model.parameters(), lr=0.1)
    >>> trainer = tg.train.Trainer(model, tg.nn.CrossEntropyLoss(), optimizer, metrics=["accuracy"])
    >>> history = trainer.fit((x, y), epochs=100, verbose=0)
    >>> trainer.evaluate((x, y))["accuracy"]
    1.0
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[..., Tensor],
        optimizer: Any,
        metrics: Sequence[Any] = (),
        capture: bool = False,
    ) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self._update, self._judge = self._update_on, self._judge_on
        if capture:
            self._update, self._judge = captured(self._update_on), captured(self._judge_on)
        self.metrics: dict[str, Metric] = {}
        for metric in metrics:
            if isinstance(metric, str) and metric not in METRICS:
                raise _C.ArgumentError(f"Trainer: metric {metric!r} is none of {', '.join(METRICS)}; give a function")
            self.metrics[metric if isinstance(metric, str) else metric.__name__] = METRICS.get(metric, metric)

    def fit(
        self,
        data: Any,
        epochs: int = 1,
        batch_size: int = 32,
        validation_data: Any = None,
        seed: int = 0,
        verbose: int = 1,
    ) -> History:
        """Train for a number of passes over the data.

        Parameters
        ----------
        data
            Arrays ``(inputs, targets)``, which are shuffled, or a :class:`tilegrad.data.DataLoader`, which is used as
            it is.
        epochs
            The number of passes.
        batch_size
            For arrays.
        validation_data
            As ``data``; evaluated after each epoch.
        seed
            Of the shuffle, for arrays.
        verbose
            0 for silence, 1 for a progress bar (of the package tqdm, if it is installed), 2 for one line per epoch.

        Returns
        -------
        dict
            A list with one value per epoch for ``"loss"``, each metric, ``"val_..."`` of each, and
            ``"samples_per_second"`` of the training.
        """
        loader = _loader(data, batch_size, shuffle=True, seed=seed)
        history: History = {}
        for epoch in range(epochs):
            self.model.train()
            means = _Means()
            start = time.perf_counter()
            with _progress(loader, f"epoch {epoch + 1}/{epochs}", verbose) as bar:
                for x, y in bar:
                    means.add(self._step(x, y), len(x))
                    bar.show(means.values())
                seconds = time.perf_counter() - start
                results = means.values()
                if validation_data is not None:
                    found = self.evaluate(validation_data, batch_size)
                    results.update({f"val_{name}": value for name, value in found.items()})
                self.optimizer.observe(results)
                bar.show(results)
            results["samples_per_second"] = means.count / seconds if seconds > 0 else 0.0
            for name, value in results.items():
                history.setdefault(name, []).append(value)
        return history

    def _step(self, x: Tensor, y: Tensor) -> dict[str, float]:
        """One update; the loss and metrics of its batch before it."""
        return self._measure(y, *self._update(x, y))

    def _update_on(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """One update; the output and the loss before it."""
        self.optimizer.zero_grad()
        output = self.model(x)
        loss = self.loss(output, y)
        loss.backward()
        self.optimizer.step()
        return output, loss

    def _judge_on(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The output and the loss."""
        output = self.model(x)
        return output, self.loss(output, y)

    def _measure(self, y: Tensor, output: Tensor, loss: Tensor) -> dict[str, float]:
        return {"loss": loss.item(), **{name: metric(output, y) for name, metric in self.metrics.items()}}

    def evaluate(self, data: Any, batch_size: int = 256) -> dict[str, float]:
        """The mean loss and metrics over arrays ``(inputs, targets)`` or a loader, in evaluation mode."""
        means = _Means()
        with _Evaluating(self.model):
            for x, y in _loader(data, batch_size):
                means.add(self._measure(y, *self._judge(x, y)), len(x))
        return means.values()

    def predict(self, x: Any, batch_size: int = 256) -> Tensor:
        """The model's outputs for an array of inputs, in evaluation mode."""
        with _Evaluating(self.model):
            outputs = [self.model(batch).numpy() for batch in DataLoader(x, batch_size)]
        if not outputs:
            raise _C.ShapeError("predict: there are no inputs")
        return ops.tensor(np.concatenate(outputs))


class _Evaluating(no_grad):
    """Evaluation mode without gradients; afterwards the mode that was before."""

    def __init__(self, model: Module) -> None:
        self._model = model

    def __enter__(self) -> None:
        super().__enter__()
        self._was_training = self._model.training
        self._model.eval()

    def __exit__(self, *error: Any) -> None:
        self._model.train(self._was_training)
        super().__exit__(*error)


class _Means:
    """Means over samples of what is known per batch."""

    def __init__(self) -> None:
        self.count = 0
        self._sums: dict[str, float] = {}

    def add(self, values: dict[str, float], count: int) -> None:
        self.count += count
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value * count

    def values(self) -> dict[str, float]:
        return {name: total / self.count for name, total in self._sums.items()}


class _Progress:
    """Batches, with what is known so far shown beside them."""

    def __init__(self, batches: Iterable[Any], title: str, bar: Any, line: bool) -> None:
        self._batches, self._title, self._bar, self._line, self._text = batches, title, bar, line, ""

    def __iter__(self) -> Iterator[Any]:
        for batch in self._batches:
            yield batch
            if self._bar is not None:
                self._bar.update()

    def show(self, values: dict[str, float]) -> None:
        self._text = ", ".join(f"{name} {value:.4f}" for name, value in values.items())
        if self._bar is not None:
            self._bar.set_postfix_str(self._text, refresh=False)

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._line and error[0] is None:
            print(f"{self._title}: {self._text}", flush=True)


def _progress(loader: Any, title: str, verbose: int) -> _Progress:
    bar = None
    if verbose == 1:
        with suppress(ImportError):
            bar = import_module("tqdm").tqdm(total=len(loader), desc=title, unit="batch")
    return _Progress(loader, title, bar, line=verbose > 0)


def _loader(data: Any, batch_size: int, shuffle: bool = False, seed: int = 0) -> Any:
    return data if isinstance(data, DataLoader) else DataLoader(data, batch_size, shuffle=shuffle, seed=seed)
