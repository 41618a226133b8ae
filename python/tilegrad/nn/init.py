"""What weights may start from: functions of a shape that return new tensors.

Weights are [in, out] for dense layers and [R, S, C, K] for convolutions. ``fan_in``, the number of inputs that each
output sums over, is the product of all sizes but the last; ``fan_out``, of all but the last but one. Layers that know
better pass their own.

Layers start from :func:`he_truncated_normal` unless told otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _C
from .. import random as _random
from ..ops.arguments import sizes_of

if TYPE_CHECKING:
    from ..random import Generator
    from ..tensor import Tensor

    DTypeLike = Any
    Shape = int | Sequence[int]

__all__ = [
    "constant",
    "fans",
    "he_normal",
    "he_truncated_normal",
    "he_uniform",
    "lecun_normal",
    "normal",
    "ones",
    "orthogonal",
    "truncated_normal",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]

# The standard deviation of a standard normal number, given that it is within [-2, 2].
_CUT_DEVIATION = 0.87962566103423978


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """The fan-in and fan-out of a weight [in, out] or [..., in, out].

    Parameters
    ----------
    shape
        At least two sizes; those before the last two are the window's, as R and S of a filter [R, S, C, K].

    Returns
    -------
    tuple of int
        ``(window * in, window * out)``, where ``window`` is the product of the other sizes.

    Raises
    ------
    ShapeError
        If the shape has fewer than two sizes.

    Examples
    --------
    >>> from tilegrad.nn import init
    >>> init.fans((784, 10)), init.fans((3, 3, 16, 32))
    ((784, 10), (144, 288))
    """
    sizes = tuple(shape) if isinstance(shape, Sequence) else (shape,)
    if len(sizes) < 2:
        raise _C.ShapeError(
            f"init: a weight has at least two axes, [in, out], found {list(sizes)}; pass fan_in and fan_out"
        )
    window = math.prod(sizes[:-2])
    return window * sizes[-2], window * sizes[-1]


def _fan(shape: Sequence[int], which: int, given: int | None) -> int:
    fan = fans(shape)[which] if given is None else given
    name = ("fan_in", "fan_out")[which]
    if fan < 0 or (given is not None and fan == 0):
        raise _C.ArgumentError(f"init: {name} must be positive, found {fan}")
    return max(fan, 1)  # an empty weight needs none


def _check_gain(gain: float) -> None:
    if not (math.isfinite(gain) and gain >= 0):
        raise _C.ArgumentError(f"init: gain must be finite and at least 0, found {gain:g}")


def zeros(shape: Shape, dtype: DTypeLike = "float32") -> Tensor:
    """All zero.

    Parameters
    ----------
    shape
        The sizes of all axes, or one integer.
    dtype
        Any.

    Returns
    -------
    Tensor
        A new one of the shape, without a gradient, on the CPU.

    Examples
    --------
    >>> from tilegrad.nn import init
    >>> init.zeros(2)
    tensor([0., 0.])
    """
    return _filled("init.zeros", shape, 0.0, dtype)


def ones(shape: Shape, dtype: DTypeLike = "float32") -> Tensor:
    """All one.

    Parameters
    ----------
    shape
        The sizes of all axes, or one integer.
    dtype
        Any.

    Returns
    -------
    Tensor
        A new one of the shape, without a gradient, on the CPU.

    Examples
    --------
    >>> from tilegrad.nn import init
    >>> init.ones(2)
    tensor([1., 1.])
    """
    return _filled("init.ones", shape, 1.0, dtype)


def constant(shape: Shape, value: float, dtype: DTypeLike = "float32") -> Tensor:
    """All of one value.

    Parameters
    ----------
    shape
        The sizes of all axes, or one integer.
    value
        A number that the dtype has; in a floating dtype it is rounded, and infinite where it is too large.
    dtype
        Any.

    Returns
    -------
    Tensor
        A new one of the shape, without a gradient, on the CPU.

    Raises
    ------
    ShapeError
        If ``shape`` holds anything but integers from 0.
    DTypeError
        If ``value`` has a fraction and ``dtype`` is no floating one.
    ArgumentError
        If ``value`` does not fit in an integer dtype.

    Examples
    --------
    >>> from tilegrad.nn import init
    >>> init.constant(2, 0.5)
    tensor([0.5, 0.5])
    """
    return _filled("init.constant", shape, value, dtype)


def _filled(op: str, shape: Shape, value: float, dtype: DTypeLike) -> Tensor:
    result: Tensor = _C.full(sizes_of(op, shape, dtype), value, dtype, op=op)
    return result


def normal(
    shape: Shape, std: float = 1.0, mean: float = 0.0, dtype: DTypeLike = "float32", generator: Generator | None = None
) -> Tensor:
    """Normal numbers, as of :func:`tilegrad.normal`.

    Parameters
    ----------
    shape
        The sizes of all axes, or one integer.
    std
        The standard deviation: finite, from 0.
    mean
        A finite number.
    dtype
        float32 or float64.
    generator
        By default the one that :func:`tilegrad.manual_seed` sets.

    Returns
    -------
    Tensor
        A new one of the shape, without a gradient, on the CPU.

    Raises
    ------
    ArgumentError
        If ``std`` or ``mean`` is out of its range.
    DTypeError
        If ``dtype`` is neither float32 nor float64.

    Examples
    --------
    >>> from tilegrad.nn import init
    >>> init.normal((3, 2), std=0.01).shape
    (3, 2)
    """
    return _random.normal(mean, std, shape, dtype, generator)


def truncated_normal(
    shape: Shape, std: float = 1.0, mean: float = 0.0, dtype: DTypeLike = "float32", generator: Generator | None = None
) -> Tensor:
    """Normal numbers within two standard deviations of the mean; ``std`` is that before the cut.

    Parameters
    ----------
    shape, std, mean, dtype, generator
        As in :func:`normal`; errors likewise.

    Returns
    -------
    Tensor
        A new one of the shape, without a gradient, on the CPU.

    Examples
    --------
    >>> from tilegrad.nn import init
    >>> init.truncated_normal((3, 2), std=0.01).shape
    (3, 2)
    """
    return _random.truncated_normal(std, shape, mean, dtype, generator)


def uniform(
    shape: Shape, low: float = 0.0, high: float = 1.0, dtype: DTypeLike = "float32", generator: Generator | None = None
) -> Tensor:
    """Uniform numbers in [low, high).

    Parameters
    ----------
    shape, dtype, generator
        As in :func:`normal`.
    low, high
        Finite numbers; where they are equal every number is ``low``.

    Returns
    -------
    Tensor
        A new one of the shape, without a gradient, on the CPU.

    Raises
    ------
    ArgumentError
        If a bound or their difference is not finite in ``dtype``, or ``low`` is above ``high``.
    DTypeError
        If ``dtype`` is neither float32 nor float64.

    Examples
    --------
    >>> from tilegrad.nn import init
    >>> init.uniform((3, 2), -0.1, 0.1).shape
    (3, 2)
    """
    return _random.uniform(low, high, shape, dtype, generator)


def xavier_uniform(
    shape: Sequence[int],
    gain: float = 1.0,
    fan_in: int | None = None,
    fan_out: int | None = None,
    dtype: DTypeLike = "float32",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform in ``[-a, a)`` with ``a = gain * sqrt(6 / (fan_in + fan_out))``.

    The variance is ``2 gain^2 / (fan_in + fan_out)``, between what keeps that of outputs and what keeps that of
    gradients.

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
    2010.

    Parameters
    ----------
    shape
        Two sizes, [in, out], or more; see :func:`fans`. With both fans given it may have any, or be one integer.
    gain
        Finite, from 0.
    fan_in, fan_out
        How many inputs each output sums over, and how many outputs each input goes into, above 0; None: those of
        :func:`fans`, and 1 where these are 0.
    dtype, generator
        As in :func:`normal`.

    Returns
    -------
    Tensor
        A new one of the shape, without a gradient, on the CPU.

    Raises
    ------
    ShapeError
        If the shape has fewer than two sizes and a fan is not given.
    ArgumentError
        If ``gain`` or a fan is out of its range.
    DTypeError
        If ``dtype`` is neither float32 nor float64.

    Examples
    --------
    >>> from tilegrad.nn import init
    >>> init.xavier_uniform((3, 3)).shape
    (3, 3)
    """
    bound = math.sqrt(3.0) * _xavier_deviation(shape, gain, fan_in, fan_out)
    return _random.uniform(-bound, bound, shape, dtype, generator)


