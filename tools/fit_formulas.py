"""Print the polynomial coefficients of csrc/formulas: minimax fits by Remez's exchange, in 60 digits.

Needs mpmath, which nothing else here does. Run it as ``python tools/fit_formulas.py [name ...]``; it prints each
polynomial's coefficients from the constant term up, as C++ hexadecimal floats, with the largest weighted error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from mpmath import mp, mpf

mp.dps = 60
Function = Callable[[mpf], mpf]
GRID = 800  # points an extremum is looked for on


@dataclass(frozen=True)
class Fit:
    """A polynomial of ``degree`` for ``target`` on [low, high], with the error weighted by ``weight``."""

    target: Function
    weight: Function
    low: mpf
    high: mpf
    degree: int
    dtype: type[np.floating]
    below: int = 0  # the degree of a denominator
    variable: Function = lambda x: x


def alternating(errors: list[mpf]) -> list[int]:
    """Where the errors are largest, one a run of the same sign."""
    extrema: list[int] = []
    for i, e in enumerate(errors):
        if extrema and (errors[extrema[-1]] > 0) == (e > 0):
            if abs(e) > abs(errors[extrema[-1]]):
                extrema[-1] = i
        else:
            extrema.append(i)
    return extrema


def remez(fit: Fit, rounds: int = 12) -> tuple[list[mpf], mpf]:
    """Return the coefficients that minimise the largest weighted error, and that error."""
    count = fit.degree + 2
    middle, half = (fit.low + fit.high) / 2, (fit.high - fit.low) / 2
    points = [middle + half * mp.cos(mp.pi * (2 * (count - 1 - i) + 1) / (2 * count)) for i in range(count)]
    grid = [middle - half * mp.cos(mp.pi * (i + mpf(1) / 2) / GRID) for i in range(GRID)]
    target = [fit.target(x) for x in grid]
    weight = [fit.weight(x) for x in grid]
    error = mpf(0)
    for _ in range(rounds):
        rows = mp.matrix(count, count)
        right = mp.matrix(count, 1)
        for i, x in enumerate(points):
            for j in range(fit.degree + 1):
                rows[i, j] = x**j
            rows[i, count - 1] = (-1) ** i / max(fit.weight(x), TINY)
            right[i] = fit.target(x)
        solution = mp.lu_solve(rows, right)
        coefficients = [solution[j] for j in range(fit.degree + 1)]
        errors = [w * (mp.polyval(coefficients[::-1], x) - t) for x, t, w in zip(grid, target, weight, strict=True)]
        error = max(abs(e) for e in errors)
        extrema = alternating(errors)
        while len(extrema) > count:
            extrema.pop(0 if abs(errors[extrema[0]]) < abs(errors[extrema[-1]]) else -1)
        if len(extrema) < count or error < abs(solution[count - 1]) * mpf("1.001"):
            break
        points = [grid[i] for i in extrema]
    return coefficients, error


def rational(fit: Fit, rounds: int = 12) -> tuple[list[mpf], mpf]:
    """The same for a quotient of polynomials of ``fit.degree`` and ``fit.below`` whose denominator begins with 1.

    Returns the coefficients above, and then those below. An exchange solves p - q (target +- error / weight) = 0 at its
    points, with the product of q and the error taken from the solution before.
    """
    top, count = fit.degree + 1, fit.degree + fit.below + 2
    middle, half = (fit.low + fit.high) / 2, (fit.high - fit.low) / 2
    points = [middle + half * mp.cos(mp.pi * (2 * (count - 1 - i) + 1) / (2 * count)) for i in range(count)]
    grid = [middle - half * mp.cos(mp.pi * (i + mpf(1) / 2) / GRID) for i in range(GRID)]
    above, below, largest = [mpf(0)], [mpf(1)], mpf(0)
    for _ in range(rounds):
        level = mpf(0)
        for _ in range(30):
            rows, right = mp.matrix(count, count), mp.matrix(count, 1)
            for i, x in enumerate(points):
                z, side = fit.variable(x), (-1) ** i / fit.weight(x)
                value, old = fit.target(x) + side * level, mp.polyval(below[::-1], z)
                for j in range(top):
                    rows[i, j] = z**j
                for j in range(1, fit.below + 1):
                    rows[i, fit.degree + j] = -value * z**j
                rows[i, count - 1] = -side * old
                right[i] = value - side * level * old
            solution = mp.lu_solve(rows, right)
            above, below = list(solution[:top]), [mpf(1), *solution[top : count - 1]]
            change, level = abs(solution[count - 1] - level), solution[count - 1]
            if change < abs(level) * mpf("1e-8"):
                break
        errors = [
            fit.weight(x) * (mp.polyval(above[::-1], z) / mp.polyval(below[::-1], z) - fit.target(x))
            for x, z in zip(grid, map(fit.variable, grid), strict=True)
        ]
        largest = max(abs(e) for e in errors)
        extrema = alternating(errors)
        while len(extrema) > count:
            extrema.pop(0 if abs(errors[extrema[0]]) < abs(errors[extrema[-1]]) else -1)
        if len(extrema) < count or largest < abs(level) * mpf("1.001"):
            break
        points = [grid[i] for i in extrema]
    return [*above, *below], largest


def odd_rest(f: Function) -> Function:
    """(f(x) - x) / x^3 as a function of x^2."""
    return lambda z: (f(mp.sqrt(z)) - mp.sqrt(z)) / (mp.sqrt(z) ** 3)


LN2 = mp.log(2)
TINY = mpf(10) ** -12  # where a quotient is 0 / 0, its limit is taken this close by
SQRT2 = mp.sqrt(2)


def exp_rest(r: mpf) -> mpf:
    """(exp(r) - 1 - r) / r^2."""
    return mpf(1) / 2 + r / 6 if abs(r) < TINY else (mp.exp(r) - 1 - r) / r**2


def log_rest(f: mpf) -> mpf:
    """(log(1 + f) - f + f^2 / 2) / f^3."""
    return mpf(1) / 3 - f / 4 if abs(f) < TINY else (mp.log1p(f) - f + f**2 / 2) / f**3


def atanh_rest(z: mpf) -> mpf:
    """(2 atanh(s) - 2 s) / s^3 with z = s^2."""
    s = mp.sqrt(z)
    return (2 * mp.atanh(s) - 2 * s) / s**3


def power_rest(z: mpf) -> mpf:
    """(2 atanh(s) - 2 s - 2/3 s^3) / s^5 with z = s^2."""
    s = mp.sqrt(z)
    return (2 * mp.atanh(s) - 2 * s - 2 * s**3 / 3) / s**5


def log_erfc(x: mpf) -> mpf:
    return mp.log(mp.erfc(x))


def normal_above_half(x: mpf) -> mpf:
    """(Phi(x) - 1/2) / x."""
    return mp.erf(x / SQRT2) / 2 / x


def gelu_slope(x: mpf) -> mpf:
    """(Phi(x) + x phi(x) - 1/2) / x."""
    return normal_above_half(x) + mp.npdf(x)


def erf_weight(x: mpf) -> mpf:
    return mp.erfc(x) / mp.erf(x)


def fits() -> dict[str, Fit]:
    f32, f64 = np.float32, np.float64
    zero = mpf(10) ** -9
    square = lambda x: x * x  # noqa: E731
    narrow = LN2 / 2 * mpf("1.001")
    sine_end = (mp.pi / 4 * mpf("1.001")) ** 2
    sine = lambda z: odd_rest(mp.sin)(z)  # noqa: E731
    cosine = lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2  # noqa: E731
    erf_small = lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1  # noqa: E731
    return {
        "exp32": Fit(exp_rest, lambda r: abs(r), -narrow, narrow, 5, f32),
        "exp64": Fit(exp_rest, lambda r: abs(r), -narrow, narrow, 10, f64),
        "log32": Fit(log_rest, lambda f: f**2, 1 / SQRT2 - 1, SQRT2 - 1, 7, f32),
        "log64": Fit(atanh_rest, lambda z: z, zero, (3 - 2 * SQRT2) ** 2, 6, f64),
        "pow64": Fit(power_rest, lambda z: z**2, zero, (3 - 2 * SQRT2) ** 2, 6, f64),
        "tanh32": Fit(odd_rest(mp.tanh), lambda z: z, zero, mpf("0.625") ** 2, 5, f32),
        "erf_small32": Fit(erf_small, lambda z: mpf(1), zero, mpf(1), 6, f32),
        "erf_large32": Fit(log_erfc, erf_weight, mpf("0.99"), mpf("4.1"), 8, f32),
        "erf_small64": Fit(erf_small, lambda z: mpf(1), zero, mpf(1), 13, f64),
        "erf_large64": Fit(log_erfc, erf_weight, mpf("0.99"), mpf("6.1"), 17, f64),
        # Before use, last places were moved to where the rounded function's largest error is least.
        "gelu32": Fit(normal_above_half, lambda x: x, zero, mpf("5.4"), 5, f32, 5, square),
        "gelu_slope32": Fit(gelu_slope, lambda x: x, zero, mpf(6), 6, f32, 7, square),
        "sin32": Fit(sine, lambda z: z, zero, sine_end, 3, f64),
        "cos32": Fit(cosine, lambda z: z**2, zero, sine_end, 3, f64),
        "sin64": Fit(sine, lambda z: z, zero, sine_end, 6, f64),
        "cos64": Fit(cosine, lambda z: z**2, zero, sine_end, 6, f64),
    }


def main() -> None:
    for name, fit in fits().items():
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        coefficients, error = rational(fit) if fit.below else remez(fit)
        suffix = "f" if fit.dtype is np.float32 else ""
        print(f"{name}: weighted error {mp.nstr(error, 3)} = 2^{mp.nstr(mp.log(error, 2), 4)}")
        print("  " + ", ".join(float(fit.dtype(c)).hex() + suffix for c in coefficients), flush=True)


if __name__ == "__main__":
    main()
