"""The whole state of a fit as a plain tree, from which it goes on with the same bits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _C, ops
from ..errors import CheckpointError
from ..random import Generator, default_generator
from .placement import device_of, on_host

if TYPE_CHECKING:
    from ..nn.module import Module
    from .loop import Loop

__all__ = ["restore", "snapshot"]

VERSION = 1
_KEYS = (
    "version", "model", "optimizer", "random", "loader", "epoch", "batch", "step", "history", "means", "callbacks",
    "stopped",
)  # fmt: skip


def snapshot(loop: Loop) -> dict[str, Any] | None:
    """Dicts and lists of numbers, strings, None and copies of arrays; on the main rank, which all ranks tell what they
    do not share.
    """
    trainer = loop.trainer
    own = {
        "random": {
            "default": list(default_generator.state()),
            "model": {path: list(generator.state()) for path, generator in _generators(trainer.model)},
        },
        "means": trainer._step.training.state(),
    }
    ranks = loop.ranks.gather(own)
    if not loop.ranks.is_main:
        return None
    optimizer = trainer.optimizer.state_dict()
    return {
        "version": VERSION,
        "model": {path: _array(tensor) for path, tensor in trainer.model.state_dict().items()},
        "optimizer": {**optimizer, "state": {name: _array(tensor) for name, tensor in optimizer["state"].items()}},
        **own,
        **({"ranks": ranks} if len(ranks) > 1 else {}),
        "loader": loop.source.state(),
        "epoch": loop.epoch,
        "batch": loop.batch,
        "step": loop.step,
        "history": trainer.history.state(),
        "callbacks": loop.callbacks.state(),
        "stopped": None if loop.is_interrupted else trainer.stop_reason,
    }


def restore(loop: Loop, state: Mapping[str, Any]) -> None:
    """Take over what :func:`snapshot` found.

    Raises
    ------
    CheckpointError
        If it is no such state.
    StateDictError, ArgumentError
        If it does not fit the model, the optimizer, the data or the callbacks.
    """
    missing = [key for key in _KEYS if key not in state]
    if missing:
        raise CheckpointError(f"fit: the checkpoint is not of a fit: it lacks {', '.join(missing)}")
    if state["version"] != VERSION:
        raise CheckpointError(f"fit: the checkpoint is of layout {state['version']}, this version reads {VERSION}")
    trainer = loop.trainer
    ranks = state.get("ranks", [state])
    if len(ranks) != loop.ranks.size:
        raise _C.ArgumentError(
            f"fit: the checkpoint is of {len(ranks)} processes, found {loop.ranks.size}; go on with as many, or load "
            "its weights into a new run"
        )
    own = ranks[loop.ranks.rank]
    loop.source.restore(state["loader"])
    generators = dict(_generators(trainer.model))
    strange = sorted(set(generators) ^ set(own["random"]["model"]))
    if strange:
        raise CheckpointError(f"fit: the checkpoint and the model differ in random generators: {', '.join(strange)}")
    loop.callbacks.restore(state["callbacks"])
    trainer.model.load_state_dict(state["model"])
    saved = state["optimizer"]
    tensors = {name: ops.tensor(array) for name, array in saved["state"].items()}
    trainer.optimizer.load_state_dict({**saved, "state": tensors})
    default_generator.set_state(own["random"]["default"])
    for path, numbers in own["random"]["model"].items():
        generators[path].set_state(numbers)
    loop.epoch, loop.batch, loop.step = state["epoch"], state["batch"], state["step"]
    trainer.history.restore(state["history"])
    trainer._step.training.restore(own["means"], device_of(trainer.model))
    trainer.stop_reason = state["stopped"]


def _array(tensor: Any) -> Any:
    """A copy; a NumPy array, but for types that NumPy lacks."""
    return _C.to_device(_C.copy(tensor.detach()), "cpu") if tensor.dtype == _C.bfloat16 else np.array(on_host(tensor))


def _generators(model: Module) -> Iterator[tuple[str, Generator]]:
    """Random generators that layers keep, by path."""
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, Generator):
                yield (f"{path}.{name}" if path else name), value
