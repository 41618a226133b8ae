"""Copies of a model for trying things out, and its randomness kept as it was."""

from __future__ import annotations

import copy
import random as python_random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _C, nn
from ...nn.module import Module
from ...random import default_generator
from ...train.placement import on_host

if TYPE_CHECKING:
    from ...tensor import Tensor

__all__ = ["as_new", "probing_mode", "randomness_kept", "twin"]


@contextmanager
def randomness_kept(seed: int) -> Iterator[None]:
    """Inside, random numbers are those of ``seed``; afterwards all generators go on as if nothing had been."""
    states = default_generator.state(), np.random.get_state(), python_random.getstate()
    default_generator.manual_seed(seed)
    np.random.seed(seed % 2**32)
    python_random.seed(seed)
    try:
        yield
    finally:
        default_generator.set_state(states[0])
        np.random.set_state(states[1])
        python_random.setstate(states[2])


def twin(model: Module) -> Module:
    """A copy with weights of its own, without hooks and gradients."""
    memo: dict[int, Any] = {}
    for layer in model.modules():
        for hooks in (layer._hooks, layer._pre_hooks, layer._backward_hooks):
            memo[id(hooks)] = {}
    return copy.deepcopy(model, memo)


def as_new(model: Module) -> Module | None:
    """The model as its constructor makes it, with new initial weights; None where that cannot be told.

    It cannot where constructors want something else by now, give other parameters (layers were added later), or
    where parts are frozen: what a frozen part has learnt elsewhere belongs to the model.
    """
    if not all(parameter.requires_grad for parameter in model.parameters()):
        return None
    try:
        made = _again(model, {})
        same: bool = [(path, p.shape, p.dtype) for path, p in made.named_parameters()] == [
            (path, p.shape, p.dtype) for path, p in model.named_parameters()
        ]
    except Exception:  # of a constructor that is not ours
        return None
    return made if same else None


def _again(value: Any, known: dict[int, Any]) -> Any:
    """Modules made again from their arguments, in any nesting; a shared module stays shared."""
    if isinstance(value, Module):
        if id(value) not in known:
            given = value.config()
            positional = [_again(item, known) for item in given.positional]
            known[id(value)] = type(value)(*positional, **{k: _again(v, known) for k, v in given.named.items()})
        return known[id(value)]
    if type(value) in (list, tuple):
        return type(value)(_again(item, known) for item in value)
    if type(value) is dict:
        return {key: _again(item, known) for key, item in value.items()}
    return value


_DROPOUTS = (nn.Dropout, nn.SpatialDropout, nn.AlphaDropout)


def probing_mode(model: Module) -> Module:
    """Training mode, so that batch normalisation normalises, but without dropout, which would blur what is measured."""
    model.train()
    for layer in model.modules():
        if isinstance(layer, _DROPOUTS):
            layer.training = False
    return model


def is_finite(tensors: Iterator[Tensor]) -> bool:
    """Whether all values of all tensors are."""
    return all(bool(np.isfinite(on_host(t)).all()) for t in tensors if t.dtype in (_C.float32, _C.float64))
