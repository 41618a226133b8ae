"""The doctor: examines a model, its data and its run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _C, nn
from ...train import Trainer
from .case import Case
from .finding import Findings
from .of_data import input_range, order
from .of_history import over_fitting, under_fitting
from .of_layers import gradients, units
from .of_rate import rate
from .of_start import first_loss, ten_samples
from .probe import loss_of
from .sample import Sample, validation_sample
from .twin import as_new, probing_mode, randomness_kept, twin

if TYPE_CHECKING:
    from ...nn.module import Module
    from ...tensor import Tensor
    from ..monitor import Monitor

__all__ = ["doctor"]

_CHECKS = (input_range, order, first_loss, ten_samples, rate, gradients, units, over_fitting, under_fitting)


def doctor(
    model: Module | Trainer,
    data: Any,
    history: Mapping[str, Sequence[float]] | None = None,
    *,
    loss: Callable[..., Tensor] | None = None,
    optimizer: Any = None,
    monitor: Monitor | None = None,
    validation_data: Any = None,
    batch_size: int = 32,
    steps: int = 60,
    seed: int = 0,
) -> Findings:
    """Looks for what is wrong with a training, and says what to try.

    It reads a part of the data and tries things out on copies of the model: what the loss is at the start, whether ten
    samples can be learnt by heart, what smaller and larger rates lead to, how gradients come back through the layers,
    which units are stuck; and it reads the curves. The model, its optimizer, the data's position and all random states
    are afterwards what they were before.

    Parameters
    ----------
    model
        Before or after training; or a :class:`tilegrad.train.Trainer`, of which model, loss, optimizer and, if it has
        trained, history are taken.
    data
        What it is trained with: anything that ``Trainer.fit`` takes. At most 4,096 samples are read.
    history
        What ``fit`` returned; with it the model counts as trained, and its start is made again by its constructor.
    loss
        ``loss(output, target)``; by default the cross-entropy for whole numbers as targets, else the mean square.
    optimizer
        The one in use, for its kind, options and rate (of a schedule the largest). Without it rates are judged by the
        curve alone.
    monitor
        Of the run, if there was one.
    validation_data
        As ``data``; used where the history has no ``"val_loss"``.
    batch_size
        For arrays.
    steps
        How long each trial of a learning rate is.
    seed
        Of all trials.

    Returns
    -------
    Findings
        A list of :class:`Finding` that prints as text, causes before consequences; empty where nothing is wrong. The
        diagnoses are those of :data:`DIAGNOSES`.

    Raises
    ------
    ArgumentError, ShapeError, DTypeError
        If model and data do not fit, as training itself would say.

    Notes
    -----
    Every threshold stands beside its reason in the sources, ``tilegrad/inspect/diagnosis``. Trials take the time of a
    few hundred small training steps.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> x = np.random.default_rng(0).uniform(0, 255, (256, 20)).astype(np.float32)
    >>> y = (x[:, 0] > x[:, 1]).astype(np.int64)
    >>> model = tg.nn.Sequential(tg.nn.Linear(20, 16), tg.nn.ReLU(), tg.nn.Linear(16, 2))
    >>> findings = tg.inspect.doctor(model, (x, y))
    >>> findings[0].diagnosis, findings[0].severity
    ('wrong input range', 'error')
    >>> print(findings[0].advice)
    these look like bytes: divide by 255, or subtract the mean and divide by the deviation
    """
    if isinstance(model, Trainer):
        trainer = model
        model, loss = trainer.model, trainer.loss if loss is None else loss
        optimizer = trainer.optimizer if optimizer is None else optimizer
        history = trainer.history if history is None else history
    if not isinstance(model, nn.Module):
        raise _C.ArgumentError(f"doctor: expected a Module or a Trainer, found {type(model).__name__}")
    if type(steps) is not int or steps < 10:
        raise _C.ArgumentError(f"doctor: steps must be an integer from 10 up, found {steps!r}")
    if history is not None and not isinstance(history, Mapping):
        raise _C.ArgumentError(f"doctor: history must map names to lists, found {type(history).__name__}")
    known = {id(parameter) for layer in model.modules() for parameter in vars(layer).values()}
    if optimizer is not None and not any(id(p) in known for group in optimizer.groups for p in group.parameters):
        raise _C.ArgumentError("doctor: the optimizer has no parameter of this model; give the one that trains it")
    history = {} if history is None else history
    with randomness_kept(seed):
        sample = Sample(data, batch_size, seed)
        is_trained = bool(len(history.get("loss", ()))) or getattr(optimizer, "steps", 0) > 0
        case = Case(
            model,
            None,
            sample,
            _loss_for(sample) if loss is None else loss,
            optimizer,
            history,
            monitor,
            validation_sample(validation_data, batch_size),
            steps,
        )
        loss_of(case.current, case.loss, sample.first(2))  # also makes parameters of which sizes are left out
        start = as_new(case.current) if is_trained else twin(case.current)
        case.start = None if start is None else probing_mode(start)
        findings = Findings()
        with np.errstate(all="ignore"):
            for check in _CHECKS:
                found = list(check(case))
                findings.extend(found)
                case.found += [finding.diagnosis for finding in found]
    return Findings(findings)


def _loss_for(sample: Sample) -> Callable[..., Tensor]:
    if sample.labels is not None:
        return nn.CrossEntropyLoss()
    if len(sample.targets) == 1 and sample.targets[0].dtype.kind == "f":
        return nn.MSELoss()
    raise _C.ArgumentError("doctor: these targets need a loss: give loss=")
