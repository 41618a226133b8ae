"""Constructors refuse arguments of wrong types with an error of tilegrad's; those of ops are in tests/test_ops.py."""

from __future__ import annotations

import inspect
from contextlib import suppress
from types import ModuleType
from typing import Any

import pytest

import tilegrad as tg
import tilegrad.data.scalers
import tilegrad.nn
import tilegrad.optim.schedules
import tilegrad.train.averages
import tilegrad.train.callbacks
import tilegrad.train.metrics

STRANGE = [None, "strange", 1.5, -1, object(), {"a": 1}, b"strange", (None,)]

# What constructors need, by the name of the parameter.
NEEDED: dict[str, Any] = {
    "in_channels": 4, "out_channels": 4, "out_features": 3, "kernel_size": 3, "hidden_size": 3, "output_size": 2,
    "num_embeddings": 5, "embedding_dim": 3, "num_groups": 2, "embed_dim": 4, "num_heads": 2, "d_model": 4, "nhead": 2,
    "pieces": 2, "rate": 0.1, "steps": 5, "every": 2, "factor": 0.5, "scale_factor": 2,
}  # fmt: skip


def classes(space: ModuleType) -> list[Any]:
    """The public classes of a module that can be made of what NEEDED has and of defaults."""
    of_space = [value for name, value in sorted(vars(space).items()) if inspect.isclass(value) and name[0] != "_"]
    return [
        pytest.param(made, id=f"{space.__name__.removeprefix('tilegrad.')}.{made.__name__}")
        for made in of_space
        if made.__module__.startswith(space.__name__) and can_be_made(made)
    ]


def can_be_made(made: Any) -> bool:
    needed = {p.name for p in inspect.signature(made).parameters.values() if p.default is p.empty}
    return not inspect.isabstract(made) and needed <= set(NEEDED)


SPACES = (
    tg.nn, tilegrad.optim.schedules, tilegrad.data.scalers, tilegrad.train.averages, tilegrad.train.callbacks,
    tilegrad.train.metrics,
)  # fmt: skip


@pytest.mark.parametrize("made", [case for space in SPACES for case in classes(space)])
def test_strange_arguments(made: Any) -> None:
    """Each argument in turn is something else: the object is made, or the error says why not."""
    parameters = inspect.signature(made).parameters.values()
    good = {p.name: NEEDED[p.name] for p in parameters if p.name in NEEDED}
    made(**good)
    for parameter in parameters:
        for strange in STRANGE:
            with suppress(tg.TilegradError):
                made(**{**good, parameter.name: strange})
