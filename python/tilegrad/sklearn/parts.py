"""What names among an estimator's arguments stand for: activations, optimizers and schedules."""

from __future__ import annotations

import copy
import numbers
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from .. import _C, nn, optim
from ..nn.arguments import ACTIVATIONS, check_sizes
from ..optim import schedules

__all__ = ["dense_layers", "hidden_sizes", "make_optimizer", "make_rate"]

# Those that are layers of their own.
LAYERS: dict[str, Callable[[], nn.Module]] = {
    "elu": nn.ELU,
    "hard_swish": nn.Hardswish,
    "leaky_relu": nn.LeakyReLU,
    "mish": nn.Mish,
    "selu": nn.SELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
}
OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    "adadelta": optim.Adadelta,
    "adagrad": optim.Adagrad,
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "lamb": optim.LAMB,
    "nadam": optim.NAdam,
    "rmsprop": optim.RMSprop,
    "sgd": partial(optim.SGD, momentum=0.9, nesterov=True),
}
SCHEDULES: dict[str, Callable[..., Any]] = {
    "constant": lambda rate, steps: rate,
    "cosine": schedules.Cosine,
    "one_cycle": schedules.OneCycle,
}


def hidden_sizes(owner: str, given: Any) -> tuple[int, ...]:
    """The sizes of hidden layers from one number or any number of them."""
    sizes = (given,) if isinstance(given, numbers.Integral) else tuple(given)
    return check_sizes(owner, "hidden_layer_sizes", sizes) if sizes else ()


def dense_layers(owner: str, before: int, sizes: Any, activation: Any, dropout: float) -> list[nn.Module]:
    """Dense layers with an activation and dropout behind each."""
    layers: list[nn.Module] = []
    for size in hidden_sizes(owner, sizes):
        fused = activation if activation in ACTIVATIONS else None
        layers.append(nn.Linear(before, size, activation=fused))
        if fused is None and activation != "identity":
            layers.append(_activation(owner, activation))
        if dropout:
            layers.append(nn.Dropout(float(dropout)))
        before = size
    return layers


def _activation(owner: str, activation: Any) -> nn.Module:
    made = LAYERS[activation]() if activation in LAYERS else activation() if callable(activation) else None
    if not isinstance(made, nn.Module):
        known = ", ".join(sorted([*ACTIVATIONS, *LAYERS, "identity"]))
        raise _C.ArgumentError(
            f"{owner}: activation must be one of {known}, or a class or function that makes a layer, found "
            f"{activation!r}"
        )
    return made


def make_rate(owner: str, rate: Any, schedule: str, steps: int) -> Any:
    """The rate of an optimizer: a number that a named schedule bends over the steps, or a schedule as it is."""
    if schedule not in SCHEDULES:
        raise _C.ArgumentError(f"{owner}: schedule must be one of {', '.join(SCHEDULES)}, found {schedule!r}")
    if callable(rate):
        if schedule != "constant":
            raise _C.ArgumentError(f"{owner}: learning_rate is a schedule already; leave schedule at 'constant'")
        return copy.deepcopy(rate)  # it may have state, which is the fit's, not the argument's
    if isinstance(rate, bool) or not isinstance(rate, numbers.Real) or not float(rate) >= 0:
        raise _C.ArgumentError(f"{owner}: learning_rate must be a number from 0 or a schedule, found {rate!r}")
    return SCHEDULES[schedule](float(rate), steps=steps)


def make_optimizer(
    owner: str, optimizer: Any, parameters: Iterable[Any], rate: Any, weight_decay: float, clip_norm: float | None
) -> optim.Optimizer:
    """An optimizer by name, or by a function that is called as an optimizer's class would be."""
    if isinstance(optimizer, str) and optimizer not in OPTIMIZERS:
        raise _C.ArgumentError(
            f"{owner}: optimizer must be one of {', '.join(OPTIMIZERS)}, or a class such as tg.optim.SGD or a function "
            f"that is called like it, found {optimizer!r}"
        )
    make = OPTIMIZERS[optimizer] if isinstance(optimizer, str) else optimizer
    options = {} if clip_norm is None else {"clip_norm": float(clip_norm)}
    made = make(list(parameters), lr=rate, weight_decay=float(weight_decay), **options)
    if not isinstance(made, optim.Optimizer):
        raise _C.ArgumentError(f"{owner}: optimizer made {type(made).__name__}, expected a tg.optim.Optimizer")
    return made
