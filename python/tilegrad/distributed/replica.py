"""The tensors that ranks keep alike: parameters, gradients and running statistics of one model and its optimizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _C, ops
from ..nn.normalization import _BatchNorm
from .ordered import reduce_in_rank_order

if TYPE_CHECKING:
    from ..nn.module import Module
    from ..optim.optimizer import Optimizer
    from ..tensor import Tensor

__all__ = ["Replica"]

Array = np.ndarray[Any, Any]


class Replica:
    """A model and its optimizer on this rank.

    Parameters
    ----------
    model, optimizer
        Whose tensors they are.
    comm
        The communicator.
    """

    def __init__(self, model: Module, optimizer: Optimizer, comm: Any) -> None:
        self._model, self._optimizer, self._comm = model, optimizer, comm
        self._flat: dict[str, Array] = {}  # kept, because fresh pages cost more than the sums

    def description(self) -> dict[str, str]:
        """What must be the same on all ranks, by name."""
        found = {
            f"model: {path}": f"{tensor.dtype.name} {list(tensor.shape)}"
            for path, tensor in self._model.state_dict().items()
        }
        groups = self._optimizer.groups
        found["optimizer"] = f"{type(self._optimizer).__name__} after {self._optimizer.steps} steps"
        found |= {f"optimizer: group {i}": f"of {len(group)} parameters" for i, group in enumerate(groups)}
        found |= {
            f"optimizer: parameter {i}": f"{parameter.dtype.name} {list(parameter.shape)}"
            for i, parameter in enumerate(self._parameters())
        }
        return found

    def broadcast(self) -> None:
        """Give all ranks the parameters and buffers of rank 0."""
        held = {id(tensor): tensor for tensor in self._model.state_dict().values()}
        held |= {id(parameter): parameter for parameter in self._parameters()}
        for tensor in held.values():
            tensor = tensor.detach()
            # bfloat16, which NumPy lacks, is exact in float32.
            narrow = tensor.dtype in (_C.bfloat16, _C.float16)
            array = np.array(_host(ops.astype(tensor, "float32") if narrow else tensor), order="C")
            self._comm.Bcast(array.reshape(-1).view(np.uint8), 0)
            _C.copy_into(_C.to_device(ops.astype(ops.tensor(array), tensor.dtype), tensor.device), tensor)

    def presence(self) -> list[bool]:
        """Which of the optimizer's parameters have a gradient that it would use."""
        return [parameter.requires_grad and parameter.grad is not None for parameter in self._parameters()]

    def counters(self) -> list[Tensor]:
        """Of batch normalisation that averages over all batches: how many there were."""
        modules = (module for module in self._model.modules() if isinstance(module, _BatchNorm))
        return [module.num_batches_tracked for module in modules if module.num_batches_tracked is not None]

    def add_up(self, factor: float, present: Sequence[bool]) -> None:
        """Put sums over ranks of gradients and running statistics, multiplied by each rank's factor, in their place.

        Parameters
        ----------
        factor
            Of this rank; one of 0 adds nothing, even of what is not finite.
        present
            Which parameters have a gradient on some rank; here those without get one.
        """
        gradients = []
        for parameter, is_present in zip(self._parameters(), present, strict=True):
            if is_present:
                if parameter.grad is None:
                    parameter.grad = _C.full(parameter.shape, 0.0, parameter.dtype, parameter.device)
                gradients.append(parameter.grad)
        tensors = [*gradients, *self._statistics()]
        for dtype in (_C.float32, _C.float64):
            chosen = [tensor for tensor in tensors if tensor.dtype == dtype]
            if chosen:
                self._add_up(chosen, dtype.name, factor)

    def _add_up(self, tensors: list[Tensor], dtype: str, factor: float) -> None:
        flat = self._buffer(dtype, sum(tensor.size for tensor in tensors))
        parts = list(_parts(flat, tensors))
        for tensor, part in zip(tensors, parts, strict=True):
            if factor:
                with np.errstate(all="ignore"):
                    np.multiply(_host(tensor), flat.dtype.type(factor), out=part)
            else:
                part.fill(0)
        reduce_in_rank_order(self._comm, flat, np.add)
        for tensor, part in zip(tensors, parts, strict=True):
            if tensor.device == "cpu":
                np.copyto(tensor.numpy(), part)
            else:
                _C.copy_into(_C.to_device(ops.tensor(part), tensor.device), tensor)

    def _buffer(self, dtype: str, count: int) -> Array:
        if dtype not in self._flat or len(self._flat[dtype]) != count:
            self._flat[dtype] = np.empty(count, dtype)
        return self._flat[dtype]

    def _parameters(self) -> Iterator[Any]:
        return (parameter for group in self._optimizer.groups for parameter in group.parameters)

    def _statistics(self) -> Iterator[Tensor]:
        """Running statistics that steps change; means of those that stay would round them."""
        for module in self._model.modules():
            if isinstance(module, _BatchNorm) and module.training and not module._statistics_frozen:
                yield from (tensor for tensor in (module.running_mean, module.running_var) if tensor is not None)


def _host(tensor: Tensor) -> Array:
    """Its numbers, over the same memory where that is the host's."""
    array: Array = (tensor if tensor.device == "cpu" else _C.to_device(tensor, "cpu")).numpy()
    return array


def _parts(flat: Array, tensors: Sequence[Tensor]) -> Iterator[Array]:
    start = 0
    for tensor in tensors:
        yield flat[start : start + tensor.size].reshape(tensor.shape)
        start += tensor.size