def xavier_normal(
    shape: Sequence[int],
    gain: float = 1.0,
    fan_in: int | None = None,
    fan_out: int | None = None,
    dtype: DTypeLike = "float32",
    generator: Generator | None = None,
) -> Tensor:
    """Normal of variance ``2 gain^2 / (fan_in + fan_out)``; see :func:`xavier_uniform`.

    Parameters
    ----------
    shape, gain, fan_in, fan_out, dtype, generator
        As in :func:`xavier_uniform`; errors likewise.

    Returns
    -------
    Tensor
        A new one of the shape, without a gradient, on the CPU.

    Examples
    --------
    >>> from tilegrad.nn import init
    >>> init.xavier_normal((3, 3)).shape
    (3, 3)
    """
    return _random.normal(0.0, _xavier_deviation(shape, gain, fan_in, fan_out), shape, dtype, generator)


def _xavier_deviation(shape: Sequence[int], gain: float, fan_in: int | None, fan_out: int | None) -> float:
    _check_gain(gain)
    return gain * math.sqrt(2.0 / (_fan(shape, 0, fan_in) + _fan(shape, 1, fan_out)))


def he_truncated_normal(
    shape: Sequence[int],
    fan_in: int | None = None,
    gain: float = math.sqrt(2.0),
    dtype: DTypeLike = "float32",
    generator: Generator | None = None,
) -> Tensor:
    """Normal, cut at two standard deviations and widened so that the variance is ``gain^2 / fan_in`` after the cut.

    The default of all layers. ``gain`` is that of ReLU, which halves the variance.

    Source: He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015.

    Parameters
    ----------
    shape
        Two sizes, [in, out], or more; see :func:`fans`. With ``fan_in`` given it may have any, or be one integer.
    fan_in
        How many inputs each output sums over, above 0; None: that of :func:`fans`, and 1 where this is 0.
    gain
        Finite, from 0.
    dtype, generator
        As in :func:`normal`.

    Returns
    -------
    Tensor
        A new one of the shape, without a gradient, on the CPU.

    Raises
    ------
    ShapeError
        If the shape has fewer than two sizes and ``fan_in`` is not given.
    ArgumentError
        If ``fan_in`` or ``gain`` is out of its range.
    DTypeError
        If ``dtype`` is neither float32 nor float64.

    Examples
    --------
    >>> from tilegrad.nn import init
    >>> init.he_truncated_normal((3, 3, 16, 32)).shape
    (3, 3, 16, 32)
    """
    deviation = _he_deviation(shape, fan_in, gain) / _CUT_DEVIATION
    return _random.truncated_normal(deviation, shape, 0.0, dtype, generator)


