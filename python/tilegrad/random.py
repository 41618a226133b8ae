"""Tensors of random numbers, drawn from a :class:`Generator`."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import _C
from .autograd import record_in_place
from .generator import Generator, default_generator, manual_seed, source_of, whole_number
from .ops.arguments import renamed, sizes_of

if TYPE_CHECKING:
    from .tensor import Tensor

    DTypeLike = Any
    Shape = int | Sequence[int]

__all__ = [
    "Generator",
    "bernoulli",
    "default_generator",
    "manual_seed",
    "normal",
    "permutation",
    "rand",
    "randint",
    "randn",
    "truncated_normal",
    "uniform",
]


def _new(
    op: str,
    shape: Shape,
    dtype: DTypeLike,
    generator: Generator | None,
    fill: str,
    *parameters: Any,
    device: str | None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of ``shape`` that the native function ``fill`` has written."""
    out: Tensor = _C.empty(sizes_of(op, shape, dtype), dtype, device, op)
    try:
        _fill(out, generator, fill, *parameters)
    except _C.TilegradError as error:
        raise renamed(error, op) from None
    return type(out)(out, True) if requires_grad else out


def _fill(out: Tensor, generator: Generator | None, fill: str, *parameters: Any) -> None:
    """Writes draws into ``out`` by the native function ``fill``."""
    source = source_of(fill.rstrip("_"), generator)
    with source._lock:
        getattr(_C, fill)(out, source._state_on(out.device), *parameters)


def rand(
    shape: Shape,
    dtype: DTypeLike = "float32",
    generator: Generator | None = None,
    requires_grad: bool = False,
    device: str | None = None,
) -> Tensor:
    """Uniform numbers in [0, 1): multiples of 2^-24 in float32, of 2^-53 in float64.

    Parameters
    ----------
    shape
        The sizes of all axes, or one integer; () for one number.
    dtype
        float32 or float64.
    generator
        By default the one that :func:`manual_seed` sets.
    requires_grad
        Whether a gradient is to be collected.
    device
        Where the numbers are drawn, which are the same everywhere: ``"cpu"``, by default, or a GPU, ``"cuda:1"``.

    Returns
    -------
    Tensor
        A new one of the shape.

    Raises
    ------
    ShapeError
        If ``shape`` holds anything but integers from 0.
    DTypeError
        If ``dtype`` is neither float32 nor float64.
    ArgumentError
        If ``generator`` is no :class:`Generator`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.rand((2, 3)).shape
    (2, 3)
    """
    return _new("rand", shape, dtype, generator, "uniform_", 0.0, 1.0, device=device, requires_grad=requires_grad)


def uniform(
    low: float,
    high: float,
    shape: Shape,
    dtype: DTypeLike = "float32",
    generator: Generator | None = None,
    requires_grad: bool = False,
    device: str | None = None,
) -> Tensor:
    """Uniform numbers in [low, high): ``low + (high - low) * u`` with the ``u`` of :func:`rand`.

    Parameters
    ----------
    low, high
        The bounds, finite numbers; where they are equal every number is ``low``.
    shape, dtype, generator, requires_grad, device
        As in :func:`rand`.

    Returns
    -------
    Tensor
        A new one of the shape.

    Raises
    ------
    ArgumentError
        If a bound or their difference is not finite in ``dtype``, or ``low`` is above ``high``.
    DTypeError
        If ``dtype`` is neither float32 nor float64.

    Examples
    --------
    >>> import tilegrad as tg
    >>> bool((tg.uniform(-1.0, 1.0, 100).numpy() < 1).all())
    True
    """
    return _new("uniform", shape, dtype, generator, "uniform_", low, high, device=device, requires_grad=requires_grad)


def randn(
    shape: Shape,
    dtype: DTypeLike = "float32",
    generator: Generator | None = None,
    requires_grad: bool = False,
    device: str | None = None,
) -> Tensor:
    """Normal numbers of mean 0 and standard deviation 1, by Box and Muller's transform.

    Parameters
    ----------
    shape, dtype, generator, requires_grad, device
        As in :func:`rand`; errors likewise.

    Returns
    -------
    Tensor
        A new one of the shape.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.randn(3, dtype="float64").dtype
    tilegrad.float64
    """
    return _new("randn", shape, dtype, generator, "normal_", 0.0, 1.0, device=device, requires_grad=requires_grad)


def normal(
    mean: float,
    std: float,
    shape: Shape,
    dtype: DTypeLike = "float32",
    generator: Generator | None = None,
    requires_grad: bool = False,
    device: str | None = None,
) -> Tensor:
    """Normal numbers of the given mean and standard deviation.

    Parameters
    ----------
    mean
        A finite number.
    std
        Finite, from 0, which gives ``mean`` everywhere.
    shape, dtype, generator, requires_grad, device
        As in :func:`rand`.

    Returns
    -------
    Tensor
        A new one of the shape.

    Raises
    ------
    ArgumentError
        If ``mean`` or ``std`` is not finite, or ``std`` is negative.
    DTypeError
        If ``dtype`` is neither float32 nor float64.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.normal(5.0, 0.0, 2)
    tensor([5., 5.])
    """
    return _new("normal", shape, dtype, generator, "normal_", mean, std, device=device, requires_grad=requires_grad)


