"""Which layer first gave something that is not finite, and for which samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _C
from ..nn.parameter import Parameter
from ..random import default_generator
from ..structure import tensors_in
from .placement import on_host
from .weighting import per_sample

if TYPE_CHECKING:
    from ..nn.module import Module
    from ..tensor import Tensor
    from .batches import Batch
    from .step import Step
    from .weighting import ClassWeights

__all__ = ["Before", "Finding", "diagnose"]


class Finding(NamedTuple):
    """The first thing in a step that is not finite.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.train.Finding("output", "2", "Linear", [5], [1], 7).layer
    '2'
    """

    what: str
    """``"inputs"``, ``"targets"``, ``"parameter"``, ``"input"`` or ``"output"`` of a layer, ``"loss"`` or
    ``"gradient"``."""
    layer: str | None
    """The path of the layer in the model, of a parameter its own; None where no layer is to blame."""
    kind: str
    """The layer's class."""
    samples: list[int] | None
    """Positions of the samples in the data, where they are known and samples are apart."""
    rows: list[int]
    """Their positions in the batch."""
    step: int
    """The number of the step, from 0."""

    @property
    def message(self) -> str:
        """All of it in a sentence."""
        place = f"{self.layer} ({self.kind})" if self.layer else self.kind
        subject = {
            "inputs": "the inputs are",
            "targets": "the targets are",
            "weights": "the sample weights are",
            "parameter": f"parameter {self.layer} was, before the step,",
            "input": f"what reaches layer {place} is, after layers whose outputs are finite,",
            "output": f"the output of layer {place} is the first that is",
            "loss": "the loss of finite outputs is",
            "gradient": f"the gradient of layer {place} is the first that is",
        }[self.what]
        return f"step {self.step}: {subject} not finite{self._of_samples()}"

    def _of_samples(self) -> str:
        found = self.rows if self.samples is None else self.samples
        if not found:
            return ""
        shown = ", ".join(map(str, found[:10])) + (f" and {len(found) - 10} more" if len(found) > 10 else "")
        return f", of sample{'s' if len(found) > 1 else ''} {shown}{' of the batch' if self.samples is None else ''}"


class Before:
    """What a forward pass changes besides gradients: running statistics and the random state."""

    def __init__(self, model: Module) -> None:
        self._buffers = list(model.buffers())
        self._copies: list[Any] = []
        self._random: tuple[int, int] | None = None

    def keep(self) -> None:
        """Remember how they are."""
        self._copies = [_C.copy(buffer) for buffer in self._buffers]
        self._random = default_generator.state()

    def restore(self) -> None:
        """Bring them back."""
        for copy, buffer in zip(self._copies, self._buffers, strict=True):
            _C.copy_into(copy, buffer)
        if self._random is not None:
            default_generator.set_state(self._random)


def diagnose(step: Step, batch: Batch, classes: ClassWeights | None, number: int, samples: Any) -> Finding:
    """Make the step again without its update, looking at everything on the way.

    Parameters
    ----------
    step
        The trainer's.
    batch, classes
        What it was made with. Running statistics and random state must be those from before it.
    number
        Of the step.
    samples
        The positions of the batch's samples in the data, or None.

    Returns
    -------
    Finding
        The first that is not finite.
    """

    def found(what: str, layer: str | None = None, kind: str = "", rows: Sequence[int] = ()) -> Finding:
        positions = None if samples is None else [int(samples[row]) for row in rows]
        return Finding(what, layer, kind, positions, list(rows), number)

    for what, value in zip(("inputs", "targets", "weights"), batch, strict=True):
        if not _is_finite(value):
            return found(what, rows=_rows(value, batch.samples))
    for path, tensor in step.model.state_dict().items():
        if not _is_finite(tensor):
            return found("parameter", path)
    step.optimizer.zero_grad()
    with _Watch(step.model, batch.samples) as watch:
        output = step.forward_eagerly(batch.inputs)
        if watch.outputs:
            return found(*watch.outputs[0])
        if not _is_finite(output):  # of what the model does outside of its layers
            return found("output", "", type(step.model).__name__, _rows(output, batch.samples))
        loss = step.loss_of(output, batch, classes)
        if not _is_finite(loss):
            return found("loss", rows=_rows_of_loss(step.loss, output, batch))
        step.whole_loss(loss).backward()
    first = watch.first_gradient()
    return found(*first) if first else found("gradient", "", type(step.model).__name__)


Event = tuple[str, str, str, list[int]]


class _Watch:
    """Within its block, what layers give that is not finite, in the order in which they do."""

    def __init__(self, model: Module, count: int) -> None:
        self._model, self._count, self._hooks = model, count, ExitStack()
        self._paths = {id(module): path for path, module in model.named_modules()}
        self.outputs: list[Event] = []
        """What is not finite of the forward pass."""
        self._gradients: list[tuple[Module, Event | None]] = []

    def __enter__(self) -> _Watch:
        for module in self._model.modules():
            if next(module.children(), None) is None:  # what reaches a container reaches a layer inside
                self._hooks.enter_context(module.register_forward_pre_hook(self._before))
                self._hooks.enter_context(module.register_full_backward_hook(self._backward))
            self._hooks.enter_context(module.register_forward_hook(self._after))
        return self

    def __exit__(self, *error: Any) -> None:
        self._hooks.close()

    def _event(self, what: str, module: Module, value: Any) -> Event | None:
        if _is_finite(value):
            return None
        return what, self._paths[id(module)], type(module).__name__, _rows(value, self._count)

    def _before(self, module: Module, inputs: Any) -> None:
        self._note(self._event("input", module, inputs))

    def _after(self, module: Module, inputs: Any, output: Any) -> None:
        self._note(self._event("output", module, output))

    def _note(self, event: Event | None) -> None:
        if event is not None:
            self.outputs.append(event)

    def _backward(self, module: Module, of_inputs: Any, of_outputs: Any) -> None:
        event = self._event("gradient", module, of_outputs) or self._event("gradient", module, of_inputs)
        self._gradients.append((module, event))

    def first_gradient(self) -> Event | None:
        """What came first of the backward pass, the gradients of the layers' parameters included."""
        for module, event in self._gradients:
            own = event or self._of_parameters(module)
            if own is not None:
                return own
        return next((event for module in self._model.modules() if (event := self._of_parameters(module))), None)

    def _of_parameters(self, module: Module) -> Event | None:
        gradients = [value.grad for value in vars(module).values() if isinstance(value, Parameter)]
        if _is_finite(gradients):
            return None
        return "gradient", self._paths[id(module)], type(module).__name__, []  # summed over the samples


def _is_finite(value: Any) -> bool:
    return all(bool(np.isfinite(on_host(tensor)).all()) for tensor in tensors_in(value) if _is_floating(tensor))


def _is_floating(tensor: Tensor) -> bool:
    return tensor.dtype in (_C.float32, _C.float64)


def _rows(value: Any, count: int) -> list[int]:
    """The samples in which a structure of tensors is not finite; none where an axis of samples is not first."""
    rows: set[int] = set()
    for tensor in tensors_in(value):
        if _is_floating(tensor) and tensor.ndim and len(tensor) == count:
            array = on_host(tensor)
            rows.update(np.flatnonzero(~np.isfinite(array).reshape(count, -1).all(axis=1)).tolist())
    return sorted(rows)


def _rows_of_loss(loss: Callable[..., Tensor], output: Any, batch: Batch) -> list[int]:
    """The samples whose own losses are not finite, where the loss tells them."""
    try:
        return _rows(per_sample(loss).loss(output, batch.target), batch.samples)
    except _C.TilegradError:
        return []
