"""Images turned, shifted, scaled and sheared."""

from __future__ import annotations

import math
from typing import Any

from ..._C import ArgumentError
from .base import Compose, Transform
from .plan import Kind, Plan, border, bounds, nearest, number

__all__ = ["RandomAffine", "RandomRotation", "RandomShear", "RandomShift"]


class RandomAffine(Transform):
    """Turned, shifted, scaled and sheared around the middle, each by a uniform draw; for evaluation not at all.

    A pixel at p goes to m + t + s R S (p - m), with the middle m, the shift t, the factor s, the turn R and the shear
    S; of the shears that of columns comes first. Affine transforms that follow one another with the same border are one
    map, so that what leaves the image in between may come back.

    Parameters
    ----------
    degrees
        Counter-clockwise: bounds, or one number d for (-d, d).
    shift
        (rows, columns), each a number or bounds: integers count pixels, floats are shares of the image's size.
    scale
        Bounds of the factor: (0.9, 1.1).
    shear
        (columns, rows) in degrees, each a number or bounds: how far rows lean along the columns, and columns along the
        rows.
    interpolation
        ``"bilinear"`` or ``"nearest"``.
    padding_mode, fill
        What lies outside the image: see :class:`CenterCrop`.

    Examples
    --------
    >>> import numpy as np
    >>> from tilegrad.data.transforms import RandomAffine
    >>> RandomAffine(degrees=(90, 90))(np.array([[[1], [2]], [[3], [4]]], np.uint8)).round()[..., 0]
    tensor([[2., 4.],
            [1., 3.]])
    """

    def __init__(
        self,
        degrees: Any = 0.0,
        shift: Any = (0, 0),
        scale: Any = (1.0, 1.0),
        shear: Any = (0.0, 0.0),
        interpolation: str = "bilinear",
        padding_mode: str = "constant",
        fill: float = 0.0,
    ) -> None:
        self.degrees, self.shift, self.scale, self.shear = degrees, shift, scale, shear
        self.interpolation, self.padding_mode, self.fill = interpolation, padding_mode, fill
        owner = type(self).__name__
        for name, value, meaning in (("shift", shift, "(rows, columns)"), ("shear", shear, "(columns, rows)")):
            if not isinstance(value, (tuple, list)) or len(value) != 2:
                raise ArgumentError(f"{owner}: {name} must be two, {meaning}; found {value!r}")
        if not isinstance(scale, (tuple, list)):
            raise ArgumentError(f"{owner}: scale must be bounds of the factor, such as (0.9, 1.1); found {scale!r}")
        self._degrees = bounds(owner, "degrees", degrees, -1e6, 1e6)
        self._shift = [(bounds(owner, "shift", v, -1e6, 1e6), _counts_pixels(v)) for v in shift]
        self._scale = bounds(owner, "scale", scale, 1e-3, 1e3)
        self._shear = [bounds(owner, "shear", v, -89.0, 89.0) for v in shear]
        self._nearest = nearest(owner, interpolation)
        self._border, self._fill = border(owner, padding_mode), number(owner, "fill", fill)

    def deterministic(self) -> Transform:
        """Nothing."""
        return Compose([])

    def pixels(self, plan: Plan) -> list[tuple[float, float]]:
        """The bounds of the shift in pixels.

        Parameters
        ----------
        plan
            What has the sizes H and W of the images that are shifted.

        Returns
        -------
        list
            (least, most) along rows, then along columns: shares times H or W, numbers of pixels as they are.
        """
        return [
            bound if pixels else (bound[0] * size, bound[1] * size)
            for (bound, pixels), size in zip(self._shift, (plan.H, plan.W), strict=True)
        ]

    def lower(self, plan: Plan) -> None:
        """An affine map."""
        shifts = self.pixels(plan)
        values = (*self._degrees, *shifts[0], *shifts[1], *self._scale, *self._shear[0], *self._shear[1])
        plan.add(Kind.AFFINE, *values, border=self._border, nearest=self._nearest, fill=self._fill)


def _counts_pixels(value: Any) -> bool:
    """Whether a shift is of pixels rather than of shares of the size."""
    return all(isinstance(v, int) for v in (value if isinstance(value, (tuple, list)) else (value,)))


class _Affine(Transform):
    """A transform that is one part of an affine map."""

    _map: RandomAffine

    def deterministic(self) -> Transform:
        """Nothing."""
        return Compose([])

    def lower(self, plan: Plan) -> None:
        """An affine map."""
        self._map.lower(plan)


