"""Crops and flips."""

from __future__ import annotations

from typing import Any

from ..._C import ArgumentError
from .base import Compose, Transform
from .plan import Kind, Plan, border, number, pair, probability, sides

__all__ = ["CenterCrop", "RandomCrop", "RandomHorizontalFlip", "RandomVerticalFlip"]


class CenterCrop(Transform):
    """The middle of the image; where the image is smaller, it is padded.

    Parameters
    ----------
    size
        Rows and columns of the result: an integer, or two. Of an odd rest the smaller half is cut off at the top and
        left.
    padding_mode
        What lies outside: ``"constant"``, ``"edge"`` (the nearest pixel) or ``"reflect"`` (mirrored at the middle of
        the outermost pixel).
    fill
        The constant, in the units of the image.

    Examples
    --------
    >>> import numpy as np
    >>> from tilegrad.data.transforms import CenterCrop
    >>> CenterCrop(2)(np.arange(16, dtype=np.uint8).reshape(4, 4, 1))[..., 0]
    tensor([[ 5.,  6.],
            [ 9., 10.]])
    """

    def __init__(self, size: Any, padding_mode: str = "constant", fill: float = 0.0) -> None:
        self.size, self.padding_mode, self.fill = size, padding_mode, fill
        self._size = pair("CenterCrop", "size", size)
        self._border, self._fill = border("CenterCrop", padding_mode), number("CenterCrop", "fill", fill)

    def lower(self, plan: Plan) -> None:
        """A crop whose place is given."""
        row, column = (plan.H - self._size[0]) // 2, (plan.W - self._size[1]) // 2
        rule = self._border if row < 0 or column < 0 else "none"
        plan.add(Kind.CROP, row, row, column, column, size=self._size, border=rule, fill=self._fill)


class RandomCrop(Transform):
    """A part of the padded image, from a random place.

    For evaluation the middle is taken. Every place is equally likely. With ``padding=4`` it is the augmentation of most
    results on CIFAR-10.

    Parameters
    ----------
    size
        Rows and columns of the result: an integer, or two.
    padding
        Pixels around the image: an integer, (rows, columns) or ((top, bottom), (left, right)).
    padding_mode, fill
        What is in them: see :class:`CenterCrop`.

    Raises
    ------
    ArgumentError
        When it is applied, if the padded image is smaller than ``size``.

    Examples
    --------
    >>> import numpy as np
    >>> from tilegrad.data.transforms import RandomCrop
    >>> RandomCrop(24)(np.zeros((5, 28, 28, 1), np.uint8)).shape
    (5, 24, 24, 1)
    """

    def __init__(self, size: Any, padding: Any = 0, padding_mode: str = "constant", fill: float = 0.0) -> None:
        self.size, self.padding, self.padding_mode, self.fill = size, padding, padding_mode, fill
        self._size, self._padding = pair("RandomCrop", "size", size), sides("RandomCrop", padding)
        self._border, self._fill = border("RandomCrop", padding_mode), number("RandomCrop", "fill", fill)

    def deterministic(self) -> Transform:
        """The middle of the image."""
        return CenterCrop(self.size, self.padding_mode, self.fill)

    def lower(self, plan: Plan) -> None:
        """A crop from a place between two."""
        top, bottom, left, right = self._padding
        rows, columns = plan.H + top + bottom - self._size[0], plan.W + left + right - self._size[1]
        if rows < 0 or columns < 0:
            raise ArgumentError(
                f"{self!r}: an image of {plan.H} x {plan.W} with its padding is {plan.H + top + bottom} x "
                f"{plan.W + left + right}, smaller than the crop; pad more or resize first"
            )
        rule = self._border if any(self._padding) else "none"
        plan.add(
            Kind.CROP, -top, rows - top, -left, columns - left, size=self._size, border=rule, fill=self._fill
        )  # fmt: skip


class RandomHorizontalFlip(Transform):
    """Left and right exchanged, for each image by itself; for evaluation never.

    Parameters
    ----------
    p
        The probability, from 0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from tilegrad.data.transforms import RandomHorizontalFlip
    >>> RandomHorizontalFlip(1.0)(np.array([[[1], [2]]], np.uint8))[..., 0]
    tensor([[2., 1.]])
    """

    def __init__(self, p: float = 0.5) -> None:
        self.p = p
        self._p = probability(type(self).__name__, p)

    def deterministic(self) -> Transform:
        """Nothing."""
        return Compose([])

    def lower(self, plan: Plan) -> None:
        """A flip."""
        plan.add(Kind.FLIP, 1, probability=self._p)


class RandomVerticalFlip(RandomHorizontalFlip):
    """Top and bottom exchanged, for each image by itself; for evaluation never.

    Parameters
    ----------
    p
        The probability, from 0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from tilegrad.data.transforms import RandomVerticalFlip
    >>> RandomVerticalFlip(1.0)(np.array([[[1]], [[2]]], np.uint8))[:, 0, 0]
    tensor([2., 1.])
    """

    def lower(self, plan: Plan) -> None:
        """A flip."""
        plan.add(Kind.FLIP, 0, probability=self._p)
