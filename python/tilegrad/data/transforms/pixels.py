"""What pixels become: colours, boxes, units."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._C import ArgumentError
from .base import Compose, Transform
from .plan import Kind, Plan, bounds, number, pair, whole

__all__ = ["ColorJitter", "Cutout", "Normalize", "ToFloat"]


class ToFloat(Transform):
    """From 0 ... 255 to 0 ... 1; images of floats are taken to be there already.

    Examples
    --------
    >>> import numpy as np
    >>> from tilegrad.data.transforms import ToFloat
    >>> ToFloat()(np.array([[[0], [255]]], np.uint8))[..., 0]
    tensor([[0., 1.]])
    """

    def lower(self, plan: Plan) -> None:
        """A scale."""
        if plan.largest == 255:
            plan.scale(1 / 255, 0.0)
            plan.largest = 1.0


class Normalize(Transform):
    """``(value - mean) / std`` in every channel, in the units that images have at this place of the list.

    Parameters
    ----------
    mean, std
        Numbers, or one for each channel: of the training set alone. Behind :class:`ToFloat` they are shares of 255.

    Examples
    --------
    >>> import numpy as np
    >>> from tilegrad.data.transforms import Normalize
    >>> Normalize(128, 64)(np.array([[[0], [128], [192]]], np.uint8))[..., 0]
    tensor([[-2.,  0.,  1.]])
    """

    def __init__(self, mean: Any, std: Any) -> None:
        self.mean, self.std = _plain(mean), _plain(std)
        self._mean, self._std = _channels("mean", self.mean), _channels("std", self.std)
        if not (self._std > 0).all():
            raise ArgumentError(
                f"Normalize: std must be positive, found {std!r}; a channel that is the same everywhere "
                "has none: give it 1"
            )

    def lower(self, plan: Plan) -> None:
        """A scale."""
        for name, values in (("mean", self._mean), ("std", self._std)):
            if values.size not in (1, plan.C):
                raise ArgumentError(f"{self!r}: {name} has {values.size} numbers, but the images {plan.C} channels")
        plan.scale(1 / self._std, -self._mean / self._std)
        plan.largest = None


def _plain(value: Any) -> Any:
    """As Python's numbers, so that the repr can be evaluated."""
    return value.tolist() if hasattr(value, "tolist") else value


def _channels(name: str, value: Any) -> np.ndarray[Any, Any]:
    values = value if isinstance(value, (tuple, list)) else [value]
    if not values:
        raise ArgumentError(f"Normalize: {name} must be a number, or one for each channel; found none")
    return np.array([number("Normalize", name, v) for v in values])


class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue by random factors, in random order; for evaluation not at all.

    Values stay between 0 and the largest (255, or 1 for floats). Brightness multiplies; contrast blends with the
    image's mean grey, saturation with the pixel's (0.299 R + 0.587 G + 0.114 B); hue turns the colour circle. Grey
    images have neither saturation nor hue.

    Parameters
    ----------
    brightness, contrast, saturation
        Bounds of the factor, or one number d for (1 - d, 1 + d), at least 0.
    hue
        Bounds of the turn, within half a circle either way, or one number d for (-d, d).

    Raises
    ------
    ArgumentError
        When it is applied: images with neither 1 nor 3 channels; behind :class:`Normalize`.

    Examples
    --------
    >>> import numpy as np
    >>> from tilegrad.data.transforms import ColorJitter
    >>> ColorJitter(brightness=(2, 2))(np.array([[[10, 20, 200]]], np.uint8))[0]
    tensor([[ 20.,  40., 255.]])
    """

    def __init__(self, brightness: Any = 0.0, contrast: Any = 0.0, saturation: Any = 0.0, hue: Any = 0.0) -> None:
        self.brightness, self.contrast, self.saturation, self.hue = brightness, contrast, saturation, hue
        factors = (("brightness", brightness), ("contrast", contrast), ("saturation", saturation))
        self._bounds = [bounds("ColorJitter", name, value, 0.0, 1e3, around=1.0) for name, value in factors]
        self._bounds.append(bounds("ColorJitter", "hue", hue, -0.5, 0.5))

    def deterministic(self) -> Transform:
        """Nothing."""
        return Compose([])

    def lower(self, plan: Plan) -> None:
        """A jitter."""
        if plan.C not in (1, 3):
            raise ArgumentError(f"{self!r}: images must have 1 or 3 channels, found {plan.C}")
        if plan.largest is None:
            raise ArgumentError(f"{self!r}: must come before Normalize, whose results have no brightest value")
        plan.add(Kind.JITTER, *(bound for pair in self._bounds for bound in pair), plan.largest)


class Cutout(Transform):
    """Boxes around random pixels, filled; what lies outside the image is cut off. For evaluation none.

    Parameters
    ----------
    size
        Rows and columns of a box: an integer, or two.
    count
        How many boxes, at most 64.
    fill
        What they are filled with, in the units that images have at this place of the list: behind :class:`Normalize`, 0
        is the mean.

    Source: T. DeVries and G. Taylor, Improved regularization of convolutional neural networks with cutout, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from tilegrad.data.transforms import Cutout
    >>> Cutout(99, fill=7)(np.zeros((1, 2, 1), np.uint8))[..., 0]
    tensor([[7., 7.]])
    """

    def __init__(self, size: Any, count: int = 1, fill: float = 0.0) -> None:
        self.size, self.count, self.fill = size, count, fill
        self._size, self._count = pair("Cutout", "size", size), whole("Cutout", "count", count)
        self._fill = number("Cutout", "fill", fill)
        if self._count > 64:
            raise ArgumentError(f"Cutout: count must be at most 64, found {count}")

    def deterministic(self) -> Transform:
        """Nothing."""
        return Compose([])

    def lower(self, plan: Plan) -> None:
        """Boxes."""
        plan.add(Kind.CUTOUT, self._count, *self._size, self._fill)
