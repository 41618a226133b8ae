"""Trainer: trains a model, evaluates it, and predicts with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _C, ops
from ..numbers import check_count
from ..structure import replace, tensors_in
from .batches import Source, are_arrays, of_arrays, source_of, split
from .callback import Callback, Callbacks
from .evaluation import Evaluating
from .history import History
from .keeper import keeper_of
from .loop import Loop
from .metrics import as_metric
from .placement import device_of, on_device, on_host
from .predicting import batches_of_inputs
from .probabilities import activation_of, metric_options, to_probabilities
from .ranks import ranks_of
from .step import Step
from .totals import Totals
from .weighting import adds_up, class_weights, ignored_label

if TYPE_CHECKING:
    from pathlib import Path

    from ..nn.module import Module
    from ..tensor import Tensor

__all__ = ["Trainer"]


class Trainer:
    """Trains a model, evaluates it, and predicts with it.

    Parameters
    ----------
    model
        Takes a batch of inputs.
    loss
        ``loss(output, target)``, a scalar tensor.
    optimizer
        Of the model's parameters. It clips gradients if it was made with ``clip_norm`` or ``clip_value``.
    metrics
        Names (``"accuracy"``, ``"f1"``, ...), whose metrics are made to suit the loss; metrics of
        :mod:`tilegrad.train.metrics`; both are computed inside the step. Or functions ``(output, target) -> float``,
        whose means over samples are reported; they are called outside the captured step.
    capture
        Whether steps are recorded and replayed (:func:`tilegrad.capture`): the same bits without the time that Python
        takes. Model and loss must not look at values then. The trainer's model, loss and optimizer are those of its
        making; it must not be given others.
    penalty
        ``penalty(model)``, a scalar tensor that is added to the loss for the gradients: see
        :mod:`tilegrad.optim.penalties`. The losses that are reported are without it, so that those of training and
        validation can be compared.
    accumulate
        The number of batches whose gradients are averaged for one update: as a batch of all of them, in less memory.
        What an epoch's end leaves over makes an update too, of the mean over as many.
    distributed
        Whether all processes that ``mpirun`` started train together: each with its part of every batch, from rank 0's
        weights, with the mean gradient of all, so that ``batch_size`` is that of each. Only rank 0 prints and writes
        files. In a program that was started without mpirun it changes nothing.

    Attributes
    ----------
    history
        Of the last (or current) fit.
    stop_reason
        Why the last fit ended before its last epoch, or None.
    run_folder
        Where the last (or current) fit keeps its checkpoints and history, or None.
    data
        What the last (or current) fit trains with, in a form that :meth:`evaluate` takes.

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
        penalty: Callable[[Module], Tensor] | None = None,
        accumulate: int = 1,
        distributed: bool = False,
    ) -> None:
        for name, value, needed, form in (
            ("model", model, "named_parameters", "a module"),
            ("loss", loss, "__call__", "a function or layer of (output, target), such as nn.CrossEntropyLoss()"),
            ("optimizer", optimizer, "groups", "an optimizer, such as tg.optim.Adam(model.parameters())"),
        ):
            if isinstance(value, type) or not hasattr(value, needed):
                found = f"the class {value.__name__}" if isinstance(value, type) else repr(value)[:80]
                raise _C.ArgumentError(f"Trainer: {name} must be {form}, found {found}")
        if isinstance(metrics, str) or not isinstance(metrics, Sequence):
            raise _C.ArgumentError(f"Trainer: metrics must be a list, found {metrics!r}")
        check_count("Trainer", "accumulate", accumulate)
        self.model, self.loss, self.optimizer, self.accumulate = model, loss, optimizer, accumulate
        options = metric_options(loss)
        self.metrics = [as_metric(metric, options) for metric in metrics]
        twice = [name for name, count in Counter(m.name for m in self.metrics).items() if count > 1 or name == "loss"]
        if twice:
            raise _C.ArgumentError(f"Trainer: two metrics are called {twice[0]!r}; give one another name")
        self.history = History()
        self.stop_reason: str | None = None
        self.run_folder: Path | None = None
        self.data: Any = None
        self._ranks = ranks_of(distributed)
        if self._ranks.size > 1 and adds_up(loss):
            raise _C.ArgumentError(
                'Trainer: distributed=True averages over all samples, and the loss has reduction="sum"; make it with '
                'reduction="mean"'
            )
        self._step = Step(model, loss, optimizer, self.metrics, penalty, accumulate, capture)

    def fit(
        self,
        data: Any,
        epochs: int = 1,
        batch_size: int = 32,
        validation_data: Any = None,
        validation_split: float = 0.0,
        class_weight: Any = None,
        sample_weight: Any = None,
        callbacks: Sequence[Callback] = (),
        seed: int = 0,
        verbose: int = 1,
        checkpoint: Any = None,
        resume: bool = False,
        checkpoint_every: int | None = None,
        steps_per_epoch: int | None = None,
    ) -> History:
        """Train for a number of passes over the data.

        Ctrl-C lets the step finish and ends the epoch: it is evaluated, its means are in the history, and ``fit``
        returns. A second Ctrl-C breaks the step off, with which the epoch ends likewise; outside of steps, as in the
        validation, it raises KeyboardInterrupt.

        Parameters
        ----------
        data
            Arrays ``(inputs, targets)`` or ``(inputs, targets, sample weights)``, or a data set, which are shuffled; a
            :class:`tilegrad.data.DataLoader`, which is used as it is; or any iterable of such batches. Inputs may be a
            tuple of arrays, the model's arguments, or a dict, its named arguments. A generator can be read once, so it
            is for one epoch, or for ``steps_per_epoch``.
        epochs
            The number of passes.
        batch_size
            For arrays.
        validation_data
            As ``data``; evaluated after each epoch, so that a generator is for one epoch.
        validation_split
            The fraction of samples, of arrays, that are not trained with but evaluated after each epoch: chosen at
            random, by the seed. Either this or ``validation_data``.
        class_weight
            Factors of the losses of samples by their class: a dict from labels, 1 for those it lacks, or a number for
            each class; ``"balanced"`` makes all classes count alike.
        sample_weight
            Factors of the losses of samples, for arrays. The mean loss is ``sum(weight * loss) / samples``, as in
            Keras, over the samples that count: the loss divides by what it divides by without these weights, where it
            has an ``ignore_index`` or class weights of its own. Metrics count every sample once.
        callbacks
            What is called on the way: :class:`tilegrad.train.EarlyStopping` and others, or your own.
        seed
            Of the shuffle and the split, for arrays.
        verbose
            0 for silence, 1 for a progress bar (of the package tqdm, if it is installed), 2 for one line per epoch.
        checkpoint
            A folder that the run is kept in: ``history.csv``, ``run.json`` (architecture, arguments and environment),
            and in ``checkpoints`` the whole state after each epoch; or a :class:`tilegrad.train.CheckpointFolder`. One
            run at a time uses it.
        resume
            Whether to go on from the newest checkpoint, if there is one. Everything must be given as to the run that
            wrote it; the end has the same bits as if it had never stopped, for any number of threads. Otherwise a
            folder with checkpoints is refused.
        checkpoint_every
            Also keep the state after every so many batches: an unfinished epoch then goes on where it was. After Ctrl-C
            it is always kept.
        steps_per_epoch
            The number of batches that are an epoch, for iterables without an end.

        Returns
        -------
        History
            A list with one value per epoch for ``"loss"``, each metric, ``"val_..."`` of each, and
            ``"samples_per_second"`` of the training.

        Raises
        ------
        ArgumentError, ShapeError, DTypeError
            If an argument does not fit; it is named.
        """
        for name, value, least in (("epochs", epochs, 0), ("batch_size", batch_size, 1)):
            if type(value) is not int or value < least:
                found = repr(value)
                if hasattr(value, "shape") or isinstance(value, (list, tuple)):
                    found = f"{type(value).__name__}; inputs and targets are one argument: fit((x, y))"
                raise _C.ArgumentError(f"fit: {name} must be an integer from {least}, found {found}")
        if steps_per_epoch is not None and (type(steps_per_epoch) is not int or steps_per_epoch < 1):
            raise _C.ArgumentError(
                f"fit: steps_per_epoch must be a positive integer or None, found {steps_per_epoch!r}"
            )
        if verbose not in (0, 1, 2):
            raise _C.ArgumentError(f"fit: verbose must be 0, 1 or 2, found {verbose!r}")
        ranks = self._ranks
        called = Callbacks(callbacks, ranks.is_main)
        arrays = of_arrays("fit", data, sample_weight) if are_arrays(data) else None
        if arrays is None and sample_weight is not None:
            raise _C.ArgumentError(
                "fit: sample_weight is for arrays; let the loader give batches (inputs, targets, sample weights)"
            )
        validation = self._validation(validation_data, batch_size)
        if validation is not None and validation.is_once and epochs > 1:
            raise _C.ArgumentError(
                f"fit: validation_data can be read once, and {epochs} epochs need it as often; give arrays, a list or "
                "a DataLoader"
            )
        if validation_split:
            if validation is not None:
                raise _C.ArgumentError("fit: give validation_data or validation_split, not both")
            if arrays is None or not 0 < validation_split < 1:
                raise _C.ArgumentError(
                    f"fit: validation_split must be a fraction below 1 of arrays, found {validation_split!r} of "
                    f"{type(data).__name__}"
                )
            samples = arrays.samples
            arrays, kept = split(arrays, validation_split, seed)
            if not arrays.samples or not kept.samples:
                raise _C.ArgumentError(
                    f"fit: validation_split {validation_split} of {samples} samples leaves {arrays.samples} to train "
                    f"with and {kept.samples} to evaluate; both need one at least"
                )
            validation = source_of("fit: validation_split", kept, batch_size, shard=ranks.shard)
        labels = None if arrays is None else arrays.flat[_target_place(arrays.form)]
        classes = class_weights(class_weight, labels, ignored_label(self.loss))
        source = source_of(
            "fit", data if arrays is None else arrays, batch_size, True, seed, steps_per_epoch, ranks.shard
        )
        keeper = keeper_of(checkpoint, resume, checkpoint_every, ranks)
        self.history, self.stop_reason, self.data = History(), None, source.whole()
        self.run_folder = None if keeper is None else keeper.run_folder.path
        loop = Loop(self, source, epochs, validation, classes, called, verbose, keeper, ranks)
        arguments = {
            "epochs": epochs, "batch_size": batch_size, "validation_split": validation_split, "seed": seed,
            "class_weight": class_weight, "data": source.state(), "callbacks": [type(c).__name__ for c in called],
            "accumulate": self.accumulate,
        }  # fmt: skip
        ranks.begin(self.model, self.optimizer, {**arguments, "checkpoint_every": checkpoint_every})
        with ranks, keeper or nullcontext():
            if keeper is not None:
                keeper.begin(loop, arguments)
            loop.run()
        return self.history

    def _validation(self, data: Any, batch_size: int) -> Source | None:
        shard = self._ranks.shard
        return None if data is None else source_of("fit: validation_data", data, batch_size, shard=shard)

    def stop(self, reason: str) -> None:
        """End the fit after the current step; the epoch is ended properly.

        Parameters
        ----------
        reason
            Why, in a few words: it is shown, and becomes ``stop_reason``.
        """
        self.stop_reason = reason

    def evaluate(self, data: Any, batch_size: int = 256) -> dict[str, Any]:
        """The mean loss and metrics over data, in evaluation mode.

        A rank of a distributed program evaluates what it is given by itself, so that one may do it alone.

        Parameters
        ----------
        data
            In any form that :meth:`fit` takes, with at least one sample; its sample weights are factors of the losses
            too.
        batch_size
            For arrays and data sets.

        Returns
        -------
        dict
            ``"loss"`` and each metric, by name: numbers, or arrays where a metric is one.

        Raises
        ------
        ArgumentError, ShapeError, DTypeError
            If the data do not fit.
        """
        return self._judge(source_of("evaluate", data, batch_size)).results()

    def _judge(self, source: Source) -> Totals:
        """The sums over data."""
        totals, device = self._step.judging, device_of(self.model)
        totals.clear()
        with Evaluating(self.model):
            for batch in source.epoch(0):
                self._step.judge(on_device(batch, device))
        return totals

    def predict(self, x: Any, batch_size: int = 256) -> Any:
        """The model's outputs, in evaluation mode: a tensor, or a tuple, list or dict of them, as the model returns.

        Parameters
        ----------
        x
            An array of inputs; a tuple or dict of arrays, which are the model's arguments; or a data set, a DataLoader
            or another iterable of batches, of which the inputs are taken.
        batch_size
            For arrays and data sets.

        Returns
        -------
        Tensor, or a tuple, list or dict
            The outputs [N, ...] of all batches, joined, on the CPU and without gradients.

        Raises
        ------
        ShapeError
            If there are no inputs.
        ArgumentError
            If ``x`` is something else.
        """
        parts: list[list[Any]] = []  # of every batch, the arrays of its outputs
        output, device = None, device_of(self.model)
        with Evaluating(self.model):
            for inputs in batches_of_inputs("predict", x, batch_size):
                output = self._step.forward(on_device(inputs, device))
                parts.append([on_host(tensor) for tensor in tensors_in(output)])
        if not parts:
            raise _C.ShapeError("predict: there are no inputs")
        whole = (ops.tensor(np.concatenate(arrays)) for arrays in zip(*parts, strict=True))
        return replace(output, _is_tensor, lambda _: next(whole))

    def predict_proba(self, x: Any, batch_size: int = 256, activation: str | None = None) -> Any:
        """Probabilities: the model's outputs, each of them, through the function that its loss goes with.

        Parameters
        ----------
        x, batch_size
            As of :meth:`predict`.
        activation
            ``"softmax"`` (as with CrossEntropyLoss), ``"sigmoid"`` (BCEWithLogitsLoss), ``"exp"`` (NLLLoss) or
            ``"identity"`` (BCELoss); None for that of the trainer's loss.

        Returns
        -------
        Tensor, or a tuple, list or dict
            As of :meth:`predict`.

        Raises
        ------
        ArgumentError
            If the loss says nothing about probabilities and ``activation`` is not given.

        Examples
        --------
        >>> import numpy as np, tilegrad as tg
        >>> model = tg.nn.Sequential(tg.nn.Linear(2, 3, bias=False))
        >>> trainer = tg.train.Trainer(model, tg.nn.CrossEntropyLoss(), tg.optim.SGD(model.parameters(), lr=0.1))
        >>> trainer.predict_proba(np.zeros((1, 2), np.float32))
        tensor([[0.33333334, 0.33333334, 0.33333334]])
        """
        chosen = activation or activation_of(self.loss)
        return replace(self.predict(x, batch_size), _is_tensor, lambda output: to_probabilities(output, chosen))


def _is_tensor(value: Any) -> bool:
    """Whether it is one, not a structure of several."""
    return isinstance(value, _C.TensorBase)


def _target_place(form: Any) -> int:
    """Where the targets' first array is in the flat list: behind those of the inputs."""
    inputs = form[0]
    return len(inputs) if isinstance(inputs, (tuple, dict)) else 1
