"""Callback: what is called on the way through training, and the list that calls them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import _C

if TYPE_CHECKING:
    from .batches import Batch
    from .diagnosis import Finding
    from .trainer import Trainer

__all__ = ["Callback"]

State = dict[str, Any]


class Callback:
    """The base of callbacks: every method does nothing, a subclass overrides those it wants.

    Given to :meth:`Trainer.fit`, called in the order of the list. A callback may read everything of the trainer, and
    calls ``trainer.stop(reason)`` to end training.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> class Count(tg.train.Callback):
    ...     steps = 0
    ...     def on_step_end(self, trainer, step, results):
    ...         self.steps += 1
    >>> model = tg.nn.Sequential(tg.nn.Linear(2, 1))
    >>> trainer = tg.train.Trainer(model, tg.nn.MSELoss(), tg.optim.SGD(model.parameters(), lr=0.1))
    >>> count = Count()
    >>> x, y = np.zeros((10, 2), np.float32), np.zeros((10, 1), np.float32)
    >>> history = trainer.fit((x, y), epochs=3, batch_size=5, callbacks=[count], verbose=0)
    >>> count.steps
    6
    """

    main_only = False
    """Whether only rank 0 of a distributed fit calls it: of those that write files. The others look at the model, which
    is the same on all ranks, and must decide alike."""
    watches_finiteness = False
    """Whether every loss and gradient is to be checked before the parameters are updated: see
    :meth:`on_not_finite`."""

    @property
    def writes_at_end(self) -> str | None:
        """What to make the callback with so that it leaves the model's weights as they are at the end of the fit, as in
        ``"restore_best=False"``; None if it does. Of those that write them a fit takes one.
        """
        return None

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Before the first epoch; of a resumed run, when everything has been restored.

        Parameters
        ----------
        trainer
            The trainer. If it is stopped here there is no epoch.
        """

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        """Before an epoch. Of a resumed run, also before the rest of the epoch it stopped in.

        Parameters
        ----------
        trainer
            The trainer.
        epoch
            Its number, from 0.
        """

    def on_step_end(self, trainer: Trainer, step: int, results: Mapping[str, float]) -> None:
        """After every batch.

        Parameters
        ----------
        trainer
            Whose model has been updated.
        step
            The batch's number, from 0, over all epochs.
        results
            The means of the epoch so far; computed when they are looked at, so that a callback which looks rarely costs
            nothing.
        """

    def on_validation_begin(self, trainer: Trainer) -> None:
        """Before the validation of an epoch.

        Parameters
        ----------
        trainer
            Whose model, still in training mode, is evaluated with the weights that it has after this.
        """

    def on_validation_end(self, trainer: Trainer) -> None:
        """After it.

        Parameters
        ----------
        trainer
            Whose model is in training mode again.
        """

    def on_epoch_end(self, trainer: Trainer, epoch: int, results: dict[str, float]) -> None:
        """After an epoch and its validation.

        Parameters
        ----------
        trainer
            The trainer.
        epoch
            Its number, from 0.
        results
            The means of the epoch, and ``"val_..."``. What is added here goes into the history, and is seen by the
            callbacks behind this one.
        """

    def on_fit_end(self, trainer: Trainer) -> None:
        """After the last epoch, also where training was stopped.

        Parameters
        ----------
        trainer
            With the whole history and, if it was stopped, the ``stop_reason``.
        """

    def inspects(self, step: int) -> bool:
        """Whether :meth:`on_gradients` and :meth:`on_updated` are to be called in this step.

        Such a step runs without capture, with the same bits.

        Parameters
        ----------
        step
            The batch's number, from 0, over all epochs. Asked before the batch is used.

        Returns
        -------
        bool
            False, unless a subclass says otherwise.
        """
        return False

    def on_gradients(self, trainer: Trainer, step: int, batch: Batch) -> None:
        """In an inspected step, when the gradients are there and before the parameters are updated.

        Parameters
        ----------
        trainer
            The gradients of whose parameters are those of the optimizer's next update, before it clips them; of several
            batches that are accumulated, the share of those so far.
        step
            The batch's number, from 0, over all epochs.
        batch
            ``inputs``, ``target`` and ``weight`` (or None), as tensors on the model's device.
        """

    def on_updated(self, trainer: Trainer, step: int, batch: Batch) -> None:
        """In an inspected step, when the parameters have been updated.

        Parameters
        ----------
        trainer
            Whose parameters are new, unless the update waits for more batches (``accumulate``).
        step, batch
            As of :meth:`on_gradients`.
        """

    def on_not_finite(self, trainer: Trainer, finding: Finding) -> None:
        """Called, where ``watches_finiteness`` is true, instead of an update whose loss or gradients are not finite.

        The model's parameters are those from before the step.

        Parameters
        ----------
        trainer
            The trainer, which goes on with the next batch unless it is stopped.
        finding
            What was not finite first: the layer, and for which samples; ``finding.message`` says it in a sentence.
        """

    def state(self) -> State:
        """What an exact continuation needs: dicts and lists of numbers, strings, None and NumPy arrays."""
        return {}

    def restore(self, state: State) -> None:
        """Take over an earlier state, of a run that is resumed; called before :meth:`on_fit_begin`.

        Parameters
        ----------
        state
            What :meth:`state` returned when the checkpoint was written. Not called where that was empty.
        """


