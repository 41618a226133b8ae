"""Layers without parameters that change the shape of each sample, or nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .. import _C, ops
from ..ops.arguments import integers
from ..tensor import Tensor
from .module import Module
from .registry import register

__all__ = ["Cropping2d", "Flatten", "Identity", "Lambda", "Permute", "Reshape", "Upsample", "ZeroPad2d"]


@register
class Flatten(Module):
    """All axes of a sample as one: [N, ...] to [N, D].

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.Flatten()(tg.zeros((5, 4, 4, 3))).shape
    (5, 48)
    """

    def forward(self, x: Tensor) -> Tensor:
        """[N, ...] to [N, D]."""
        if x.ndim == 0:
            raise _C.ShapeError("flatten: the input must have a batch axis, found a single number")
        return ops.reshape(x, (x.shape[0], math.prod(x.shape[1:])))


@register
class Reshape(Module):
    """Each sample in another shape; one size may be -1 and is inferred.

    Parameters
    ----------
    shape
        The sizes of a sample's axes, without the batch's: one integer or several.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.Reshape((8, 8, 1))(tg.zeros((5, 64))).shape
    (5, 8, 8, 1)
    """

    def __init__(self, shape: int | Sequence[int]) -> None:
        self.shape = integers("Reshape", "shape", shape)

    def forward(self, x: Tensor) -> Tensor:
        """[N, ...] to [N, *shape]."""
        shape = self.shape
        if x.ndim and not x.shape[0] and shape.count(-1) == 1:  # no element tells the size that is left out
            given, size = -math.prod(shape), math.prod(x.shape[1:])
            if given > 0 and size % given == 0:
                shape = tuple(size // given if axis == -1 else axis for axis in shape)
        return ops.reshape(x, (*x.shape[:1], *shape))


@register
class Permute(Module):
    """Each sample's axes in another order; axis 0, the batch, stays in front.

    Parameters
    ----------
    axes
        The numbers of the axes from 1 up in their new order: ``(2, 1)`` swaps those of [N, A, B].

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.Permute((2, 3, 1))(tg.zeros((5, 3, 8, 9))).shape
    (5, 8, 9, 3)
    """

    def __init__(self, axes: Sequence[int]) -> None:
        self.axes = tuple(axes)
        if sorted(self.axes) != list(range(1, len(self.axes) + 1)):
            raise _C.ArgumentError(
                f"Permute: axes must be the numbers 1 to {len(self.axes)} in some order, found {self.axes}"
            )

    def forward(self, x: Tensor) -> Tensor:
        """[N, ...] with the other axes in the new order."""
        return ops.permute(x, (0, *self.axes))


@register
class Identity(Module):
    """``x`` itself: for a place where a layer may be.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.Identity()(tg.ones(2))
    tensor([1., 1.])
    """

    def forward(self, x: Any) -> Any:
        """Of any shape."""
        return x


@register
class Lambda(Module):
    """Any function as a layer.

    A file cannot hold a function: :func:`tilegrad.save` keeps the weights of a model with one and not its architecture,
    and ``tg.load(path, into=model)`` fills a model that a program made. Write a class with ``@nn.register`` for more.

    Parameters
    ----------
    function
        Called with the layer's inputs, by place and by name; gradients flow through the ops inside.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.Lambda(lambda x: x * 2.0)(tg.ones(2))
    tensor([2., 2.])
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise _C.ArgumentError(f"Lambda: function must be callable, found {type(function).__name__}")
        self.function = function

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """What the function returns."""
        return self.function(*inputs, **named)


def _borders(layer: str, value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """((top, bottom), (left, right)) of an integer, (rows, columns) or all four."""
    try:
        both = (value, value) if isinstance(value, int) else tuple(value)
        rows, columns = ((side, side) if isinstance(side, int) else tuple(side) for side in both)
        (top, bottom), (left, right) = rows, columns
    except (TypeError, ValueError):
        top = bottom = left = right = -1
    if not all(isinstance(side, int) and side >= 0 for side in (top, bottom, left, right)):
        raise _C.ArgumentError(
            f"{layer}: expected a number of pixels, (rows, columns) or ((top, bottom), (left, right)), found {value!r}"
        )
    return (top, bottom), (left, right)


def _require_images(op: str, x: Tensor) -> None:
    if x.ndim != 4:
        raise _C.ShapeError(f"{op}: x must have 4 dimensions [N, H, W, C], found {list(x.shape)}")


@register
class ZeroPad2d(Module):
    """Zeros around images [N, H, W, C].

    Parameters
    ----------
    padding
        An integer for all sides, (rows, columns) or ((top, bottom), (left, right)).

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.ZeroPad2d(((1, 0), (2, 2)))(tg.zeros((5, 8, 8, 3))).shape
    (5, 9, 12, 3)
    """

    def __init__(self, padding: Any = 1) -> None:
        self.padding = _borders("ZeroPad2d", padding)

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, C] to [N, top + H + bottom, left + W + right, C]."""
        _require_images("zero_pad2d", x)
        return ops.pad(x, ((0, 0), *self.padding, (0, 0)))


@register
class Cropping2d(Module):
    """Images [N, H, W, C] without their border.

    Parameters
    ----------
    cropping
        An integer for all sides, (rows, columns) or ((top, bottom), (left, right)).

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.Cropping2d((1, 2))(tg.zeros((5, 8, 8, 3))).shape
    (5, 6, 4, 3)
    """

    def __init__(self, cropping: Any = 1) -> None:
        self.cropping = _borders("Cropping2d", cropping)

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, C] to [N, H - top - bottom, W - left - right, C]."""
        _require_images("cropping2d", x)
        return ops.crop(x, ((0, 0), *self.cropping, (0, 0)))


@register
class Upsample(Module):
    """Images [N, H, W, C] in another size; see :func:`tilegrad.interpolate` for the formulas.

    Parameters
    ----------
    size
        P and Q: an integer, or (rows, columns).
    scale_factor
        Instead of ``size``: P = floor(H·factor). A number, or two.
    mode
        ``"nearest"`` or ``"bilinear"``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.Upsample(scale_factor=2, mode="bilinear")(tg.zeros((5, 7, 7, 3))).shape
    (5, 14, 14, 3)
    """

    def __init__(self, size: Any = None, scale_factor: Any = None, mode: str = "nearest") -> None:
        if (size is None) == (scale_factor is None):
            raise _C.ArgumentError("Upsample: give either size or scale_factor")
        self.size, self.scale_factor, self.mode = size, scale_factor, mode

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, C] to [N, P, Q, C]."""
        return ops.interpolate(x, self.size, self.scale_factor, self.mode)
