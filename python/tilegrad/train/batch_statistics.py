"""Running statistics of batch normalisation, found anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .. import _C
from ..nn.normalization import BatchNorm1d, BatchNorm2d
from .batches import source_of
from .evaluation import Evaluating, call
from .placement import device_of, on_device

if TYPE_CHECKING:
    from ..nn.module import Module
    from ..tensor import Tensor

__all__ = ["update_batch_norm"]


def _norms(model: Module) -> Iterator[tuple[str, Any]]:
    """The layers that have running statistics, by path; not those whose statistics are frozen."""
    for path, module in model.named_modules():
        is_norm = isinstance(module, (BatchNorm1d, BatchNorm2d)) and module.running_mean is not None
        if is_norm and not module._statistics_frozen:
            yield path, module


def has_batch_norm(model: Module) -> bool:
    """Whether there are running statistics to find."""
    return next(_norms(model), None) is not None


def kept_statistics(model: Module) -> dict[str, Tensor]:
    """Copies of the running statistics, by path."""
    return {
        f"{path}.{name}": _C.copy(buffer) for path, module in _norms(model) for name, buffer in module.named_buffers()
    }


def update_batch_norm(model: Module, data: Any, batch_size: int = 256) -> None:
    """Set the running statistics of batch normalisation to the means over data.

    For weights that were not trained with, such as averages of weights: the statistics of each batch are those of the
    batch, with dropout off, and their means over all batches stay.

    Parameters
    ----------
    model
        Whose statistics are set; its mode stays.
    data
        In any form that :meth:`Trainer.fit` takes.
    batch_size
        For arrays; statistics of larger batches are more exact.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> model = tg.nn.Sequential(tg.nn.BatchNorm1d(1))
    >>> tg.train.update_batch_norm(model, (np.float32([[1.0], [3.0]]), np.zeros(2)))
    >>> model[0].running_mean.item(), model[0].running_var.item()
    (2.0, 2.0)
    """
    norms = [module for _, module in _norms(model)]
    if not norms:
        return
    momenta, device = [module.momentum for module in norms], device_of(model)
    with Evaluating(model):
        try:
            for module in norms:
                module.training = True
            for number, batch in enumerate(source_of("update_batch_norm", data, batch_size).epoch(0)):
                for module in norms:
                    module.momentum = 1 / (number + 1)
                call(model, on_device(batch.inputs, device))
        finally:
            for module, momentum in zip(norms, momenta, strict=True):
                module.momentum = momentum
