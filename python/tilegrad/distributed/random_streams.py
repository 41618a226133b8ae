"""Random numbers of ranks: each draws its own, so that dropout does not leave out the same units everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import _C
from ..random import Generator, default_generator
from .collectives import broadcast
from .world import world

if TYPE_CHECKING:
    from ..nn.module import Module

__all__ = ["generators_of", "join_streams", "separate_streams"]

_PURPOSE = 0x72616E6B73  # of the seeds that are derived


def generators_of(model: Module) -> list[Generator]:
    """The default generator and those that layers keep, each once."""
    return list({id(generator): generator for generator in _found(model)}.values())


def _found(model: Module) -> Iterator[Generator]:
    yield default_generator
    for module in model.modules():
        yield from (value for value in vars(module).values() if isinstance(value, Generator))


def separate_streams(generators: list[Generator]) -> None:
    """Give rank 0's generators its own states, and those of the others seeds derived from these and the rank."""
    rank = world().rank
    for generator, (seed, stream) in zip(generators, broadcast([g.state() for g in generators]), strict=True):
        own = seed if rank == 0 else _C.derived_seed(_C.derived_seed(seed, _PURPOSE), rank)
        generator.set_state((own, stream))


def join_streams(generators: list[Generator]) -> None:
    """Give all ranks the generators of rank 0: what is drawn from now on is the same everywhere."""
    for generator, state in zip(generators, broadcast([g.state() for g in generators]), strict=True):
        generator.set_state(state)