class Callbacks:
    """The callbacks of a fit, called as one.

    Parameters
    ----------
    callbacks
        In their order.
    is_main
        Whether those are called that are for the main rank only.
    """

    def __init__(self, callbacks: Sequence[Callback], is_main: bool = True) -> None:
        if not isinstance(callbacks, (list, tuple)):
            raise _C.ArgumentError(f"fit: callbacks must be a list, found {_name(callbacks)}")
        for position, callback in enumerate(callbacks):
            if not isinstance(callback, Callback):
                hint = "; make an instance of it" if isinstance(callback, type) else ""
                raise _C.ArgumentError(
                    f"fit: callbacks[{position}] must be a tg.train.Callback, found {_name(callback)}{hint}"
                )
        self._all = tuple(callbacks)
        self._called = tuple(callback for callback in callbacks if is_main or not callback.main_only)
        self._check_writers()

    def _check_writers(self) -> None:
        """One writes the weights at the end, or what another has written would be lost and nobody told."""
        writers = [(position, c, c.writes_at_end) for position, c in enumerate(self._all) if c.writes_at_end]
        if len(writers) > 1:
            (i, first, change), (j, second, other) = writers[:2]
            raise _C.ArgumentError(
                f"fit: callbacks[{i}] ({_name(first)}) and callbacks[{j}] ({_name(second)}) both write the model's "
                f"weights at the end, and what the first writes would be lost; make callbacks[{i}] with {change}, or "
                f"callbacks[{j}] with {other}"
            )

    def __iter__(self) -> Iterator[Callback]:
        return iter(self._all)

    def call(self, method: str, *arguments: Any) -> None:
        """Call a method of each that has overridden it, in order."""
        for callback in self._called:
            if getattr(type(callback), method) is not getattr(Callback, method):
                getattr(callback, method)(*arguments)

    def inspecting(self, step: int) -> Callbacks | None:
        """Those that inspect a step, or None."""
        found = [callback for callback in self._called if callback.inspects(step)]
        return Callbacks(found) if found else None

    def watching_finiteness(self) -> Callbacks | None:
        """Those that are told of losses and gradients that are not finite, or None."""
        found = [callback for callback in self._called if callback.watches_finiteness]
        return Callbacks(found) if found else None

    def _named(self) -> Iterator[tuple[str, Callback]]:
        """Each with a name that a later run finds again: its class, and its number among those of the class."""
        counts: Counter[str] = Counter()
        for callback in self._all:
            kind = type(callback).__name__
            yield f"{kind}.{counts[kind]}", callback
            counts[kind] += 1

    def state(self) -> State:
        """The states of all that have one, by name."""
        states = {name: callback.state() for name, callback in self._named()}
        return {name: state for name, state in states.items() if state}

    def restore(self, states: Mapping[str, State]) -> None:
        """Give each what :meth:`state` found in it."""
        named = dict(self._named())
        lost = [name for name in states if name not in named]
        if lost:
            raise _C.ArgumentError(
                f"fit: the checkpoint holds the state of callbacks that are not given: {', '.join(lost)}; found "
                f"{', '.join(named) or 'none'}"
            )
        for name, state in states.items():
            named[name].restore(state)


def _name(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