def he_normal(
    shape: Sequence[int],
    fan_in: int | None = None,
    gain: float = math.sqrt(2.0),
    dtype: DTypeLike = "float32",
    generator: Generator | None = None,
) -> Tensor:
    """Normal of variance ``gain^2 / fan_in``, not cut; see :func:`he_truncated_normal`.

    Parameters
    ----------
    shape, fan_in, gain, dtype, generator
        As in :func:`he_truncated_normal`; errors likewise.

    Returns
    -------
    Tensor
        A new one of the shape, without a gradient, on the CPU.

    Examples
    --------
    >>> from tilegrad.nn import init
    >>> init.he_normal((784, 10)).shape
    (784, 10)
    """
    return _random.normal(0.0, _he_deviation(shape, fan_in, gain), shape, dtype, generator)


def he_uniform(
    shape: Sequence[int],
    fan_in: int | None = None,
    gain: float = math.sqrt(2.0),
    dtype: DTypeLike = "float32",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform of variance ``gain^2 / fan_in``: in ``[-a, a)`` with ``a = gain * sqrt(3 / fan_in)``.

    Parameters
    ----------
    shape, fan_in, gain, dtype, generator
        As in :func:`he_truncated_normal`; errors likewise.

    Returns
    -------
    Tensor
        A new one of the shape, without a gradient, on the CPU.

    Examples
    --------
    >>> from tilegrad.nn import init
    >>> init.he_uniform((784, 10)).shape
    (784, 10)
    """
    bound = math.sqrt(3.0) * _he_deviation(shape, fan_in, gain)
    return _random.uniform(-bound, bound, shape, dtype, generator)


def lecun_normal(
    shape: Sequence[int],
    fan_in: int | None = None,
    dtype: DTypeLike = "float32",
    generator: Generator | None = None,
) -> Tensor:
    """Normal of variance ``1 / fan_in``: what tanh and SELU want.

    Source: LeCun, Bottou, Orr and Müller, "Efficient backprop", 1998.

    Parameters
    ----------
    shape, fan_in, dtype, generator
        As in :func:`he_truncated_normal`; errors likewise.

    Returns
    -------
    Tensor
        A new one of the shape, without a gradient, on the CPU.

    Examples
    --------
    >>> from tilegrad.nn import init
    >>> init.lecun_normal((784, 10)).shape
    (784, 10)
    """
    return he_normal(shape, fan_in, 1.0, dtype, generator)


def _he_deviation(shape: Sequence[int], fan_in: int | None, gain: float) -> float:
    _check_gain(gain)
    return gain / math.sqrt(_fan(shape, 0, fan_in))


def orthogonal(
    shape: Sequence[int],
    gain: float = 1.0,
    dtype: DTypeLike = "float32",
    generator: Generator | None = None,
) -> Tensor:
    """A random matrix with orthonormal columns, or rows where these are fewer, times ``gain``.

    The weight counts as a matrix [all other axes, last axis]. Normal numbers are made orthogonal by Gram and Schmidt's
    process, done twice for each vector, in float64 and with the library's own products: LAPACK's result would depend on
    the machine. All such matrices are equally likely.

    Source: Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks", ICLR 2014.

    Parameters
    ----------
    shape
        Two sizes or more.
    gain
        What every column, or row, has as its length: finite, from 0.
    dtype, generator
        As in :func:`normal`.

    Returns
    -------
    Tensor
        A new one of the shape, without a gradient, on the CPU.

    Raises
    ------
    ShapeError
        If the shape has fewer than two sizes.
    ArgumentError
        If ``gain`` is negative or not finite.
    DTypeError
        If ``dtype`` is neither float32 nor float64.

    Examples
    --------
    >>> import tilegrad as tg
    >>> from tilegrad.nn import init
    >>> w = init.orthogonal((4, 3), dtype="float64").numpy()
    >>> bool(abs(w.T @ w - 1.0 * (w.T @ w).round()).max() < 1e-12)
    True
    """
    _check_gain(gain)
    fans(shape)
    rows, columns = math.prod(shape[:-1]), shape[-1]
    count, length = min(rows, columns), max(rows, columns)
    drawn = _random.randn((count, length), "float64", generator).numpy()
    basis = np.zeros_like(drawn)
    for i in range(count):
        vector = drawn[i : i + 1]
        for _ in range(2):
            vector = vector - _product(_product(vector, basis[:i].T), basis[:i])
        basis[i] = vector / math.sqrt(_product(vector, vector.T)[0, 0])
    matrix = (basis if rows < columns else basis.T) * gain
    result: Tensor = _C.copy(
        _C.from_numpy(np.ascontiguousarray(matrix.reshape(tuple(shape)).astype(_numpy_name(dtype))))
    )
    return result


def _product(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A matrix product with the same bits on every machine."""
    result: np.ndarray[Any, Any] = _C.matmul(_C.from_numpy(a), _C.from_numpy(b)).numpy()
    return result


def _numpy_name(dtype: DTypeLike) -> str:
    name: str = _C.dtype(dtype).name
    if name not in ("float32", "float64"):
        raise _C.DTypeError(f"init: dtype must be float32 or float64, found {name}")
    return name
