"""Which dense layers see a flattened image: PyTorch flattens [C, H, W], we flatten [H, W, C]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _C, nn, ops
from ..autograd import no_grad
from ..nn.module import Module
from ..random import default_generator
from ..tensor import Tensor
from .layouts import own_tensors

__all__ = ["Image", "find_flattened", "in_our_order"]

Image = tuple[int, int, int]


def find_flattened(model: Module, input_shape: Sequence[int]) -> dict[str, Image]:
    """The [H, W, C] before the flattening, by the path of each layer whose tensors depend on its order.

    One sample of zeros goes through the model: from every :class:`tilegrad.nn.Flatten` the image is followed through
    layers that keep its shape (dropout, activations, normalisation, which is listed too) to the dense layer.

    Raises
    ------
    ArgumentError
        If a flattened image does not come to a dense layer that way.
    """
    trace = _Trace()
    handles = [m.register_forward_hook(trace.see) for m in model.modules() if not any(True for _ in m.named_children())]
    modes = [(module, module.training) for module in model.modules()]
    drawn = default_generator.state()
    try:
        model.build(input_shape, dtype=_dtype(model))
        if any(isinstance(module, nn.Flatten) and id(module) not in trace.seen for module in model.modules()):
            # Heads that are called in training alone; layers stay in evaluation, so that nothing changes.
            for module in model.modules():
                module.training = any(True for _ in module.named_children()) and not own_tensors(module)
            with no_grad():
                model(ops.zeros((1, *input_shape), _dtype(model)))
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode
        default_generator.set_state(drawn)
    paths = {id(module): path for path, module in model.named_modules()}
    lost = [paths[id(flatten)] for flatten, arrived in trace.flattened.values() if not arrived]
    if lost:
        raise _C.ArgumentError(
            f"load_torch: the image that {', '.join(lost)} flattens was not seen to come to a dense layer; say which "
            "layers see it and what it was, in our order: flattened={'classifier.0': (7, 7, 512)}, or {} if none does"
        )
    return {paths[layer]: image for layer, image in trace.found.items()}


def in_our_order(tensor: Tensor, image: Image) -> Tensor:
    """The first axis, of a flattened [C, H, W], in the order of a flattened [H, W, C]."""
    H, W, C = image
    rest = tensor.shape[1:]
    axes = (1, 2, 0, *range(3, 3 + len(rest)))
    return ops.reshape(ops.permute(ops.reshape(tensor, (C, H, W, *rest)), axes), tensor.shape)


def _dtype(model: Module) -> str:
    return next((p.dtype.name for m in model.modules() for _, p in own_tensors(m) if p.dtype.is_floating), "float32")


class _Trace:
    """Follows flattened images from layer to layer, by the identity of what they return."""

    def __init__(self) -> None:
        self.found: dict[int, Image] = {}
        self.seen: set[int] = set()
        self.flattened: dict[int, tuple[Module, bool]] = {}  # by layer: whether its image arrived at a dense layer
        self._carried: list[tuple[Tensor, Image, Module]] = []  # kept alive, so that no other takes their identity

    def see(self, layer: Module, inputs: tuple[Any, ...], output: Any) -> None:
        self.seen.add(id(layer))
        x = inputs[0] if inputs else None
        if isinstance(layer, nn.Flatten):
            if isinstance(x, Tensor) and x.ndim == 4 and x.shape[1] * x.shape[2] > 1 and x.shape[3] > 1:
                H, W, C = x.shape[1:]
                self._carried.append((output, (H, W, C), layer))
                self.flattened.setdefault(id(layer), (layer, False))
            return
        for carried, image, source in self._carried:
            if carried is x:
                self._arrive(layer, output, image, source)
                return

    def _arrive(self, layer: Module, output: Any, image: Image, source: Module) -> None:
        if isinstance(layer, nn.Linear):
            self.found[id(layer)] = image
            self.flattened[id(source)] = source, True
        elif getattr(output, "shape", None) == (1, image[0] * image[1] * image[2]):
            if own_tensors(layer):
                self.found[id(layer)] = image
            self._carried.append((output, image, source))
