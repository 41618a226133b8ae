"""Where random numbers come from: keyed, not sequential.

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

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["Generator", "default_generator", "manual_seed", "source_of", "whole_number"]

_LARGEST = 2**63 - 1


def whole_number(owner: str, name: str, value: Any) -> int:
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
        start = (whole_number("Generator", "seed", seed), whole_number("Generator", "stream", stream))
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
        self._write(
            (whole_number("Generator.set_state", "seed", seed), whole_number("Generator.set_state", "stream", stream))
        )

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
        self._write((whole_number("manual_seed", "seed", seed), 0))
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
        return Generator(_C.derived_seed(self.state()[0], whole_number("Generator.fork", "key", key)))

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


def source_of(op: str, generator: Generator | None) -> Generator:
    """What an op draws from."""
    if generator is None:
        return default_generator
    if not isinstance(generator, Generator):
        raise _C.ArgumentError(f"{op}: generator must be a tg.Generator, found {type(generator).__name__}")
    return generator
