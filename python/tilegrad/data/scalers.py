"""Features brought to a common scale, with statistics of the training set alone."""

from __future__ import annotations

import copy
import math
from typing import Any, TypeVar

import numpy as np

from .._C import ArgumentError, ShapeError
from ..numbers import check_number
from .dataset import NDArray, as_array
from .transforms import Normalize

__all__ = ["FixedScaler", "MinMaxScaler", "RunningStatistics", "StandardScaler"]

PIECE = 1 << 20  # elements that are made float64 at a time
Self = TypeVar("Self", bound="Scaler")


class RunningStatistics:
    """Mean, variance and bounds of data that comes in pieces.

    Pieces are joined by Chan's formulas, in float64: the mean of all is the weighted mean, and to the squared
    deviations comes the squared difference of the means, n m / (n + m) times.

    Parameters
    ----------
    axis
        The axes that statistics are taken over; the first must be one of them. 0: a statistic for each feature or
        pixel; (0, 1, 2): for each channel of images [N, H, W, C]; None: one for all.

    Attributes
    ----------
    count : int
        How many values each statistic is of.
    mean, low, high : numpy.ndarray
        float64, of the axes that are left.

    Source: T. Chan, G. Golub and R. LeVeque, Updating formulae and a pairwise algorithm for computing sample variances,
    1979.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> running = tg.data.RunningStatistics()
    >>> for batch in ([[1.0], [2.0]], [[6.0]]):
    ...     running.update(np.array(batch))
    >>> running.mean, running.variance()
    (array([3.]), array([4.66666667]))
    """

    def __init__(self, axis: int | tuple[int, ...] | None = 0) -> None:
        axes = (axis,) if isinstance(axis, int) else axis
        fits = isinstance(axes, (tuple, list)) and 0 in axes and all(type(a) is int and a >= 0 for a in axes)
        if axes is not None and not fits:
            raise ArgumentError(
                f"RunningStatistics: axis must be 0, axes from 0 up with 0 among them, or None; found {axis!r}"
            )
        self.axis = axis
        self.count = 0
        self.mean: NDArray = np.zeros(())
        self.low: NDArray = np.zeros(())
        self.high: NDArray = np.zeros(())
        self._squares: NDArray = np.zeros(())  # of the deviations from the mean

    def update(self, values: Any) -> None:
        """Add a piece of the data.

        Parameters
        ----------
        values
            [N, ...] of numbers or booleans; N may differ from piece to piece, and be 0. A NaN makes the statistics that
            it is part of NaN.

        Raises
        ------
        ShapeError
            If the piece lacks an axis of ``axis``, or its other axes are not those of the pieces before.
        DTypeError
            If it is of something else.
        """
        array = as_array(values, "RunningStatistics.update: values")
        axes = tuple(range(array.ndim)) if self.axis is None else np.atleast_1d(self.axis).tolist()
        if max(axes) >= array.ndim:
            raise ShapeError(f"RunningStatistics: values {list(array.shape)} have no axis {max(axes)}")
        left = tuple(size for d, size in enumerate(array.shape) if d not in axes)
        if self.count and left != self.mean.shape:
            raise ShapeError(
                f"RunningStatistics: values are {list(array.shape)}, but those before left {self.mean.shape}"
            )
        rows = max(PIECE // max(array[:1].size, 1), 1)
        for start in range(0, len(array), rows):
            self._join(array[start : start + rows], tuple(axes))

    def _join(self, piece: NDArray, axes: tuple[int, ...]) -> None:
        values = piece.astype(np.float64)
        if not values.size:
            return
        count = values.size // max(int(np.prod([s for d, s in enumerate(values.shape) if d not in axes])), 1)
        mean = values.mean(axis=axes)
        squares = np.square(values - np.expand_dims(mean, axes)).sum(axis=axes)
        low, high = values.min(axis=axes), values.max(axis=axes)
        if not self.count:
            self.count, self.mean, self._squares, self.low, self.high = count, mean, squares, low, high
            return
        total, difference = self.count + count, mean - self.mean
        self.mean = self.mean + difference * (count / total)
        self._squares = self._squares + squares + np.square(difference) * (self.count * count / total)
        self.low, self.high, self.count = np.minimum(self.low, low), np.maximum(self.high, high), total

    def variance(self, unbiased: bool = False) -> NDArray:
        """The mean squared deviation from the mean.

        Parameters
        ----------
        unbiased
            Whether the sum is divided by ``count - 1`` instead of ``count``.

        Returns
        -------
        numpy.ndarray
            float64, of the axes that are left.

        Raises
        ------
        ArgumentError
            If that divisor is not positive.
        """
        divisor = self.count - 1 if unbiased else self.count
        if divisor < 1:
            raise ArgumentError(f"RunningStatistics: {self.count} values have no such variance")
        result: NDArray = self._squares / divisor
        return result

    def std(self, unbiased: bool = False) -> NDArray:
        """The standard deviation: the square root of :meth:`variance`.

        Parameters
        ----------
        unbiased
            As of :meth:`variance`.

        Returns
        -------
        numpy.ndarray
            float64, of the axes that are left.

        Raises
        ------
        ArgumentError
            As of :meth:`variance`.
        """
        result: NDArray = np.sqrt(self.variance(unbiased))
        return result


class Scaler:
    """What scalers have in common: ``fit`` to the training data, then ``transform`` that and all else by the same
    numbers.
    """

    shift: NDArray | None = None
    scale: NDArray | None = None
    axis: int | tuple[int, ...] | None

    def __init__(self, axis: int | tuple[int, ...] | None = 0) -> None:
        self.axis = axis
        self._statistics = RunningStatistics(axis)

    def fit(self: Self, values: Any) -> Self:
        """Take the statistics of the training data [N, ...]; those of an earlier ``fit`` are forgotten."""
        return self._take(RunningStatistics(self.axis), values)

    def partial_fit(self: Self, values: Any) -> Self:
        """Add a piece of the training data to the statistics: for data that is larger than memory."""
        return self._take(copy.copy(self._statistics), values)

    def _take(self: Self, statistics: RunningStatistics, values: Any) -> Self:
        """Add values to statistics and go by them; after an error all is as it was."""
        with np.errstate(invalid="ignore"):
            statistics.update(values)
        if not statistics.count:
            raise ArgumentError(f"{type(self).__name__}.fit: there are no values")
        finite = np.isfinite(statistics.mean)
        if not finite.all():
            feature = f" of feature {np.argwhere(~finite)[0].tolist()}" if finite.ndim else ""
            raise ArgumentError(
                f"{type(self).__name__}.fit: values{feature} are NaN or infinite, and would make all of it NaN; leave "
                "their samples out, or replace them first"
            )
        self.shift, self.scale = self._numbers(statistics)
        self._statistics = statistics
        return self

    def _numbers(self, statistics: RunningStatistics) -> tuple[NDArray, NDArray]:
        """What is subtracted, and what is divided by."""
        raise NotImplementedError

    def transform(self, values: Any) -> NDArray:
        """``(values - shift) / scale``: float64 stays, everything else becomes float32."""
        array, shift, scale = self._fitted(values)
        if array.dtype == np.float64:
            return (array - shift) / scale
        if array.dtype.kind in "iu" and array.dtype.itemsize > 2:  # a date in seconds has more digits than float32
            exact: NDArray = ((array - shift) / scale).astype(np.float32)
            return exact
        # float32 throughout, in one array of the result's size.
        result = array.astype(np.float32)
        result -= shift.astype(np.float32)
        result /= scale.astype(np.float32)
        return result

    def fit_transform(self, values: Any) -> NDArray:
        """``fit``, then ``transform`` the same values."""
        return self.fit(values).transform(values)

    def inverse(self, values: Any) -> NDArray:
        """Undo ``transform``."""
        array, shift, scale = self._fitted(values)
        dtype = np.float64 if array.dtype == np.float64 else np.float32
        result: NDArray = array.astype(dtype) * scale.astype(dtype) + shift.astype(dtype)
        return result

    def _fitted(self, values: Any) -> tuple[NDArray, NDArray, NDArray]:
        if self.shift is None or self.scale is None:
            raise ArgumentError(f"{type(self).__name__}: not fitted yet; call fit() with the training data first")
        array = as_array(values, f"{type(self).__name__}: values")
        if self.axis is None:
            return array, self.shift, self.scale
        axes = np.atleast_1d(self.axis).tolist()
        if array.ndim != self.shift.ndim + len(axes):
            raise ShapeError(
                f"{type(self).__name__}: values {list(array.shape)} have not the {self.shift.ndim + len(axes)} axes of "
                "the training data"
            )
        shift, scale = np.expand_dims(self.shift, axes), np.expand_dims(self.scale, axes)
        if any(s not in (1, n) for s, n in zip(shift.shape, array.shape, strict=True)):
            raise ShapeError(
                f"{type(self).__name__}: values {list(array.shape)} do not fit the statistics of the training data, "
                f"{list(self.shift.shape)}"
            )
        return array, shift, scale

    def as_transform(self) -> Normalize:
        """The same as a transform of image batches, for statistics of channels, or one for all.

        Examples
        --------
        >>> import numpy as np, tilegrad as tg
        >>> images = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
        >>> tg.data.StandardScaler(axis=(0, 1, 2)).fit(images).as_transform().mean
        [10.5, 11.5, 12.5]
        """
        if self.shift is None or self.scale is None or self.shift.ndim > 1:
            raise ArgumentError(
                f"{type(self).__name__}: a transform needs statistics of channels: axis=(0, 1, 2), and fit()"
            )
        return Normalize(self.shift, self.scale)


class StandardScaler(Scaler):
    """``(x - mean) / std``, with the mean and the standard deviation of the training data; where that is 0, 1 instead.

    Parameters
    ----------
    axis
        The axes that statistics are taken over: 0 for each feature or pixel by itself, (0, 1, 2) for each channel of
        images [N, H, W, C], None for one of all.

    Attributes
    ----------
    shift, scale : numpy.ndarray
        The mean and the standard deviation, float64.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> scaler = tg.data.StandardScaler()
    >>> scaler.fit_transform(np.array([[1.0, 10.0], [3.0, 30.0]]))
    array([[-1., -1.],
           [ 1.,  1.]])
    >>> scaler.transform(np.array([[2.0, 40.0]]))
    array([[0., 2.]])
    """

    def _numbers(self, statistics: RunningStatistics) -> tuple[NDArray, NDArray]:
        std, varies = statistics.std(), statistics.high > statistics.low
        # The mean of equal numbers is rounded: the deviation of many a 0.1 is not 0, but of the size of its last digit.
        return np.where(varies, statistics.mean, statistics.low), np.where(varies & (std > 0), std, 1.0)


class MinMaxScaler(Scaler):
    """Brought to the range from ``low`` to ``high`` by the least and the greatest value of the training data.

    Other data may lie outside of it. Where all values are the same they become ``low``.

    Parameters
    ----------
    low, high
        The range.
    axis
        As for :class:`StandardScaler`.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> tg.data.MinMaxScaler(-1, 1).fit_transform(np.array([[1.0], [2.0], [5.0]]))
    array([[-1. ],
           [-0.5],
           [ 1. ]])
    """

    def __init__(self, low: float = 0.0, high: float = 1.0, axis: int | tuple[int, ...] | None = 0) -> None:
        if not check_number("MinMaxScaler", "low", low, -math.inf) < check_number(
            "MinMaxScaler", "high", high, -math.inf
        ):
            raise ArgumentError(f"MinMaxScaler: low must be below high, found {low!r} and {high!r}")
        super().__init__(axis)
        self.low, self.high = low, high

    def _numbers(self, statistics: RunningStatistics) -> tuple[NDArray, NDArray]:
        span = statistics.high - statistics.low
        scale = np.where(span > 0, span, 1.0) / (self.high - self.low)
        return statistics.low - self.low * scale, scale


class FixedScaler(Scaler):
    """``(x - shift) / scale`` by given numbers: by default bytes to numbers from -1 up to 1, ``(x - 128) / 128``.

    There is nothing to fit: ``fit`` does nothing, and values of any shape [N, ...] are scaled.

    Parameters
    ----------
    shift
        What is subtracted.
    scale
        What is divided by; positive.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> tg.data.FixedScaler().transform(np.array([0, 128, 255], np.uint8))
    array([-1.       ,  0.       ,  0.9921875], dtype=float32)
    """

    def __init__(self, shift: float = 128.0, scale: float = 128.0) -> None:
        shift = check_number("FixedScaler", "shift", shift, -math.inf)
        scale = check_number("FixedScaler", "scale", scale, open_low=True)
        super().__init__(None)
        self.shift, self.scale = np.asarray(shift), np.asarray(scale)

    def _take(self: Self, statistics: RunningStatistics, values: Any) -> Self:
        return self  # its numbers are fixed
