"""Averages of weights over training: exponential (EMA) and stochastic (SWA)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _C, ops
from ..autograd import no_grad
from ..capture import capture
from ..nn.module import Module
from ..numbers import check_count
from .batch_statistics import has_batch_norm, kept_statistics, update_batch_norm
from .callback import Callback
from .placement import on_host

if TYPE_CHECKING:
    from ..tensor import Tensor
    from .trainer import Trainer

__all__ = ["EMA", "SWA"]


class _Average(Callback):
    """What the two have in common: averages of a model's floating tensors, and bringing them into the model."""

    _with_buffers = False

    def __init__(self, model: Module | None, apply_at_end: bool, validate: bool) -> None:
        self.apply_at_end, self.validate = apply_at_end, validate
        self.count = 0
        """How often weights were added."""
        self._averages: dict[str, Any] = {}
        self._current: dict[str, Tensor] = {}  # the model's own, whose memory stays where it is
        self._model: Module | None = None
        self._is_swapped = self._is_restored = False
        self._shares: dict[str, Tensor] = {}  # of the weights in the next update, by dtype
        if model is not None:
            self._begin(model)

    def _begin(self, model: Module) -> None:
        """Start from the model's weights as they are."""
        if not isinstance(model, Module):
            raise _C.ArgumentError(f"{type(self).__name__}: model must be a module, found {type(model).__name__}")
        self._model, self.count, self._is_swapped = model, 0, False
        found: dict[str, Any] = dict(model.named_parameters())
        if self._with_buffers:
            found.update(model.named_buffers())
        self._current = {path: tensor.detach() for path, tensor in found.items() if tensor.dtype.is_floating}
        self._averages = {path: _C.copy(tensor) for path, tensor in self._current.items()}
        # What the captured call reads, so that it needs no arguments.
        self._shares = {t.dtype.name: _C.full((), 0.0, t.dtype, t.device) for t in self._current.values()}
        self._blend_all = capture(self._blended)

    def _the_model(self) -> Module:
        if self._model is None:
            raise _C.ArgumentError(
                f"{type(self).__name__}: there is no model yet: make it with one, or give it to fit as a callback"
            )
        return self._model

    def _blend(self, share: float) -> None:
        """``average += share * (weight - average)`` for all tensors."""
        for tensor in self._shares.values():
            _C.fill_(tensor, share)
        self._blend_all()
        self.count += 1

    @no_grad()
    def _blended(self) -> None:
        for average, tensor in zip(self._averages.values(), self._current.values(), strict=True):
            average.add_((tensor - average) * self._shares[tensor.dtype.name])

    def swap(self) -> None:
        """Exchange the model's weights and the averages; twice is as never."""
        self._the_model()
        for path, tensor in self._current.items():
            own = _C.copy(tensor)
            _C.copy_into(self._averages[path], tensor)
            _C.copy_into(own, self._averages[path])
        self._is_swapped = not self._is_swapped

    @contextmanager
    def swapped(self) -> Iterator[Module]:
        """Within its block the model has the averages; afterwards its own weights again."""
        self.swap()
        try:
            yield self._the_model()
        finally:
            self.swap()

    def apply(self) -> None:
        """Write the averages into the model, for good."""
        self._the_model()
        for path, tensor in self._current.items():
            _C.copy_into(self._averages[path], tensor)

    def averages(self) -> dict[str, Tensor]:
        """Copies of the averages by path, as in a state dict."""
        return {path: _C.copy(tensor) for path, tensor in self._averages.items()}

    @property
    def writes_at_end(self) -> str | None:
        """``apply_at_end`` does."""
        return "apply_at_end=False" if self.apply_at_end else None

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Start from the model's weights, or go on from the averages of the checkpoint."""
        averages, count = self._averages, self.count
        self._begin(trainer.model)
        if self._is_restored:
            for path, average in averages.items():
                _C.copy_into(average, self._averages[path])
            self.count, self._is_restored = count, False

    def on_validation_begin(self, trainer: Trainer) -> None:
        """Bring the averages in, if they are to be validated."""
        if self.validate and self.count:
            self.swap()

    def on_validation_end(self, trainer: Trainer) -> None:
        """Bring the model's own weights back."""
        if self._is_swapped:
            self.swap()

    def on_fit_end(self, trainer: Trainer) -> None:
        """Write the averages into the model, unless ``apply_at_end`` is false."""
        if self.apply_at_end and self.count:
            self.apply()

    def state(self) -> dict[str, Any]:
        """The averages, and of how many."""
        return {"count": self.count, "averages": {path: np.array(on_host(t)) for path, t in self._averages.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` returned."""
        self._averages = {path: ops.tensor(np.asarray(array)) for path, array in state["averages"].items()}
        self.count, self._is_restored = state["count"], True


class EMA(_Average):
    """The exponential moving average of a model's weights and running statistics.

    After every update of the model, ``average = decay * average + (1 - decay) * weight``. The average is often better
    than the weights, because it has less of the noise of the last batches.

    As a callback of :meth:`Trainer.fit` it follows the training and at the end writes the averages into the model. By
    itself it is made with the model, and :meth:`update` is called after the optimizer's step.

    Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control Optim. 1992;
    Tarvainen and Valpola, "Mean teachers are better role models", NeurIPS 2017.

    Parameters
    ----------
    model
        Not needed as a callback.
    decay
        From 0 to below 1. It remembers about ``1 / (1 - decay)`` updates.
    warmup
        Whether the first updates count more: in the n-th, from 0, ``decay`` is at most ``(1 + n) / (10 + n)``.
    every
        How many of the optimizer's updates lie between two of the average's.
    apply_at_end
        Whether the model has the averages after the fit. Of the callbacks that write weights at the end (as
        :class:`EarlyStopping` does) a fit takes one; without it :meth:`apply` writes the averages afterwards.
    validate
        Whether the validation of each epoch is of the averages.

    Examples
    --------
    >>> import tilegrad as tg
    >>> model = tg.nn.Linear(1, 1, bias=False)
    >>> with tg.no_grad():
    ...     _ = model.weight.fill_(0.0)
    >>> ema = tg.train.EMA(model, decay=0.75, warmup=False)
    >>> with tg.no_grad():
    ...     _ = model.weight.fill_(1.0)
    >>> ema.update()
    >>> with ema.swapped():
    ...     print(model.weight.item())
    0.25
    >>> model.weight.item()
    1.0
    """

    _with_buffers = True

    def __init__(
        self,
        model: Module | None = None,
        decay: float = 0.999,
        warmup: bool = True,
        every: int = 1,
        apply_at_end: bool = True,
        validate: bool = False,
    ) -> None:
        if not isinstance(decay, (int, float)) or not 0 <= decay < 1:
            raise _C.ArgumentError(f"EMA: decay must be from 0 to below 1, found {decay!r}")
        check_count("EMA", "every", every)
        self.decay, self.warmup, self.every = decay, warmup, every
        self._seen = 0  # the optimizer's updates
        super().__init__(model, apply_at_end, validate)

    def update(self) -> None:
        """Add the model's weights as they are now."""
        self._the_model()
        decay = min(self.decay, (1 + self.count) / (10 + self.count)) if self.warmup else self.decay
        self._blend(1 - decay)

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Start from the model's weights, or go on from the averages of the checkpoint."""
        super().on_fit_begin(trainer)
        self._seen = trainer.optimizer.steps

    def on_step_end(self, trainer: Trainer, step: int, results: Mapping[str, float]) -> None:
        """Add the weights, if they were updated."""
        self._follow(trainer)

    def on_validation_begin(self, trainer: Trainer) -> None:
        """Bring the averages in, if they are to be validated."""
        self._follow(trainer)
        super().on_validation_begin(trainer)

    def on_epoch_end(self, trainer: Trainer, epoch: int, results: dict[str, float]) -> None:
        """Add the weights after the update of what the epoch left over of accumulated batches."""
        self._follow(trainer)

    def _follow(self, trainer: Trainer) -> None:
        steps = trainer.optimizer.steps
        if steps != self._seen and steps % self.every == 0:
            self.update()
        self._seen = steps


class SWA(_Average):
    """Stochastic weight averaging: the mean of the weights after each of the last epochs.

    With a learning rate that stays high (or cycles) these weights lie around a wide minimum, and their mean near its
    middle. The running statistics of batch normalisation do not belong to the mean; they are found anew with the
    training data (:func:`update_batch_norm`).

    As a callback of :meth:`Trainer.fit` it follows the training and at the end writes the means into the model. By
    itself it is made with the model, and :meth:`update` is called after epochs.

    Source: Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI 2018.

    Parameters
    ----------
    model
        Not needed as a callback.
    start
        The number of the first epoch, from 0, whose weights count.
    every
        How many epochs lie between two that count.
    apply_at_end
        Whether the model has the means after the fit. Of the callbacks that write weights at the end (as
        :class:`EarlyStopping` does) a fit takes one; without it :meth:`apply` writes the means afterwards.
    validate
        Whether the validation of each epoch is of the means; with batch normalisation each then takes a pass over the
        training data.

    Examples
    --------
    >>> import tilegrad as tg
    >>> model = tg.nn.Linear(1, 1, bias=False)
    >>> swa = tg.train.SWA(model)
    >>> for value in (1.0, 2.0, 6.0):
    ...     with tg.no_grad():
    ...         _ = model.weight.fill_(value)
    ...     swa.update()
    >>> swa.apply()
    >>> model.weight.item()
    3.0
    """

    def __init__(
        self,
        model: Module | None = None,
        start: int = 0,
        every: int = 1,
        apply_at_end: bool = True,
        validate: bool = False,
    ) -> None:
        for name, value, least in (("start", start, 0), ("every", every, 1)):
            if type(value) is not int or value < least:
                raise _C.ArgumentError(f"SWA: {name} must be an integer from {least}, found {value!r}")
        self.start, self.every = start, every
        self._statistics: Any = None
        super().__init__(model, apply_at_end, validate)

    def update(self) -> None:
        """Add the model's weights as they are now."""
        self._the_model()
        if self.count:
            self._blend(1 / (self.count + 1))
        else:  # the first exactly
            for path, tensor in self._current.items():
                _C.copy_into(tensor, self._averages[path])
            self.count = 1

    def on_validation_begin(self, trainer: Trainer) -> None:
        """Bring the means in, with statistics of their own, if they are to be validated."""
        super().on_validation_begin(trainer)
        if self._is_swapped and has_batch_norm(trainer.model):
            self._statistics = kept_statistics(trainer.model)
            update_batch_norm(trainer.model, trainer.data)

    def on_validation_end(self, trainer: Trainer) -> None:
        """Bring the model's own weights and statistics back."""
        super().on_validation_end(trainer)
        if self._statistics is not None:
            trainer.model.load_state_dict(self._statistics, strict=False)
            self._statistics = None

    def on_epoch_end(self, trainer: Trainer, epoch: int, results: dict[str, float]) -> None:
        """Add the weights, if it is time."""
        if epoch >= self.start and (epoch - self.start) % self.every == 0:
            self.update()

    def on_fit_end(self, trainer: Trainer) -> None:
        """Write the means into the model, unless ``apply_at_end`` is false, and find its statistics anew."""
        super().on_fit_end(trainer)
        if self.apply_at_end and self.count and has_batch_norm(trainer.model):
            update_batch_norm(trainer.model, trainer.data)
