"""Groups of parameters that are updated with the same rate and options."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .. import _C
from ..numbers import check_number
from .schedules.composed import parts_of
from .schedules.plateau import ReduceOnPlateau

if TYPE_CHECKING:
    from ..tensor import Tensor
    from .optimizer import Optimizer

    Rate = float | Callable[[int], float]

__all__ = ["ParameterGroup"]


class ParameterGroup:
    """Parameters that are updated with the same rate and options.

    ``group["lr"]`` (or ``group.lr``) and ``group["weight_decay"]`` read and set them.
    """

    def __init__(self, optimizer: Optimizer, parameters: list[Tensor], lr: Rate, options: dict[str, Any]) -> None:
        self.parameters = parameters
        self._optimizer = optimizer
        self._options = options
        device = parameters[0].device if parameters else "cpu"
        self._rate: Tensor = _C.full((1,), 0.0, _C.float64, device)  # read by the kernel, so never baked into a launch
        self._written = 0.0
        self.lr = lr
        # Per parameter: how many updates it has had, and what the optimizer remembers; None until its first update.
        self._steps: list[Any] = [None] * len(parameters)
        self._state: dict[str, list[Any]] = {name: [None] * len(parameters) for name in optimizer._slots}

    @property
    def lr(self) -> float:
        """The rate of the next update. Setting a number (or a schedule) replaces what was there."""
        return self._rate_at(self._optimizer.steps)

    @lr.setter
    def lr(self, value: Rate) -> None:
        owner = self._optimizer._name
        if not callable(value):
            value = check_number(owner, "lr", value)
            self._write(value)
        else:
            check_number(owner, "lr (of the schedule)", value(self._optimizer.steps))
        self._lr = value

    @property
    def schedule(self) -> Callable[[int], float] | None:
        """The schedule that the rate follows, if any."""
        return self._lr if callable(self._lr) else None

    def _plateaus(self) -> Iterator[ReduceOnPlateau]:
        """The parts of the schedule that remember what they have seen."""
        return (part for part in parts_of(self._lr) if isinstance(part, ReduceOnPlateau))

    def _rate_at(self, step: int) -> float:
        if not callable(self._lr):
            return self._lr
        return check_number(self._optimizer._name, f"lr (of the schedule, at step {step})", self._lr(step))

    def _write(self, rate: float) -> None:
        if rate != self._written:
            with _C.Unrecorded():
                _C.fill_(self._rate, rate)
            self._written = rate

    def __getitem__(self, name: str) -> Any:
        return self.lr if name == "lr" else self._options[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if name == "lr":
            self.lr = value
            return
        if name not in self._options:
            owner, known = self._optimizer._name, sorted([*self._options, "lr"])
            raise _C.ArgumentError(f"{owner}: unknown option {name!r} of a group; known are {known}")
        changed = {**self._options, name: value}
        self._optimizer._check_options(changed)
        self._options = changed
        for position, counter in enumerate(self._steps):
            if counter is not None:
                self._prepare(position)  # what the option needs, so that a saved state is whole
        _C.changed()

    def __len__(self) -> int:
        return len(self.parameters)

    def _prepare(self, position: int) -> None:
        """Gives a parameter its counter and its first state before its first update."""
        missing = [
            name
            for name, values in self._state.items()
            if values[position] is None and self._optimizer._needs(self._options, name)
        ]
        if self._steps[position] is not None and not missing:
            return
        parameter = self.parameters[position]
        with _C.Unrecorded():
            if self._steps[position] is None:
                self._steps[position] = _C.full((1,), 0, _C.int64, parameter.device)
            for name in missing:
                shape, dtype, value = self._optimizer._form(self, name, parameter)
                self._state[name][position] = _C.full(shape, value, dtype, parameter.device)

    def _items(self, position: int) -> dict[str, Tensor]:
        """The counter and state of a parameter, by name."""
        found = {"step": self._steps[position], **{name: values[position] for name, values in self._state.items()}}
        return {name: tensor for name, tensor in found.items() if tensor is not None}
