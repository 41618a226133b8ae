"""What all optimizers share: groups of parameters, rates, state and its saving."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from .. import _C
from ..capture import depends_on
from ..nn.tree import Tree
from ..numbers import check_number
from ..scopes import named_scope
from .group import ParameterGroup

if TYPE_CHECKING:
    from ..tensor import Tensor
    from .group import Rate
    from .loss_scaler import LossScaler

    Parameters = Tensor | Iterable[Tensor] | Iterable[Mapping[str, Any]]

__all__ = ["Common", "Optimizer"]


class Common(TypedDict, total=False):
    """What every optimizer takes by name, see :class:`Optimizer`."""

    decoupled_weight_decay: bool
    l1_decay: float
    max_norm: float | None
    clip_value: float | None
    maximize: bool


class Optimizer:
    """The base of all optimizers.

    All of its options but ``clip_norm`` and ``clip_value`` may differ from group to group, and be set later:
    ``optimizer.groups[0]["weight_decay"] = 0.01``.

    Parameters
    ----------
    params
        Tensors, or groups: dictionaries with ``"params"`` and, if wanted, an ``"lr"`` and options of their own.
    lr
        The learning rate: a number, or a schedule (any function of the step; see :mod:`tilegrad.optim.schedules`).
    own
        The options of the derived class, by name.
    clip_norm
        If given, gradients count as scaled to this norm, all together, wherever theirs is larger.
    clip_value
        If given, every element of a gradient counts as limited to ``[-clip_value, clip_value]``. Either this or
        ``clip_norm``.
    weight_decay
        The factor of the L2 penalty ``weight_decay / 2 * p ** 2``, from 0, whose gradient ``weight_decay * p`` is added
        to that of the loss.
    decoupled_weight_decay
        Whether decay is left out of the gradient, and ``p`` loses ``lr * weight_decay * p`` in each step instead.
    l1_decay
        The factor of the L1 penalty ``l1_decay * |p|``, from 0, with the gradient ``l1_decay * sign(p)``; decoupled as
        the other. Both together are the elastic net.
    max_norm
        If given, the weights of each unit are scaled back after the step wherever their norm is larger: see
        :func:`max_norm_`. Parameters with one axis, biases, are left alone.
    maximize
        Whether to go up the gradient instead of down.

    Notes
    -----
    A derived class names its state in ``_slots``, its native call in ``_native`` with the options it takes in
    ``_native_options``, and checks its options in ``_check_own``.
    """

    _slots: ClassVar[tuple[str, ...]] = ()
    _native: ClassVar[Callable[..., None]]
    _native_options: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        params: Parameters,
        lr: Rate,
        own: Mapping[str, Any],
        clip_norm: float | None = None,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        l1_decay: float = 0.0,
        max_norm: float | None = None,
        clip_value: float | None = None,
        maximize: bool = False,
    ) -> None:
        self._name = type(self).__name__
        options = {
            **own,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "l1_decay": l1_decay,
            "max_norm": max_norm,
            "maximize": maximize,
        }
        self._check_options(options)
        self._defaults: dict[str, Any] = {"lr": lr, **options}
        self.steps = 0
        """How many updates were made: what schedules are called with."""
        self._clip_norm: float | None = None
        self._clip_value: float | None = None
        self.clip_norm, self.clip_value = clip_norm, clip_value
        self.groups: list[ParameterGroup] = []
        if isinstance(params, _C.TensorBase):
            raise _C.ArgumentError(
                f"{self._name}: params must be a sequence of tensors, found one tensor; put it in a list"
            )
        if isinstance(params, Mapping):
            raise _C.ArgumentError(f"{self._name}: params is one group; put it in a list")
        if isinstance(params, Tree):
            raise _C.ArgumentError(f"{self._name}: params is a {type(params).__name__}; give its parameters()")
        if not isinstance(params, Iterable) or isinstance(params, str):
            raise _C.ArgumentError(
                f"{self._name}: params must be a sequence of tensors or of groups, found {type(params).__name__}"
            )
        given: list[Any] = list(params)
        if not given:
            raise _C.ArgumentError(f"{self._name}: params is empty: there is nothing to optimize")
        if any(isinstance(item, Mapping) for item in given):
            for group in given:
                self.add_group(group)
        else:
            self.add_group({"params": given})
        # The norm of all gradients, and the factor they are scaled by.
        self._clip: Tensor = _C.full((2,), 1.0, _C.float64, self.groups[0]._rate.device)

    @property
    def clip_norm(self) -> float | None:
        """The norm that gradients are limited to, or None."""
        return self._clip_norm

    @clip_norm.setter
    def clip_norm(self, value: float | None) -> None:
        self._clip_norm = self._checked_clip("clip_norm", value, "clip_value", self._clip_value)

    @property
    def clip_value(self) -> float | None:
        """What the elements of gradients are limited to, or None."""
        return self._clip_value

    @clip_value.setter
    def clip_value(self, value: float | None) -> None:
        self._clip_value = self._checked_clip("clip_value", value, "clip_norm", self._clip_norm)

    def _checked_clip(self, name: str, value: float | None, other: str, other_value: float | None) -> float | None:
        if value is not None:
            value = check_number(self._name, name, value, open_low=True)
            if other_value is not None:
                raise _C.ArgumentError(f"{self._name}: give {name} or {other}, not both")
        _C.changed()
        return value

    def add_group(self, group: Mapping[str, Any]) -> None:
        """Adds parameters with a rate and options of their own, for example of layers that are thawed later.

        Parameters
        ----------
        group
            ``{"params": ...}``, with one tensor or several, and if wanted an ``"lr"`` and options; what is left out is
            as this optimizer was made.

        Raises
        ------
        ArgumentError
            If an option is unknown or out of range, or a parameter is no tensor, the result of an op, strided, or here
            already. Nothing is changed then.
        DTypeError
            If a parameter is neither float32 nor float64.
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
        if isinstance(listed, Tree):
            raise _C.ArgumentError(f"{owner}: params of a group is a {type(listed).__name__}; give its parameters()")
        if not isinstance(listed, (_C.TensorBase, Iterable)):
            raise _C.ArgumentError(f"{owner}: params of a group must be tensors, found {type(listed).__name__}")
        parameters: list[Any] = [listed] if isinstance(listed, _C.TensorBase) else list(listed)
        known = {id(parameter) for other in self.groups for parameter in other.parameters}
        for position, parameter in enumerate(parameters):
            self._check_parameter(position, parameter, known)
            known.add(id(parameter))
        self.groups.append(ParameterGroup(self, parameters, lr, options))

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """:meth:`add_group`, under PyTorch's name.

        Parameters
        ----------
        group
            As in :meth:`add_group`.
        """
        self.add_group(group)

    @property
    def param_groups(self) -> list[ParameterGroup]:
        """``groups``, under PyTorch's name."""
        return self.groups

    def _check_parameter(self, position: int, parameter: Any, known: set[int]) -> None:
        where = f"{self._name}: parameter {position}"
        if not isinstance(parameter, _C.TensorBase):
            hint = "; .parameters() gives tensors without their names" if isinstance(parameter, tuple) else ""
            raise _C.ArgumentError(f"{where} must be a tensor, found {type(parameter).__name__}{hint}")
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

    def step(self, scaler: LossScaler | None = None) -> None:
        """Updates every parameter that has a gradient and is not frozen, in place.

        Parameters
        ----------
        scaler
            What the loss was scaled by. An update whose gradients are not finite is left out.

        Raises
        ------
        ArgumentError
            If a schedule returns a rate that is negative or not finite. Nothing is changed then.
        """
        if _C.is_observed():
            with named_scope(self._name):
                depends_on(self._settings)
                _C.at_replay(self._replay_step)
                self._step(scaler)
        else:
            self._step(scaler)

    def _step(self, scaler: LossScaler | None = None) -> None:
        rates = self._rates()
        gradients = [
            [parameter.grad if parameter.requires_grad else None for parameter in group.parameters]
            for group in self.groups
        ]
        clip = None
        if scaler is not None:
            clip = scaler._judge([g for found in gradients for g in found if g is not None], self._clip_norm)
        elif self._clip_norm is not None:
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

    def _update(
        self, group: ParameterGroup, clip: Tensor | None, positions: list[int], gradients: list[Tensor]
    ) -> None:
        """The native call for the parameters at these positions of a group."""
        parameters = [group.parameters[i] for i in positions]
        type(self)._native(
            group._rate,
            clip,
            parameters,
            gradients,
            [group._steps[i] for i in positions],
            [
                [values[i] for i in positions] if self._needs(group._options, name) else [None] * len(positions)
                for name, values in group._state.items()
            ],
            group["weight_decay"],
            group["l1_decay"],
            math.inf if self._clip_value is None else self._clip_value,
            group["decoupled_weight_decay"],
            group["maximize"],
            *self._native_values(group),
        )
        if group["max_norm"] is not None:
            for parameter in parameters:
                if parameter.ndim > 1:
                    _C.max_norm(parameter, group["max_norm"])

    def _native_values(self, group: ParameterGroup) -> list[Any]:
        """The derived class's own options, in the order of its native call."""
        return [group[name] for name in self._native_options]

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
        return (self._clip_norm, self._clip_value, *options, *trained)

    def observe(self, results: Mapping[str, float]) -> None:
        """Tells schedules that wait for a metric, :class:`~tilegrad.optim.schedules.ReduceOnPlateau`, its new value.

        :class:`tilegrad.train.Trainer` calls it after every epoch; other schedules do not care.

        Parameters
        ----------
        results
            Metrics by name, such as ``{"loss": 0.3, "val_loss": 0.4}``.

        Raises
        ------
        ArgumentError
            If a schedule waits for a metric that is not there.
        """
        for plateau in {id(part): part for group in self.groups for part in group._plateaus()}.values():
            name = "loss" if plateau.monitor == "val_loss" and "val_loss" not in results else plateau.monitor
            if name not in results:
                raise _C.ArgumentError(
                    f"{self._name}: a schedule watches {plateau.monitor!r}, found only {sorted(results)}"
                )
            plateau.observe(results[name])

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
            saved = {"lr": group.lr, **group._options, "parameters": list(range(first, first + count))}
            plateaus = [plateau.state_dict() for plateau in group._plateaus()]
            groups.append({**saved, "plateaus": plateaus} if plateaus else saved)
            for position in range(count):
                for name, tensor in group._items(position).items():
                    state[f"{first + position}.{name}"] = _C.copy(tensor)
            first += count
        return {"optimizer": self._name, "step": self.steps, "groups": groups, "state": state}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Copies in what :meth:`state_dict` returned; parameters are matched by their order.

        A group that follows a schedule keeps it; the others take the saved rate.

        Parameters
        ----------
        saved
            From an optimizer of the same class, with as many groups and parameters of the same shapes and dtypes. It is
            copied.

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
        for name in ("weight_decay", "l1_decay"):
            check_number(self._name, name, options[name])
        if options["max_norm"] is not None:
            check_number(self._name, "max_norm", options["max_norm"], open_low=True)
        self._check_own(options)

    def _check_own(self, options: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def _needs(self, options: Mapping[str, Any], slot: str) -> bool:
        """Whether a group of these options keeps a piece of state."""
        return True

    def _form(self, group: ParameterGroup, slot: str, parameter: Tensor) -> tuple[tuple[int, ...], Any, float]:
        """The shape, dtype and first value of a piece of state."""
        return parameter.shape, parameter.dtype, 0.0

    def __repr__(self) -> str:
        count = sum(len(group) for group in self.groups)
        return f"{self._name}(parameters={count}, lr={self.lr}, steps={self.steps})"
