"""What the table of ops says about one op."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import tilegrad as tg

FLOATING = ("float32", "float64")
NUMERIC = ("float32", "float64", "int64", "int32", "uint8")
EVERY = ("float32", "float64", "bfloat16", "float16", "int64", "int32", "uint8", "bool")


@dataclass(frozen=True)
class Sample:
    """One call: NumPy arrays become tensors, everything else is passed as it is.

    ``args`` are drawn in float64 (or an integer dtype for indices, labels and masks); the templates cast floating ones
    to the dtype under test, so the reference sees exactly the values that the kernel sees.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Bad:
    """A call that must raise ``error`` with exactly ``message`` (a regular expression for the whole text)."""

    args: tuple[Any, ...]
    error: type[BaseException]
    message: str
    kwargs: dict[str, Any] = field(default_factory=dict)


def exact(sample: Sample, reference: np.ndarray, epsilon: float) -> float:
    """The tolerance of ops that must not round: max, relu, copies."""
    return 0.0


def ulps(count: float) -> Callable[[Sample, np.ndarray, float], Any]:
    """A tolerance of ``count`` units in the last place of the result."""
    return lambda sample, reference, epsilon: count * epsilon * np.abs(reference) + np.finfo(np.float64).tiny


@dataclass(frozen=True)
class Op:
    """One op.

    Attributes
    ----------
    name
        The function is ``getattr(tg, name)`` unless ``function`` is given.
    reference
        The same function of the same arguments on NumPy float64 arrays. May return a tuple like the op.
    samples
        Called with a seeded generator; yields at least 20 samples of different shapes, odd sizes and empty ones included.
        Strided and misaligned variants of each are made by the templates.
    bad
        Inputs that must be refused. Use NumPy arrays for tensors; those keep their dtype.
    dtypes
        What the floating arguments are cast to. For ops of integers, samples draw integers that fit in all of them.
    tolerance
        ``tolerance(sample, reference, epsilon)``: the largest absolute error allowed, derived: epsilon of the dtype x
        number of terms x magnitude for sums, ULPs for functions, 0 where nothing is rounded.
    gradient
        Whether gradients are checked, by central differences in float64 along random directions, for every floating
        tensor argument.
    """

    name: str
    reference: Callable[..., Any]
    samples: Callable[[np.random.Generator], Iterable[Sample]]
    tolerance: Callable[[Sample, np.ndarray, float], Any] = exact
    bad: tuple[Bad, ...] = ()
    dtypes: tuple[str, ...] = FLOATING
    gradient: bool = True
    function: Callable[..., Any] | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return (self.function or getattr(tg, self.name))(*args, **kwargs)

    def draw(self) -> list[Sample]:
        """The samples, the same in every run."""
        return list(self.samples(np.random.default_rng(zlib.crc32(self.name.encode()))))


def not_tensor(name: str, *rest: Any, found: Any = "x") -> Bad:
    """A call with something else where a tensor belongs."""
    message = rf"{name}: x must be a tensor, found {type(found).__name__}; tg\.tensor\(\) makes one from other data"
    return Bad((found, *rest), tg.DTypeError, message)


# Shapes that most elementwise-like ops should see: every rank up to 5, odd sizes around vector widths, ones, zeros.
SHAPES: tuple[tuple[int, ...], ...] = (
    (), (1,), (2,), (3,), (7,), (15,), (16,), (17,), (31,), (33,), (63,), (65,), (127,), (257,), (1000,),
    (0,), (1, 1), (3, 5), (5, 1), (1, 7), (17, 9), (0, 3), (3, 0), (2, 3, 4), (3, 1, 5), (2, 3, 5, 7), (1, 2, 1, 3, 2),
)  # fmt: skip
