"""Short trainings of copies: what a rate, an optimizer or ten samples lead to."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from ... import _C
from ...autograd import no_grad
from ...capture import capture
from ...train.placement import on_device
from ..predictions import call, device
from .twin import probing_mode, twin

if TYPE_CHECKING:
    from ...nn.module import Module
    from ...tensor import Tensor
    from ...train.batches import Batch

__all__ = ["loss_of", "peak_rates", "same_optimizer", "train", "value_of"]

Loss = Callable[..., "Tensor"]


def value_of(model: Module, loss: Loss, batch: Batch) -> Tensor:
    """The loss of a batch as a tensor, on the model's device."""
    return loss(call(model, batch.inputs), on_device(batch.target, device(model)))


def loss_of(model: Module, loss: Loss, batch: Batch) -> float:
    """The loss of a batch, in the model's mode."""
    with no_grad():
        return float(value_of(model, loss, batch).item())


def train(
    model: Module,
    loss: Loss,
    optimizer_of: Callable[[Module], Any],
    batches: Callable[[], Iterator[Batch]],
    steps: int,
    is_enough: Callable[[Module], bool] | None = None,
) -> Module:
    """A copy of the model after some steps, in :func:`probing_mode`; asked every ten steps whether that is enough.

    Steps are captured where the model allows it.
    """
    for is_captured in (True, False):
        copied = probing_mode(twin(model))
        optimizer = optimizer_of(copied)

        def step(inputs: Any, target: Any) -> Any:
            optimizer.zero_grad()
            value = loss(call(copied, inputs), target)
            value.backward()
            optimizer.step()
            return value

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what cannot be captured runs eagerly; that is well here
                run: Any = capture(step) if is_captured else step
                for number, batch in enumerate(islice(batches(), steps)):
                    run(*on_device((batch.inputs, batch.target), device(copied)))
                    if number % 10 == 9 and is_enough is not None and is_enough(copied):
                        break
        except _C.CaptureError:
            if is_captured:
                continue  # the model looks at values
            raise
        break
    return copied


# Where a schedule is looked at: its largest rate is the one that decides.
_LOOKED_AT = sorted({0, *(round(10 ** (k / 8)) for k in range(41))})


def peak_rates(optimizer: Any) -> list[float]:
    """The largest rate of each group, over the next 100,000 steps of its schedule or those that were made."""
    found = []
    for group in optimizer.groups:
        schedule = group.schedule
        rates = [group.lr]
        if schedule is not None:
            for step in _LOOKED_AT:
                try:
                    rates.append(float(schedule(step)))
                except Exception:  # of a function that is not ours and knows no such step
                    break
        found.append(max(rate for rate in rates if math.isfinite(rate)))
    return found


def same_optimizer(optimizer: Any, model: Module, factor: float) -> Callable[[Module], Any]:
    """Makes optimizers like the one given, with its peak rates times ``factor``, for copies of ``model``."""
    paths = {id(parameter): path for path, parameter in model.named_parameters()}
    rates = peak_rates(optimizer)

    def made(copied: Module) -> Any:
        parameters = dict(copied.named_parameters())
        groups = []
        for group, rate in zip(optimizer.groups, rates, strict=True):
            own = [parameters[paths[id(p)]] for p in group.parameters if id(p) in paths]
            if own:
                groups.append({"params": own, "lr": rate * factor, **group._options})
        return type(optimizer)(
            groups, lr=rates[0] * factor, clip_norm=optimizer.clip_norm, clip_value=optimizer.clip_value
        )

    return made
