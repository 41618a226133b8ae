"""Random numbers that are keyed, not sequential.

What a draw gives depends on three integers: the generator's seed, the number of draws made from it before (the
stream) and the position of the element. So it does not depend on threads, instruction set or machine, and a checkpoint
stores two integers. The words are Philox 4x32-10's.

Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from . import _C
from .autograd import record_in_place
from .ops.arguments import sizes_of

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

_LARGEST = 2**63 - 1


def _integer(owner: str, name: str, value: Any) -> int:
    """A whole number from 0 to 2^63 - 1."""
    try:
        number = operator.index(value)
    except TypeError:
        raise _C.ArgumentError(f"{owner}: {name} must be an integer, found {type(value).__name__}") from None
    if not 0 <= number <= _LARGEST:
        raise _C.ArgumentError(f"{owner}: {name} must be from 0 to 2**63 - 1, found {number}")
    return number


class Generator:
    """A source of random numbers: a seed, and how many draws were made from it.

    Parameters
    ----------
    seed
        From 0 to 2^63 - 1. Different seeds give independent numbers.
    stream
        The number of the first draw: ``Generator(seed, epoch)`` gives every epoch draws of its own.

    Examples
    --------
    >>> import tilegrad as tg
    >>> g = tg.Generator(seed=7)
    >>> state = g.state()
    >>> a = tg.rand(3, generator=g)
    >>> g.set_state(state)
    >>> b = tg.rand(3, generator=g)
    >>> a.tolist() == b.tolist()
    True
    """

    def __init__(self, seed: int, stream: int = 0) -> None:
        start = (_integer("Generator", "seed", seed), _integer("Generator", "stream", stream))
        # Kernels read the state and move it on, so that a replayed launch draws anew.
        self._state: Tensor = _C.full((2,), 0, _C.int64)
        self._states: dict[str, Tensor] = {"cpu": self._state}  # of every device that has drawn; one of them counts
        self._bringers: dict[str, Callable[[], None]] = {}
        self._lock = threading.Lock()  # a draw reads and writes it
        self._write(start)

    def _write(self, state: tuple[int, int]) -> None:
        with self._lock:
            for position, value in enumerate(state):
                _C.fill_(_C.select(self._state, 0, position), value)

    def state(self) -> tuple[int, int]:
        """The seed and the number of draws made: all that a checkpoint needs.

        Returns
        -------
        tuple of int
            ``(seed, stream)``, which :meth:`set_state` takes.
        """
        with self._lock:
            seed, stream = _C.to_device(self._state, "cpu").numpy()
        return int(seed), int(stream)

    def _state_on(self, device: str) -> Tensor:
        """The state, where a kernel of the device can read it and move it on; with the lock held.

        The numbers that are drawn do not depend on the device, so the state goes from one to the other with the draws.
        """
        if device != "cpu" and _C.is_observed():
            # A draw elsewhere may have come between. (The same function every time: it need be called once a replay.)
            _C.at_replay(self._bringers.setdefault(device, partial(self._bring_back, device)))
        if self._state.device != device:
            self._bring_to(device)
        return self._state

    def _bring_to(self, device: str) -> None:
        with _C.Unrecorded():
            if device in self._states:
                _C.copy_into(self._state, self._states[device])
            else:
                self._states[device] = _C.to_device(self._state, device)
        self._state = self._states[device]

    def _bring_back(self, device: str) -> None:
        with self._lock:
            if self._state.device != device:
                self._bring_to(device)

    def set_state(self, state: Sequence[int]) -> None:
        """Goes back (or forward) to a state that :meth:`state` returned.

        Parameters
        ----------
        state
            ``(seed, stream)``, two integers from 0 to 2^63 - 1.

        Raises
        ------
        ArgumentError
            If ``state`` is not two integers from 0 to 2^63 - 1.
        """
        try:
            seed, stream = state
        except (TypeError, ValueError):
            raise _C.ArgumentError(f"Generator.set_state: expected (seed, stream), found {state!r}") from None
        self._write((_integer("Generator.set_state", "seed", seed), _integer("Generator.set_state", "stream", stream)))

    def manual_seed(self, seed: int) -> Generator:
        """Starts again from ``seed``, as a new generator would.

        Parameters
        ----------
        seed
            From 0 to 2^63 - 1.

        Returns
        -------
        Generator
            This generator, at stream 0.

        Raises
        ------
        ArgumentError
            If ``seed`` is not such an integer.
        """
        self._write((_integer("manual_seed", "seed", seed), 0))
        return self

    def fork(self, key: int) -> Generator:
        """A generator for a purpose of its own: independent of this one's draws, and of other keys.

        It depends on this generator's seed and on ``key`` alone, not on what was drawn so far.

        Parameters
        ----------
        key
            Which one, from 0 to 2^63 - 1.

        Returns
        -------
        Generator
            A new one at stream 0, with a seed that Philox makes of this seed and the key.

        Raises
        ------
        ArgumentError
            If ``key`` is not such an integer.

        Examples
        --------
        >>> import tilegrad as tg
        >>> g = tg.Generator(7)
        >>> g.fork(1).state() == tg.Generator(7).fork(1).state()
        True
        """
        return Generator(_C.derived_seed(self.state()[0], _integer("Generator.fork", "key", key)))

    def __repr__(self) -> str:
        seed, stream = self.state()
        return f"Generator(seed={seed}, stream={stream})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Generator, self.state()


default_generator = Generator(0)
"""What draws are made from when no generator is given; :func:`manual_seed` sets it. Its seed is 0 at first."""


def manual_seed(seed: int) -> Generator:
    """Seeds the default generator: everything random after it is the same in every run, on every machine.

    Parameters
    ----------
    seed
        From 0 to 2^63 - 1.

    Returns
    -------
    Generator
        The default generator.

    Raises
    ------
    ArgumentError
        If ``seed`` is not such an integer.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.manual_seed(0)
    Generator(seed=0, stream=0)
    """
    return default_generator.manual_seed(seed)


def _new(
    op: str,
    shape: Shape,
    dtype: DTypeLike,
    generator: Generator | None,
    fill: str,
    *parameters: Any,
    requires_grad: bool,
) -> Tensor:
    """A tensor of ``shape`` that the native function ``fill`` has written."""
    out: Tensor = _C.empty(sizes_of(op, shape, dtype), dtype)
    _fill(out, generator, fill, *parameters)
    return type(out)(out, True) if requires_grad else out


def source_of(op: str, generator: Generator | None) -> Generator:
    """What an op draws from."""
    if generator is None:
        return default_generator
    if not isinstance(generator, Generator):
        raise _C.ArgumentError(f"{op}: generator must be a tg.Generator, found {type(generator).__name__}")
    return generator


def _fill(out: Tensor, generator: Generator | None, fill: str, *parameters: Any) -> None:
    """Writes draws into ``out`` by the native function ``fill``."""
    source = source_of(fill.rstrip("_"), generator)
    with source._lock:
        getattr(_C, fill)(out, source._state_on(out.device), *parameters)


def rand(
    shape: Shape, dtype: DTypeLike = "float32", generator: Generator | None = None, requires_grad: bool = False
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

    Returns
    -------
    Tensor
        A new one of the shape, on the CPU.

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
    return _new("rand", shape, dtype, generator, "uniform_", 0.0, 1.0, requires_grad=requires_grad)


def uniform(
    low: float,
    high: float,
    shape: Shape,
    dtype: DTypeLike = "float32",
    generator: Generator | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform numbers in [low, high): ``low + (high - low) * u`` with the ``u`` of :func:`rand`.

    Parameters
    ----------
    low, high
        The bounds, finite numbers; where they are equal every number is ``low``.
    shape, dtype, generator, requires_grad
        As in :func:`rand`.

    Returns
    -------
    Tensor
        A new one of the shape, on the CPU.

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
    return _new("uniform", shape, dtype, generator, "uniform_", low, high, requires_grad=requires_grad)


def randn(
    shape: Shape, dtype: DTypeLike = "float32", generator: Generator | None = None, requires_grad: bool = False
) -> Tensor:
    """Normal numbers of mean 0 and standard deviation 1, by Box and Muller's transform.

    Parameters
    ----------
    shape, dtype, generator, requires_grad
        As in :func:`rand`; errors likewise.

    Returns
    -------
    Tensor
        A new one of the shape, on the CPU.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.randn(3, dtype="float64").dtype
    tilegrad.float64
    """
    return _new("randn", shape, dtype, generator, "normal_", 0.0, 1.0, requires_grad=requires_grad)


def normal(
    mean: float,
    std: float,
    shape: Shape,
    dtype: DTypeLike = "float32",
    generator: Generator | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers of the given mean and standard deviation.

    Parameters
    ----------
    mean
        A finite number.
    std
        Finite, from 0, which gives ``mean`` everywhere.
    shape, dtype, generator, requires_grad
        As in :func:`rand`.

    Returns
    -------
    Tensor
        A new one of the shape, on the CPU.

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
    return _new("normal", shape, dtype, generator, "normal_", mean, std, requires_grad=requires_grad)


def truncated_normal(
    std: float,
    shape: Shape,
    mean: float = 0.0,
    dtype: DTypeLike = "float32",
    generator: Generator | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers, drawn again until they are within two standard deviations of the mean.

    ``std`` is that of the normal distribution before it is cut; what is left has 0.8796 of it.

    Parameters
    ----------
    std
        Finite, from 0, which gives ``mean`` everywhere.
    shape, dtype, generator, requires_grad
        As in :func:`rand`.
    mean
        A finite number.

    Returns
    -------
    Tensor
        A new one of the shape, with numbers from ``mean - 2 * std`` to ``mean + 2 * std``, on the CPU.

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
    return _new(
        "truncated_normal", shape, dtype, generator, "truncated_normal_", mean, std, requires_grad=requires_grad
    )


def randint(
    low: int, high: int, shape: Shape, dtype: DTypeLike = "int64", generator: Generator | None = None
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

    Returns
    -------
    Tensor
        A new one of the shape, on the CPU.

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
        if not -(2**63) <= bounds[-1] <= _LARGEST:
            raise _C.ArgumentError(f"randint: {name} must fit in 64 bits, found {bounds[-1]}")
    return _new("randint", shape, dtype, generator, "randint_", *bounds, requires_grad=False)


def bernoulli(p: float, shape: Shape, dtype: DTypeLike = "float32", generator: Generator | None = None) -> Tensor:
    """Ones with probability ``p`` (to the nearest multiple of 2^-32), else zeros.

    Parameters
    ----------
    p
        The probability of a one, from 0 to 1.
    shape, generator
        As in :func:`rand`.
    dtype
        Any but bfloat16 and float16; with bool, ones are True.

    Returns
    -------
    Tensor
        A new one of the shape, on the CPU, without a gradient.

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
    return _new("bernoulli", shape, dtype, generator, "bernoulli_", p, requires_grad=False)


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
    count = _integer("permutation", "n", n)
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
