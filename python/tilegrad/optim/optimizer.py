"""What all optimizers share: groups of parameters, rates, state and its saving."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from .. import _C
from ..capture import depends_on
from ..scopes import named_scope

if TYPE_CHECKING:
    from ..tensor import Tensor

    Rate = float | Callable[[int], float]
    Parameters = Tensor | Iterable[Tensor] | Iterable[Mapping[str, Any]]

__all__ = ["Optimizer", "ParameterGroup"]


def check_number(
    owner: str, name: str, value: Any, low: float = 0.0, high: float = math.inf, open_low: bool = False
) -> float:
    """A finite number in [low, high), or (low, high) with ``open_low``."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise _C.ArgumentError(f"{owner}: {name} must be a number, found {type(value).__name__}") from None
    if not (math.isfinite(number) and low <= number < high) or (open_low and number == low):
        least = f"above {low:g}" if open_low else f"at least {low:g}"
        below = f" and below {high:g}" if high < math.inf else ""
        raise _C.ArgumentError(f"{owner}: {name} must be finite, {least}{below}, found {number:g}")
    return number


class ParameterGroup:
    """Parameters that are updated with the same rate and options.

    ``group.lr`` and ``group["weight_decay"]`` read and set them.
    """

    def __init__(self, optimizer: Optimizer, parameters: list[Tensor], lr: Rate, options: dict[str, Any]) -> None:
        self.parameters = parameters
        self._optimizer = optimizer
        self._options = options
        self._rate: Tensor = _C.full((1,), 0.0, _C.float64)  # read by the kernel, so never baked into a launch
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
        return self._options[name]

    def __setitem__(self, name: str, value: Any) -> None:
        changed = {**self._options, name: value}
        self._optimizer._check_options(changed)
        self._options = changed
        _C.changed()

    def __len__(self) -> int:
        return len(self.parameters)

    def _prepare(self, position: int) -> None:
        """Gives a parameter its counter and its state, zeros, before its first update."""
        missing = [
            name
            for name, values in self._state.items()
            if values[position] is None and self._optimizer._needs(self, name)
        ]
        if self._steps[position] is not None and not missing:
            return
        parameter = self.parameters[position]
        with _C.Unrecorded():
            if self._steps[position] is None:
                self._steps[position] = _C.full((1,), 0, _C.int64)
            for name in missing:
                self._state[name][position] = _C.full(parameter.shape, 0, parameter.dtype)

    def _items(self, position: int) -> dict[str, Tensor]:
        """The counter and state of a parameter, by name."""
        found = {"step": self._steps[position], **{name: values[position] for name, values in self._state.items()}}
        return {name: tensor for name, tensor in found.items() if tensor is not None}


