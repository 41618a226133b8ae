"""Numbers that tell how arrays are: histograms, norms, dead and saturated units."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..numbers import check_count

__all__ = [
    "ActivationStatistics",
    "Histogram",
    "ParameterStatistics",
    "dead_units",
    "histogram",
    "norm",
    "saturated_units",
]

NDArray = np.ndarray[Any, Any]

BINS = 32
# Values that a histogram is made of at most: 2,048 put each of 32 bins within 1 % of the whole at two standard errors,
# and take some 20 us whatever the size of the layer.
MOST_VALUES = 2048

# A unit is taken as saturated where its slope is, in the mean over the samples, under this share of its steepest: it
# learns ten times as slowly as a free one.
FLAT = 0.1
# Slopes by outputs, as shares of the steepest: tanh' = 1 - y^2 and sigmoid' = y (1 - y), at most 1 and 1/4.
_SLOPES = {"tanh": lambda y: 1 - y * y, "sigmoid": lambda y: 4 * y * (1 - y)}


@dataclass(frozen=True)
class Histogram:
    """How often values fall into bins of equal width.

    Attributes
    ----------
    low, high : float
        The smallest and the largest finite value that was counted; 0 where there is none.
    counts : list of int
        By bin, from low to high; of every k-th value where there are many. Equal values are all in the first.
    not_finite : int
        How many of the values counted were NaN or infinite; they are in no bin.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> h = tg.inspect.histogram(np.float32([0, 1, 1, 4]), bins=4)
    >>> h.counts, h.edges.tolist()
    ([1, 2, 0, 1], [0.0, 1.0, 2.0, 3.0, 4.0])
    """

    low: float
    high: float
    counts: list[int]
    not_finite: int = 0

    @property
    def edges(self) -> NDArray:
        """The bounds of the bins, one more than there are bins."""
        return np.linspace(self.low, self.high, len(self.counts) + 1)


def histogram(values: NDArray, bins: int = BINS, most: int = MOST_VALUES) -> Histogram:
    """The histogram of an array's values, of at most ``most`` of them, evenly spaced in memory.

    Parameters
    ----------
    values
        A NumPy array of any shape, of real numbers or booleans; also without elements.
    bins
        How many bins there are, of equal width, from the smallest finite value that is counted to the largest.
    most
        Of larger arrays every k-th value is counted, for the least odd k that leaves no more than these.

    Returns
    -------
    Histogram
        Of the values that are counted.

    Raises
    ------
    ArgumentError
        If ``bins`` or ``most`` is no positive integer.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> tg.inspect.histogram(np.float32([0, 1, np.nan]), bins=2)
    Histogram(low=0.0, high=1.0, counts=[1, 1], not_finite=1)
    """
    for name, value in (("bins", bins), ("most", most)):
        check_count("histogram", name, value)
    flat = values.reshape(-1)
    if flat.size > most:
        # An odd step, so that it does not run along the same channel all the time.
        flat = flat[:: -(-flat.size // most) | 1]
    not_finite = 0
    low, high = (float(flat.min()), float(flat.max())) if flat.size else (0.0, 0.0)
    if not math.isfinite(high - low):
        finite = flat[np.isfinite(flat)]
        not_finite, flat = flat.size - finite.size, finite.astype(np.float64)
        low, high = (float(flat.min()), float(flat.max())) if flat.size else (0.0, 0.0)
    if 0 < high - low < math.inf and math.isfinite(bins / (high - low)):
        places = ((flat.astype(np.float64) - low) * (bins / (high - low))).astype(np.int64)
        counts = np.bincount(np.minimum(places, bins - 1), minlength=bins)
    else:
        counts = np.zeros(bins, np.int64)
        counts[0] = flat.size
    return Histogram(low, high, counts.tolist(), int(not_finite))


def norm(values: NDArray) -> float:
    """The square root of the sum of squares, in float64 where float32 would overflow."""
    flat = values.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(np.dot(flat, flat))
        if math.isinf(total):
            wide = flat.astype(np.float64)
            total = float(np.dot(wide, wide))
    return math.sqrt(total) if total >= 0 else math.nan


def dead_units(outputs: NDArray) -> NDArray:
    """Which units of a ReLU layer gave 0 for all samples and positions: bool [C] for outputs [N, ..., C]."""
    columns = outputs.reshape(-1, outputs.shape[-1])
    if not len(columns):
        return np.zeros(outputs.shape[-1], bool)
    dead: NDArray = columns.max(axis=0) <= 0
    return dead


def saturated_units(outputs: NDArray, kind: str) -> NDArray:
    """Which units of a tanh or sigmoid layer had a mean slope under 10 % of the steepest: bool [C] for [N, ..., C]."""
    columns = outputs.reshape(-1, outputs.shape[-1])
    if not len(columns):
        return np.zeros(outputs.shape[-1], bool)
    saturated: NDArray = _SLOPES[kind](columns).mean(axis=0) < FLAT
    return saturated


@dataclass(frozen=True)
class ParameterStatistics:
    """A parameter at one step: ``monitor.inspections[-1].parameters["0.weight"]``.

    Attributes
    ----------
    norm : float
        |w|, before the update.
    gradient_norm : float or None
        |g| of the loss; None where the parameter is frozen or was not used.
    update_ratio : float or None
        |w after the update - w| / |w|, healthy near 1e-3; None where nothing was updated or w is 0.
    weights : Histogram
        Of w.
    gradients : Histogram or None
        Of g, where there is one.

    Examples
    --------
    >>> import tilegrad as tg
    >>> weights = tg.inspect.Histogram(-1.0, 1.0, [3, 3])
    >>> tg.inspect.ParameterStatistics(1.5, 0.1, 1e-3, weights, None).update_ratio
    0.001
    """

    norm: float
    gradient_norm: float | None
    update_ratio: float | None
    weights: Histogram
    gradients: Histogram | None

    @classmethod
    def of_tree(cls, tree: dict[str, Any]) -> ParameterStatistics:
        """The statistics of a tree.

        Parameters
        ----------
        tree
            What :func:`dataclasses.asdict` made of them.

        Returns
        -------
        ParameterStatistics
            Equal to those.
        """
        gradients = tree["gradients"]
        return cls(
            **{
                **tree,
                "weights": Histogram(**tree["weights"]),
                "gradients": None if gradients is None else Histogram(**gradients),
            }
        )


@dataclass(frozen=True)
class ActivationStatistics:
    """What a layer returned in one step: ``monitor.inspections[-1].activations["1"]``.

    Attributes
    ----------
    kind : str
        ``"relu"``, ``"tanh"``, ``"sigmoid"``, or ``""`` for a layer without an activation that saturates.
    mean, std : float
        Of all values; of every k-th in large outputs.
    dead : float or None
        The share of the units of a ReLU that were 0 for the whole batch; None for other layers.
    saturated : float or None
        The share of the units of a tanh or sigmoid whose mean slope was under 10 % of the steepest; else None.
    outputs : Histogram
        Of the values.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> found = tg.inspect.ActivationStatistics.of("relu", np.float32([[0, 1], [0, 3]]))
    >>> found.mean, found.dead
    (1.0, 0.5)
    """

    kind: str
    mean: float
    std: float
    dead: float | None
    saturated: float | None
    outputs: Histogram

    @classmethod
    def of(cls, kind: str, outputs: NDArray) -> ActivationStatistics:
        """The statistics of what a layer returned.

        Parameters
        ----------
        kind
            The layer's, as above; of another kind no unit is dead or saturated.
        outputs
            A NumPy array of numbers [N, ..., C], with C units. Without elements all numbers are 0.

        Returns
        -------
        ActivationStatistics
            Of these outputs.
        """
        sample = outputs.reshape(-1)
        if sample.size > 16 * MOST_VALUES:  # mean and deviation within 1 % of the latter
            sample = sample[:: -(-sample.size // (16 * MOST_VALUES)) | 1]
        with np.errstate(over="ignore", invalid="ignore"):
            mean, std = (float(sample.mean()), float(sample.std())) if sample.size else (0.0, 0.0)
        return cls(
            kind,
            mean,
            std,
            float(dead_units(outputs).mean()) if kind == "relu" and outputs.ndim else None,
            float(saturated_units(outputs, kind).mean()) if kind in _SLOPES and outputs.ndim else None,
            histogram(outputs),
        )

    @classmethod
    def of_tree(cls, tree: dict[str, Any]) -> ActivationStatistics:
        """The statistics of a tree.

        Parameters
        ----------
        tree
            What :func:`dataclasses.asdict` made of them.

        Returns
        -------
        ActivationStatistics
            Equal to those.
        """
        return cls(**{**tree, "outputs": Histogram(**tree["outputs"])})


def as_tree(value: Any) -> dict[str, Any]:
    """Statistics as dictionaries, lists and numbers."""
    return asdict(value)