def truncated_normal(
    std: float,
    shape: Shape,
    mean: float = 0.0,
    dtype: DTypeLike = "float32",
    generator: Generator | None = None,
    requires_grad: bool = False,
    device: str | None = None,
) -> Tensor:
    """Normal numbers, drawn again until they are within two standard deviations of the mean.

    ``std`` is that of the normal distribution before it is cut; what is left has 0.8796 of it.

    Parameters
    ----------
    std
        Finite, from 0, which gives ``mean`` everywhere.
    shape, dtype, generator, requires_grad, device
        As in :func:`rand`.
    mean
        A finite number.

    Returns
    -------
    Tensor
        A new one of the shape, with numbers from ``mean - 2 * std`` to ``mean + 2 * std``.

    Raises
    ------
    ArgumentError
        If ``mean`` or ``std`` is not finite, or ``std`` is negative.
    DTypeError
        If ``dtype`` is neither float32 nor float64.

    Examples
    --------
    >>> import tilegrad as tg
    >>> bool((abs(tg.truncated_normal(0.5, 100).numpy()) <= 1.0).all())
    True
    """
    fill = "truncated_normal_"
    return _new(
        "truncated_normal", shape, dtype, generator, fill, mean, std, device=device, requires_grad=requires_grad
    )


def randint(
    low: int,
    high: int,
    shape: Shape,
    dtype: DTypeLike = "int64",
    generator: Generator | None = None,
    device: str | None = None,
) -> Tensor:
    """Integers from ``low`` to ``high - 1``, all exactly equally likely.

    Parameters
    ----------
    low, high
        The range, whose last number is ``high - 1``; negative numbers too.
    shape
        The sizes of all axes, or one integer; () for one number.
    dtype
        int64, int32 or uint8; it must hold the range.
    generator
        By default the one that :func:`manual_seed` sets.
    device
        As for :func:`rand`.

    Returns
    -------
    Tensor
        A new one of the shape.

    Raises
    ------
    ArgumentError
        If the range is empty or does not fit the dtype.
    DTypeError
        If ``dtype`` is no integer type.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.randint(3, 4, 2)
    tensor([3, 3])
    """
    bounds = []
    for name, value in (("low", low), ("high", high)):
        try:
            bounds.append(operator.index(value))
        except TypeError:
            raise _C.ArgumentError(f"randint: {name} must be an integer, found {type(value).__name__}") from None
        if not -(2**63) <= bounds[-1] < 2**63:
            raise _C.ArgumentError(f"randint: {name} must fit in 64 bits, found {bounds[-1]}")
    return _new("randint", shape, dtype, generator, "randint_", *bounds, device=device)


def bernoulli(
    p: float, shape: Shape, dtype: DTypeLike = "float32", generator: Generator | None = None, device: str | None = None
) -> Tensor:
    """Ones with probability ``p`` (to the nearest multiple of 2^-32), else zeros.

    Parameters
    ----------
    p
        The probability of a one, from 0 to 1.
    shape, generator, device
        As in :func:`rand`.
    dtype
        Any but bfloat16 and float16; with bool, ones are True.

    Returns
    -------
    Tensor
        A new one of the shape, without a gradient.

    Raises
    ------
    ArgumentError
        If ``p`` is not from 0 to 1.
    DTypeError
        If ``dtype`` is bfloat16 or float16.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.bernoulli(1.0, 3)
    tensor([1., 1., 1.])
    """
    return _new("bernoulli", shape, dtype, generator, "bernoulli_", p, device=device)


def permutation(n: int, generator: Generator | None = None) -> Tensor:
    """The integers 0, 1, ..., n - 1 in random order, int64.

    All orders are equally likely (Fisher and Yates's shuffle).

    Parameters
    ----------
    n
        How many, from 0.
    generator
        By default the one that :func:`manual_seed` sets.

    Returns
    -------
    Tensor
        [n], on the CPU.

    Raises
    ------
    ArgumentError
        If ``n`` is negative or no integer.

    Examples
    --------
    >>> import tilegrad as tg
    >>> sorted(tg.permutation(5).tolist())
    [0, 1, 2, 3, 4]
    """
    count = whole_number("permutation", "n", n)
    source = source_of("permutation", generator)
    with source._lock:
        result: Tensor = _C.permutation(count, source._state_on("cpu"))
    return result


def uniform_(x: Tensor, low: float = 0.0, high: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Overwrites ``x`` with uniform numbers in [low, high); see :func:`uniform`."""
    return _overwrite(x, generator, "uniform_", low, high)


def normal_(x: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Overwrites ``x`` with normal numbers; see :func:`normal`."""
    return _overwrite(x, generator, "normal_", mean, std)


def bernoulli_(x: Tensor, p: float = 0.5, generator: Generator | None = None) -> Tensor:
    """Overwrites ``x`` with ones with probability ``p`` and zeros; see :func:`bernoulli`."""
    return _overwrite(x, generator, "bernoulli_", p)


def exponential_(x: Tensor, rate: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Overwrites ``x`` with exponential numbers of mean 1 / rate: ``-log(1 - u) / rate`` for a uniform u in [0, 1)."""
    _C.check_in_place("exponential_", x)
    if not rate > 0:
        raise _C.ArgumentError(f"exponential_: rate must be positive, found {rate}")
    uniform = _C.empty(x.shape, x.dtype, x.device)
    _fill(uniform, generator, "uniform_", 0.0, 1.0)
    _C.assign("exponential_", x, _C.divide(_C.log1p(_C.negative(uniform)), -rate))
    result: Tensor = record_in_place(x, _overwritten_gradient, (x,))
    return result


def _overwrite(x: Tensor, generator: Generator | None, fill: str, *parameters: Any) -> Tensor:
    """Writes draws over ``x`` by the native function ``fill``, on the tape too."""
    _C.check_in_place(fill, x)
    _fill(x, generator, fill, *parameters)
    result: Tensor = record_in_place(x, _overwritten_gradient, (x,))
    return result


def _overwritten_gradient(needs: tuple[bool, ...], grad: Tensor) -> tuple[None]:
    return (None,)  # what was there before does not matter any more