class Optimizer:
    """The base of all optimizers.

    Parameters
    ----------
    params
        Tensors, or groups: dictionaries with ``"params"`` and, if wanted, an ``"lr"`` and options of their own.
    lr
        The learning rate: a number, or a schedule (any function of the step; see :mod:`tilegrad.optim.schedules`).
    clip_norm
        If given, gradients count as scaled to this norm, all together, wherever theirs is larger.

    A derived class names its state in ``_slots``, checks its options in ``_check_options`` and makes its native call in
    ``_update``.
    """

    _slots: ClassVar[tuple[str, ...]] = ()

    def __init__(self, params: Parameters, lr: Rate, clip_norm: float | None, **options: Any) -> None:
        self._name = type(self).__name__
        self._check_options(options)
        self._defaults: dict[str, Any] = {"lr": lr, **options}
        self.steps = 0
        """How many updates were made: what schedules are called with."""
        self.clip_norm = clip_norm
        self._clip: Tensor = _C.full(
            (2,), 1.0, _C.float64
        )  # the norm of all gradients and the factor they are scaled by
        self.groups: list[ParameterGroup] = []
        self._known: set[int] = set()
        if isinstance(params, _C.TensorBase):
            raise _C.ArgumentError(
                f"{self._name}: params must be a sequence of tensors, found one tensor; put it in a list"
            )
        given: list[Any] = list(params)
        if not given:
            raise _C.ArgumentError(f"{self._name}: params is empty: there is nothing to optimize")
        if any(isinstance(item, Mapping) for item in given):
            for group in given:
                self.add_group(group)
        else:
            self.add_group({"params": given})

    @property
    def clip_norm(self) -> float | None:
        """The norm that gradients are limited to, or None."""
        return self._clip_norm

    @clip_norm.setter
    def clip_norm(self, value: float | None) -> None:
        self._clip_norm = None if value is None else check_number(self._name, "clip_norm", value, open_low=True)
        _C.changed()

    def add_group(self, group: Mapping[str, Any]) -> None:
        """Adds parameters with a rate and options of their own, for example of layers that are thawed later.

        Raises
        ------
        ArgumentError
            If an option is unknown or out of range, or a parameter is no floating tensor, strided, or here already.
        """
        owner = self._name
        if not isinstance(group, Mapping) or "params" not in group:
            raise _C.ArgumentError(f"{owner}: a parameter group is a dictionary with 'params', found {group!r:.80}")
        unknown = sorted(set(group) - set(self._defaults) - {"params"})
        if unknown:
            raise _C.ArgumentError(f"{owner}: unknown options {unknown} in a group; known are {sorted(self._defaults)}")
        options = {name: group.get(name, default) for name, default in self._defaults.items()}
        lr = options.pop("lr")
        self._check_options(options)
        listed = group["params"]
        parameters: list[Any] = [listed] if isinstance(listed, _C.TensorBase) else list(listed)
        known = set(self._known)
        for position, parameter in enumerate(parameters):
            self._check_parameter(position, parameter, known)
            known.add(id(parameter))
        self.groups.append(ParameterGroup(self, parameters, lr, options))
        self._known = known

    def _check_parameter(self, position: int, parameter: Any, known: set[int]) -> None:
        where = f"{self._name}: parameter {position}"
        if not isinstance(parameter, _C.TensorBase):
            raise _C.ArgumentError(f"{where} must be a tensor, found {type(parameter).__name__}")
        described = f"{parameter.dtype.name} {list(parameter.shape)}"
        if id(parameter) in known:
            raise _C.ArgumentError(f"{where} ({described}) is given twice, and would be updated twice in each step")
        if parameter.dtype not in (_C.float32, _C.float64):
            raise _C.DTypeError(f"{where} must be float32 or float64, found {described}")
        if not parameter.is_leaf:
            raise _C.ArgumentError(
                f"{where} ({described}) is the result of an op; optimize the tensors it was made from"
            )
        if not parameter.is_contiguous():
            raise _C.ArgumentError(f"{where} ({described}) is a strided view; make it with tg.contiguous()")

    @property
    def lr(self) -> float | list[float]:
        """The rate of the next update; a list where there are several groups.

        Set it to a number or a schedule for all groups, or to a sequence with one for each.
        """
        rates = [group.lr for group in self.groups]
        return rates[0] if len(rates) == 1 else rates

    @lr.setter
    def lr(self, value: Rate | Sequence[Rate]) -> None:
        rates: Any = value if isinstance(value, Sequence) and not isinstance(value, str) else [value] * len(self.groups)
        if len(rates) != len(self.groups):
            raise _C.ArgumentError(f"{self._name}: lr has {len(rates)} rates for {len(self.groups)} groups")
        for rate in rates:
            check_number(self._name, "lr", rate(self.steps) if callable(rate) else rate)
        for group, rate in zip(self.groups, rates, strict=True):
            group.lr = rate

    def step(self) -> None:
        """Updates every parameter that has a gradient and is not frozen, in place.

        Raises
        ------
        ArgumentError
            If a schedule returns a rate that is negative or not finite. Nothing is changed then.
        """
        if _C.is_observed():
            with named_scope(self._name):
                depends_on(self._settings)
                _C.at_replay(self._replay_step)
                self._step()
        else:
            self._step()

    def _step(self) -> None:
        rates = self._rates()
        gradients = [
            [parameter.grad if parameter.requires_grad else None for parameter in group.parameters]
            for group in self.groups
        ]
        clip = None
        if self._clip_norm is not None:
            _C.gradient_norm(self._clip, [g for found in gradients for g in found if g is not None], self._clip_norm)
            clip = self._clip
        for group, rate, found in zip(self.groups, rates, gradients, strict=True):
            present = {position: gradient for position, gradient in enumerate(found) if gradient is not None}
            positions = list(present)
            group._write(rate)
            if positions:
                for position in positions:
                    group._prepare(position)
                self._update(group, clip, positions, list(present.values()))
        self.steps += 1

    def _rates(self) -> list[float]:
        return [group._rate_at(self.steps) for group in self.groups]

    def _replay_step(self) -> None:
        """What :meth:`step` does besides launches, at its place in a replay."""
        for group, rate in zip(self.groups, self._rates(), strict=True):
            group._write(rate)
        self.steps += 1

    def _settings(self) -> tuple[Any, ...]:
        """What a captured function depends on besides its arguments."""
        options = [tuple(sorted(group._options.items())) for group in self.groups]
        trained = [parameter.requires_grad for group in self.groups for parameter in group.parameters]
        return (self._clip_norm, *options, *trained)

    def zero_grad(self) -> None:
        """Fills all gradients with zeros; the tensors that hold them stay."""
        _C.zero_all([p.grad for group in self.groups for p in group.parameters if p.grad is not None])

    def state_dict(self) -> dict[str, Any]:
        """Everything that an exact continuation needs, as copies.

        ``"optimizer"`` (the class), ``"step"``, ``"groups"`` (numbers, and each one's parameters by position) and
        ``"state"``: tensors by ``"<position>.<name>"``, where positions count through all groups.
        """
        groups, state, first = [], {}, 0
        for group in self.groups:
            count = len(group)
            groups.append({"lr": group.lr, **group._options, "parameters": list(range(first, first + count))})
            for position in range(count):
                for name, tensor in group._items(position).items():
                    state[f"{first + position}.{name}"] = _C.copy(tensor)
            first += count
        return {"optimizer": self._name, "step": self.steps, "groups": groups, "state": state}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Copies in what :meth:`state_dict` returned; parameters are matched by their order.

        A group that follows a schedule keeps it; the others take the saved rate.

        Raises
        ------
        ArgumentError
            If it does not fit this optimizer: all that is missing, unexpected or of another shape is listed. Nothing is
            changed then.
        """
        from .state import check_state_dict, copy_state

        check_state_dict(self, saved)
        copy_state(self, saved)

    def _check_options(self, options: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def _needs(self, group: ParameterGroup, slot: str) -> bool:
        """Whether a group keeps a piece of state."""
        return True

    def _update(
        self, group: ParameterGroup, clip: Tensor | None, positions: list[int], gradients: list[Tensor]
    ) -> None:
        """The native call for the parameters at these positions of a group."""
        raise NotImplementedError

    def __repr__(self) -> str:
        count = sum(len(group) for group in self.groups)
        return f"{self._name}(parameters={count}, lr={self.lr}, steps={self.steps})"
