"""A callback from functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ... import _C
from ..callback import Callback

__all__ = ["LambdaCallback"]


class LambdaCallback(Callback):
    """Calls functions, each in place of the method of its name.

    Parameters
    ----------
    functions
        ``on_epoch_end=lambda trainer, epoch, results: ...`` and so on: see :class:`tilegrad.train.Callback`.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> model = tg.nn.Sequential(tg.nn.Linear(2, 1))
    >>> trainer = tg.train.Trainer(model, tg.nn.MSELoss(), tg.optim.SGD(model.parameters(), lr=0.1))
    >>> show = tg.train.LambdaCallback(on_epoch_end=lambda trainer, epoch, results: print("epoch", epoch))
    >>> x, y = np.ones((8, 2), np.float32), np.ones((8, 1), np.float32)
    >>> history = trainer.fit((x, y), 2, callbacks=[show], verbose=0)
    epoch 0
    epoch 1
    """

    def __init__(self, **functions: Callable[..., Any]) -> None:
        known = [name for name in vars(Callback) if name.startswith("on_")]
        for name, function in functions.items():
            if name not in known or not callable(function):
                raise _C.ArgumentError(
                    f"LambdaCallback: {name}={function!r} must be a function under one of {', '.join(known)}"
                )
        self._functions = functions


def _calling(name: str) -> Callable[..., None]:
    def method(self: LambdaCallback, *arguments: Any) -> None:
        if name in self._functions:
            self._functions[name](*arguments)

    method.__doc__ = f"Call the function given as ``{name}``."
    return method


for _name in [name for name in vars(Callback) if name.startswith("on_")]:
    setattr(LambdaCallback, _name, _calling(_name))
