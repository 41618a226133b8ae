"""Errors of the functions in units in the last place, over their whole domain.

``python -m tests.ulps`` measures every float32 number (about an hour), or every n-th with ``--stride n``, and random
float64 numbers of all exponents; it prints the table of docs/numerics.md. test_ulps.py runs it with strides.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

import tilegrad as tg

BLOCK = 1 << 20


def sigmoid(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


# selu's constants to long double's precision.
SCALE, SATURATION = np.longdouble("1.050700987355480493419334985"), np.longdouble("1.758099340847376859940217521")


@dataclass(frozen=True)
class Function:
    """A function, its reference for the next wider type, and the bounds on its error."""

    name: str
    reference: Callable[[Any], Any]
    float32: float
    float64: float
    # Where NumPy has no long double function: a float64 one, and its own error.
    reference64: Callable[[Any], Any] | None = None
    reference_error: float = 0.0


FUNCTIONS = [
    Function("exp", np.exp, 1, 1),
    Function("expm1", np.expm1, 1.5, 1.5),
    Function("log", np.log, 1, 1),
    Function("log1p", np.log1p, 1.5, 1.5),
    Function("sin", np.sin, 1, 1),
    Function("cos", np.cos, 1, 1),
    Function("tanh", np.tanh, 1.5, 1.6),
    # SciPy's erf is off by several ULPs where the argument is small; the C library's is not.
    Function("erf", special.erf, 1.5, 1.5, np.vectorize(math.erf, otypes=[np.float64]), 1),
    Function("sigmoid", sigmoid, 2.5, 1.5),
    Function("softplus", softplus, 2, 2),
    Function("log_sigmoid", lambda x: -softplus(-x), 2, 2),
    Function("elu", lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), 1.5, 1.5),
    Function("selu", lambda x: np.where(x > 0, SCALE * x, SATURATION * np.expm1(np.minimum(x, 0))), 2.5, 2.5),
    Function("sqrt", np.sqrt, 0.5, 0.5),
    Function("rsqrt", lambda x: 1 / np.sqrt(x), 1.5, 1.5),
]


def errors(found: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """|found - reference| in units in the last place of the reference in the dtype of ``found``."""
    info = np.finfo(found.dtype)
    with np.errstate(all="ignore"):
        rounded = reference.astype(found.dtype)
        same = (rounded == found) | (np.isnan(found) & np.isnan(reference))
        _, exponent = np.frexp(reference)
        unit = np.ldexp(np.ones((), reference.dtype), np.maximum(exponent - 1, info.minexp) - info.nmant)
        largest = reference.dtype.type(info.max)
        # Infinity is one unit above the largest number.
        above = largest + largest * reference.dtype.type(info.eps) / 2
        value = np.clip(found.astype(reference.dtype), -above, above)
        distance = np.abs(value - np.clip(reference, -above, above)) / unit
        distance = np.where(same, np.minimum(np.nan_to_num(distance, nan=0.0, posinf=0.0), 0.5), distance)
        distance = np.where(np.isnan(distance), np.inf, distance)
        signs_differ = (found == 0) & (reference == 0) & (np.signbit(found) != np.signbit(reference))
    return np.where(signs_differ, np.inf, distance)


def every_float32(stride: int) -> Iterator[np.ndarray]:
    for start in range(0, 1 << 32, stride * BLOCK):
        count = min(BLOCK, -(-((1 << 32) - start) // stride))
        yield (start + np.arange(count, dtype=np.uint64) * np.uint64(stride)).astype(np.uint32).view(np.float32)


def random_float64(count: int, seed: int = 0) -> np.ndarray:
    """A third of all exponents, the others where the functions bend; and the special values."""
    rng = np.random.default_rng(seed)
    third = count // 3
    special_values = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, -5e-324, 2.2250738585072014e-308, 1.7e308]
    return np.concatenate(
        [
            rng.integers(0, 1 << 64, third, dtype=np.uint64).view(np.float64),
            rng.normal(size=third) * np.exp2(rng.integers(-30, 10, third)),
            rng.normal(size=count - 2 * third),
            np.array(special_values),
        ]
    )


def worst(function: Function, x: np.ndarray) -> tuple[float, float]:
    """The largest error over x, and where it is."""
    with np.errstate(all="ignore"):
        if x.dtype == np.float32:
            reference = function.reference(x.astype(np.float64))
        elif function.reference64:
            reference = function.reference64(x).astype(np.longdouble)
        else:
            reference = function.reference(x.astype(np.longdouble))
    distance = errors(getattr(tg, function.name)(tg.from_numpy(x)).numpy(), reference)
    place = int(np.argmax(distance))
    return float(distance[place]), float(x[place])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stride", type=int, default=1, help="every n-th float32 number")
    parser.add_argument("--count", type=int, default=3_000_000, help="how many float64 numbers")
    parser.add_argument("names", nargs="*", help="functions; all if none is given")
    options = parser.parse_args()
    print("| function | float32 | at | float64 | at |\n|---|---|---|---|---|")
    for function in FUNCTIONS:
        if options.names and function.name not in options.names:
            continue
        narrow = max(worst(function, x) for x in every_float32(options.stride))
        wide = worst(function, random_float64(options.count))
        print(f"| {function.name} | {narrow[0]:.3f} | {narrow[1]:.9g} | {wide[0]:.3f} | {wide[1]:.17g} |", flush=True)


if __name__ == "__main__":
    main()
