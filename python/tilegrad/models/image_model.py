"""ImageModel: named parts in a row, with the preprocessing that they expect and heads for training on the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from .. import _C, nn, ops
from ..nn.arguments import check_size
from ..nn.module import Given
from ..tensor import Tensor
from .preprocessing import Preprocessing

__all__ = ["AuxiliaryLoss", "ImageModel", "Outputs"]


class Outputs(NamedTuple):
    """What a model with auxiliary heads returns while it is trained.

    Examples
    --------
    >>> import tilegrad as tg
    >>> logits, (first, second) = tg.models.googlenet(5, aux_heads=True)(tg.zeros((1, 64, 64, 3)))
    >>> logits.shape, first.shape, second.shape
    ((1, 5), (1, 5), (1, 5))
    """

    logits: Tensor
    auxiliary: tuple[Tensor, ...]


@nn.register("models.ImageModel")
class ImageModel(nn.Sequential):
    """Modules called one after the other, as :class:`tilegrad.nn.Sequential`, that know how their images are prepared.

    A part may be replaced, such as the head for other classes (``model.fc = nn.Linear(512, 5)``): :func:`tilegrad.save`
    writes the model as it is.

    Parameters
    ----------
    parts
        The modules by name, in order.
    preprocessing
        A :class:`Preprocessing`, or its fields as a dictionary.
    heads
        For auxiliary classifiers: the name of a part, and the name of the head that sees its output while the model is
        trained. Heads are parts too, and are not called in the row.

    Examples
    --------
    >>> import tilegrad as tg
    >>> model = tg.models.ImageModel({"flatten": tg.nn.Flatten(), "fc": tg.nn.Linear(12, 3)})
    >>> model(tg.zeros((5, 2, 2, 3))).shape
    (5, 3)
    """

    def __init__(
        self,
        parts: Mapping[str, nn.Module],
        preprocessing: Preprocessing | Mapping[str, Any] | None = None,
        heads: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(dict(parts))
        for name in (*(heads or {}), *(heads or {}).values()):
            if name not in self._modules:
                raise _C.ArgumentError(f"ImageModel: heads name the part {name!r}, which is not among the parts")
        if isinstance(preprocessing, Mapping):
            preprocessing = Preprocessing(**preprocessing)
        self.preprocessing: Preprocessing | None = preprocessing
        self.heads = dict(heads or {})

    def forward(self, x: Tensor) -> Any:
        """Images [N, H, W, C] to the last part's output; while training a model with heads, to :class:`Outputs`."""
        auxiliary = []
        asides = set(self.heads.values())
        for name, module in self._modules.items():
            if name in asides:
                continue
            x = module(x)
            if self.training and name in self.heads:
                auxiliary.append(self._modules[self.heads[name]](x))
        return Outputs(x, tuple(auxiliary)) if auxiliary else x

    def config(self) -> Given:
        """The parts, the preprocessing and the heads; see :meth:`tilegrad.nn.Module.config`."""
        named: dict[str, Any] = {}
        if self.preprocessing is not None:
            named["preprocessing"] = dataclasses.asdict(self.preprocessing)
        if self.heads:
            named["heads"] = self.heads
        return Given([dict(self._modules)], named)


class AuxiliaryLoss(nn.Module):
    """The loss of the logits plus ``weight`` times the loss of each auxiliary head.

    Parameters
    ----------
    loss
        ``loss(logits, target)``.
    weight
        0.3 in the GoogLeNet paper; 0.4 is usual for Inception-v3.

    Examples
    --------
    >>> import tilegrad as tg
    >>> loss = tg.models.AuxiliaryLoss(tg.nn.MSELoss(), weight=0.5)
    >>> outputs = tg.models.Outputs(tg.ones(2), (tg.zeros(2),))
    >>> loss(outputs, tg.zeros(2))
    tensor(1.)
    >>> loss(tg.ones(2), tg.zeros(2))  # in evaluation a model returns the logits alone
    tensor(1.)
    """

    def __init__(self, loss: nn.Module, weight: float = 0.3) -> None:
        self.loss, self.weight = loss, weight

    def forward(self, outputs: Outputs | Tensor, target: Tensor) -> Tensor:
        """The logits alone or with those of the heads, and the target, to a scalar."""
        if not isinstance(outputs, Outputs):
            return self.loss(outputs, target)  # type: ignore[no-any-return]
        total: Tensor = self.loss(outputs.logits, target)
        for logits in outputs.auxiliary:
            total = ops.add(total, ops.multiply(self.loss(logits, target), self.weight))
        return total


def check_classes(model: str, num_classes: int) -> int:
    """A number of classes, from 1 up."""
    return check_size(model, "num_classes", num_classes)
