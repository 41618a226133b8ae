"""Checking and copying saved optimizer state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any

from .. import _C
from ..numbers import check_number

if TYPE_CHECKING:
    from .group import ParameterGroup
    from .optimizer import Optimizer


def check_state_dict(optimizer: Optimizer, saved: Mapping[str, Any]) -> None:
    """Raises one error with everything that does not fit."""
    owner = type(optimizer).__name__
    if not isinstance(saved, Mapping):
        raise _C.ArgumentError(f"{owner}.load_state_dict: expected a state dict, found {type(saved).__name__}")
    missing = [key for key in ("optimizer", "step", "groups", "state") if key not in saved]
    if missing:
        raise _C.ArgumentError(f"{owner}.load_state_dict: this is no optimizer state, it lacks {missing}")
    problems: list[str] = []
    if saved["optimizer"] != owner:
        problems.append(f"it was saved by {saved['optimizer']}, this is {owner}")
    if not isinstance(saved["step"], int) or saved["step"] < 0:
        problems.append(f"step is {saved['step']!r}, expected a number of updates")
    groups, state = saved["groups"], saved["state"]
    if not isinstance(groups, (list, tuple)) or not all(isinstance(kept, Mapping) for kept in groups):
        problems.append(f"groups is {groups!r:.80}, expected a list of dictionaries")
        groups = ()
    elif len(groups) != len(optimizer.groups):
        problems.append(f"it has {len(groups)} parameter groups, this optimizer {len(optimizer.groups)}")
    for number, (group, kept) in enumerate(zip(optimizer.groups, groups, strict=False)):
        problems += _group_problems(optimizer, f"group {number}", group, kept)
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        problems.append(f"state is a {type(state).__name__}, expected tensors by name")
    else:
        problems += _tensor_problems(optimizer, state, [] if problems else groups)
    if problems:
        raise _C.ArgumentError(f"{owner}.load_state_dict: " + "; ".join(problems))


def _group_problems(optimizer: Optimizer, where: str, group: ParameterGroup, kept: Mapping[str, Any]) -> list[str]:
    plateaus = list(group._plateaus())
    expected = {"lr", "parameters", *group._options, *(["plateaus"] if plateaus else [])}
    problems = [f"{where} lacks {name!r}" for name in sorted(expected - set(kept))]
    problems += [f"{where} has an unexpected {name!r}" for name in sorted(set(kept) - expected)]
    if problems:
        return problems
    for name, count in (("parameters", len(group)), ("plateaus", len(plateaus))):
        found = kept.get(name, ())
        if not isinstance(found, Sized) or len(found) != count:
            told = len(found) if isinstance(found, Sized) else repr(found)
            problems.append(f"{where} has {told} {name}, here {count}")
    if problems:
        return problems
    try:
        check_number(type(optimizer).__name__, "lr", kept["lr"])
        for plateau, seen in zip(plateaus, kept.get("plateaus", ()), strict=False):
            plateau.check_state_dict(seen)
        optimizer._check_options({name: kept[name] for name in group._options})
    except _C.ArgumentError as error:
        problems.append(f"{where}: {error}")
    return problems


def _tensor_problems(
    optimizer: Optimizer, state: Mapping[str, Any], saved_groups: Sequence[Mapping[str, Any]]
) -> list[str]:
    problems = []
    expected: dict[str, tuple[tuple[int, ...], Any]] = {}
    counted = {name.removesuffix(".step") for name in state if name.endswith(".step")}
    needed = {f"{name.split('.')[0]}.step" for name in state}  # a parameter has all of its state or none
    first = 0
    for number, group in enumerate(optimizer.groups):
        for position, parameter in enumerate(group.parameters):
            expected[f"{first + position}.step"] = ((1,), _C.int64)
            for name in group._state:
                expected[f"{first + position}.{name}"] = optimizer._form(group, name, parameter)[:2]
            if saved_groups and str(first + position) in counted:
                needed |= {
                    f"{first + position}.{name}"
                    for name in group._state
                    if optimizer._needs(saved_groups[number], name)
                }
        first += len(group)
    for name, tensor in state.items():
        if name not in expected:
            problems.append(f"unexpected {name!r}")
            continue
        shape, dtype = expected[name]
        if not isinstance(tensor, _C.TensorBase):
            problems.append(f"{name!r} is a {type(tensor).__name__}, expected a tensor")
        elif tuple(tensor.shape) != shape or tensor.dtype != dtype:
            found = f"{tensor.dtype.name} {list(tensor.shape)}"
            problems.append(f"{name!r} is {found}, here {dtype.name} {list(shape)}")
    problems += [f"missing {name!r}" for name in sorted((needed & set(expected)) - set(state))]
    return problems


def copy_state(optimizer: Optimizer, saved: Mapping[str, Any]) -> None:
    """Writes checked state into the optimizer's own tensors."""
    optimizer.steps = saved["step"]
    first = 0
    for group, kept in zip(optimizer.groups, saved["groups"], strict=True):
        group._options = {name: kept[name] for name in group._options}
        if group.schedule is None:
            group.lr = kept["lr"]
        for plateau, seen in zip(group._plateaus(), kept.get("plateaus", ()), strict=True):
            plateau.load_state_dict(seen)
        for position in range(len(group)):
            prefix = f"{first + position}."
            if prefix + "step" in saved["state"]:
                group._prepare(position)
            for name, tensor in group._items(position).items():
                source = saved["state"].get(prefix + name)
                if source is None:
                    parameter = group.parameters[position]
                    _C.fill_(tensor, 0 if name == "step" else optimizer._form(group, name, parameter)[2])
                else:
                    _C.copy_into(source, tensor)
        first += len(group)
