"""Where tensors are: batches go to the model's device, what is looked at comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _C
from ..structure import replace

if TYPE_CHECKING:
    from ..nn.module import Module

__all__ = ["device_of", "on_device", "on_host"]


def device_of(model: Module) -> str:
    """The device of a model's first parameter; ``"cpu"`` without any."""
    return next((parameter.device for parameter in model.parameters()), "cpu")


def on_device(value: Any, device: str) -> Any:
    """A structure of tensors on a device. For the CPU itself: nobody makes batches elsewhere for it."""
    if device == "cpu":
        return value
    return replace(value, lambda part: _is_elsewhere(part, device), lambda tensor: _C.to_device(tensor, device))


def on_host(tensor: Any) -> Any:
    """A tensor as a NumPy array, which shares its memory where that is the host's."""
    tensor = tensor.detach()
    return (_C.to_device(tensor, "cpu") if tensor.device != "cpu" else tensor).numpy()


def _is_elsewhere(value: Any, device: str) -> bool:
    return isinstance(value, _C.TensorBase) and value.device != device
