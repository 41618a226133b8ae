"""The layer's path in front of an error: ``features.3 (Conv2d): conv2d: ...``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .._C import TilegradError
    from .module import Module

__all__ = ["name_layer"]


def name_layer(error: TilegradError, module: Module) -> None:
    """Tell in the error's message which layer raised it, as seen from ``module``.

    Every module on the way up calls this. The first one is where the error happened; each later one sees further and
    writes the same message with a longer path, so that the path stands there once.
    """
    notes: dict[str, Any] = error.__dict__
    if "layer" not in notes:
        notes["layer"], notes["plain"] = module, str(error)
    layer = notes["layer"]
    path = next((path for path, found in module.named_modules() if found is layer), "")
    kind = type(layer).__name__
    error.args = (f"{path} ({kind}): {notes['plain']}" if path else f"{kind}: {notes['plain']}",)
