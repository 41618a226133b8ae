"""What ops check before they ask their arguments for anything."""

from __future__ import annotations

from typing import Any

from .. import _C


def require_tensor(op: str, x: Any) -> None:
    """Raise where something else than a tensor was given."""
    if not isinstance(x, _C.TensorBase):
        raise _C.DTypeError(
            f"{op}: expected a tensor, found {type(x).__name__} (tg.tensor() makes one from other data)"
        )


def require_tensors(op: str, **arguments: Any) -> None:
    """The same of several, by name."""
    for name, x in arguments.items():
        if not isinstance(x, _C.TensorBase):
            raise _C.DTypeError(
                f"{op}: {name} must be a tensor, found {type(x).__name__}; tg.tensor() makes one from other data"
            )
