"""Images and parts of them in another size."""

from __future__ import annotations

from typing import Any

from ..._C import ArgumentError
from .base import Transform
from .crops import CenterCrop
from .plan import Kind, Plan, bounds, nearest, number, pair

__all__ = ["CenterResizedCrop", "RandomResizedCrop", "Resize"]


class Resize(Transform):
    """The image in another size.

    Pixels are squares around their centres. The four around a place are blended, or the nearest taken: an image that is
    made smaller than half loses pixels between them, as it does by :func:`tilegrad.interpolate`; to shrink photographs,
    read them by ``ImageFolder(size=...)``.

    Parameters
    ----------
    size
        (rows, columns); or one integer, that the shorter side gets, while the other keeps its proportion.
    interpolation
        ``"bilinear"`` or ``"nearest"``.

    Examples
    --------
    >>> import numpy as np
    >>> from tilegrad.data.transforms import Resize
    >>> Resize(4)(np.array([[[0], [8]]], np.uint8))[0, :, 0]
    tensor([0., 0., 1., 3., 5., 7., 8., 8.])
    """

    def __init__(self, size: Any, interpolation: str = "bilinear") -> None:
        self.size, self.interpolation = size, interpolation
        self._size, self._nearest = pair("Resize", "size", size), nearest("Resize", interpolation)

    def lower(self, plan: Plan) -> None:
        """A new size."""
        size = self._size
        if not isinstance(self.size, (tuple, list)):
            short = min(plan.H, plan.W)
            size = (max(size[0] * plan.H // short, 1), max(size[0] * plan.W // short, 1))
        if size != (plan.H, plan.W):
            plan.add(Kind.RESIZE, size=size, border="edge", nearest=self._nearest)


class RandomResizedCrop(Transform):
    """A box of random size, shape and place, brought to one size: the augmentation of most results on ImageNet.

    The box has a uniform share of the image's area, and a ratio of width to height whose logarithm is uniform. After
    ten draws that do not fit it is the largest in the middle. For evaluation the middle is taken: of the largest box of
    the result's shape, seven eighths of each side.

    Parameters
    ----------
    size
        Rows and columns of the result: an integer, or two.
    scale, ratio
        Bounds of the share of the area, and of width / height.
    interpolation
        ``"bilinear"`` or ``"nearest"``.

    Source: C. Szegedy et al., Going deeper with convolutions, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from tilegrad.data.transforms import RandomResizedCrop
    >>> RandomResizedCrop(16)(np.zeros((2, 32, 40, 3), np.uint8)).shape
    (2, 16, 16, 3)
    """

    def __init__(
        self,
        size: Any,
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        interpolation: str = "bilinear",
    ) -> None:
        self.size, self.scale, self.ratio, self.interpolation = size, scale, ratio, interpolation
        owner = "RandomResizedCrop"
        self._size, self._nearest = pair(owner, "size", size), nearest(owner, interpolation)
        for name, value in (("scale", scale), ("ratio", ratio)):
            if not isinstance(value, (tuple, list)):
                raise ArgumentError(f"{owner}: {name} must be bounds, (least, most); found {value!r}")
        self._scale = bounds(owner, "scale", scale, 1e-6, 1.0)
        self._ratio = bounds(owner, "ratio", ratio, 1e-3, 1e3)

    def deterministic(self) -> Transform:
        """The middle."""
        return CenterResizedCrop(self.size, interpolation=self.interpolation)

    def lower(self, plan: Plan) -> None:
        """A box that is drawn, in a new size."""
        plan.add(
            Kind.RESIZED_CROP, *self._scale, *self._ratio, size=self._size, border="edge", nearest=self._nearest
        )  # fmt: skip


class CenterResizedCrop(Transform):
    """The largest box in the middle with the shape of the result, or a share of its sides, brought to that size.

    Parameters
    ----------
    size
        Rows and columns of the result: an integer, or two.
    share
        Of each side of the box.
    interpolation
        ``"bilinear"`` or ``"nearest"``.

    Examples
    --------
    >>> import numpy as np
    >>> from tilegrad.data.transforms import CenterResizedCrop
    >>> CenterResizedCrop(16)(np.zeros((2, 32, 40, 3), np.uint8)).shape
    (2, 16, 16, 3)
    """

    def __init__(self, size: Any, share: float = 0.875, interpolation: str = "bilinear") -> None:
        self.size, self.share, self.interpolation = size, share, interpolation
        self._size = pair("CenterResizedCrop", "size", size)
        self._share = number("CenterResizedCrop", "share", share, 1e-3, 1.0)
        self._nearest = nearest("CenterResizedCrop", interpolation)

    def lower(self, plan: Plan) -> None:
        """A crop, then a new size."""
        P, Q = self._size
        box = (min(plan.H, plan.W * P / Q), min(plan.W, plan.H * Q / P))
        rows, columns = (max(round(side * self._share), 1) for side in box)
        CenterCrop((rows, columns)).lower(plan)
        Resize(self._size, self.interpolation).lower(plan)