class RandomRotation(_Affine):
    """Turned around the middle by a uniform angle; for evaluation not at all.

    Parameters
    ----------
    degrees
        Counter-clockwise: bounds, or one number d for (-d, d).
    interpolation
        ``"bilinear"`` or ``"nearest"``.
    padding_mode, fill
        What lies outside the image: see :class:`CenterCrop`.

    Examples
    --------
    >>> import numpy as np
    >>> from tilegrad.data.transforms import RandomRotation
    >>> RandomRotation(15, padding_mode="edge")(np.ones((2, 8, 8, 3), np.uint8)).max()
    tensor(1.)
    """

    def __init__(
        self, degrees: Any, interpolation: str = "bilinear", padding_mode: str = "constant", fill: float = 0.0
    ) -> None:
        self.degrees, self.interpolation, self.padding_mode, self.fill = degrees, interpolation, padding_mode, fill
        self._map = _part("RandomRotation", degrees, (0, 0), (0.0, 0.0), interpolation, padding_mode, fill)


class RandomShift(_Affine):
    """Shifted by uniform draws along rows and columns; for evaluation not at all.

    Parameters
    ----------
    rows, columns
        How far, either way, or bounds: integers count pixels, floats are shares of the image's size.
    interpolation
        ``"nearest"`` shifts by whole pixels, each number of them equally likely; ``"bilinear"`` by parts of them too.
    padding_mode, fill
        What comes in from outside: see :class:`CenterCrop`.

    Examples
    --------
    >>> import numpy as np
    >>> from tilegrad.data.transforms import RandomShift
    >>> RandomShift(0, (1, 1), fill=9)(np.array([[[1], [2]]], np.uint8))[..., 0]
    tensor([[9., 1.]])
    """

    def __init__(
        self,
        rows: Any,
        columns: Any,
        interpolation: str = "nearest",
        padding_mode: str = "constant",
        fill: float = 0.0,
    ) -> None:
        self.rows, self.columns = rows, columns
        self.interpolation, self.padding_mode, self.fill = interpolation, padding_mode, fill
        self._map = _part("RandomShift", 0.0, (rows, columns), (0.0, 0.0), interpolation, padding_mode, fill)

    def lower(self, plan: Plan) -> None:
        """An affine map; of whole pixels a crop that goes beyond the image, which later maps can blend."""
        if self.interpolation == "bilinear":
            super().lower(plan)
            return
        places: list[int] = []
        for low, high in self._map.pixels(plan):
            first, last = math.ceil(low - 1e-9), math.floor(high + 1e-9)
            if first > last:
                raise ArgumentError(
                    f"{self!r}: no whole number of pixels is from {low:g} to {high:g}; take interpolation='bilinear'"
                )
            places += [-last, -first]
        plan.add(Kind.CROP, *places, size=(plan.H, plan.W), border=self._map._border, fill=self._map._fill)


class RandomShear(_Affine):
    """Sheared around the middle by uniform angles; for evaluation not at all.

    Parameters
    ----------
    columns
        How far rows lean along the columns, in degrees: bounds, or one number d for (-d, d).
    rows
        How far columns lean along the rows.
    interpolation
        ``"bilinear"`` or ``"nearest"``.
    padding_mode, fill
        What lies outside the image: see :class:`CenterCrop`.

    Examples
    --------
    >>> import numpy as np
    >>> from tilegrad.data.transforms import RandomShear
    >>> RandomShear(10)(np.zeros((2, 8, 8, 3), np.uint8)).shape
    (2, 8, 8, 3)
    """

    def __init__(
        self,
        columns: Any,
        rows: Any = 0.0,
        interpolation: str = "bilinear",
        padding_mode: str = "constant",
        fill: float = 0.0,
    ) -> None:
        self.columns, self.rows = columns, rows
        self.interpolation, self.padding_mode, self.fill = interpolation, padding_mode, fill
        self._map = _part("RandomShear", 0.0, (0, 0), (columns, rows), interpolation, padding_mode, fill)


def _part(
    owner: str, degrees: Any, shift: Any, shear: Any, interpolation: str, padding_mode: str, fill: float
) -> RandomAffine:
    """A RandomAffine whose errors are those of ``owner``."""
    named: type[RandomAffine] = type(owner, (RandomAffine,), {})
    return named(degrees, shift, (1.0, 1.0), shear, interpolation, padding_mode, fill)
