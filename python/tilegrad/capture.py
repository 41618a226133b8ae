"""Capture and replay: a function's launches, recorded once and made again as one native call.

A Python step of a small network spends most of its time between kernels. :func:`capture` runs it once as it is, notes
every kernel that it launches, and from then on makes the same launches without running Python: on the new arguments, on
the same parameters, with random numbers, step counters and schedules going on.
"""

from __future__ import annotations

import functools
import inspect
import threading
import warnings
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar, overload

import numpy as np

from . import _C, mixed_precision
from .structure import flatten, replace

R = TypeVar("R")

__all__ = ["Captured", "capture"]

Guard = tuple[Callable[[], Hashable], Hashable]

_this_thread = threading.local()


def depends_on(read: Callable[[], Hashable]) -> None:
    """Tells the recording of this thread, if any, that it holds while ``read()`` gives what it gives now.

    Whoever changes what ``read`` reads calls ``_C.changed()``.
    """
    guards: list[Guard] | None = getattr(_this_thread, "guards", None)
    if guards is not None:
        guards.append((read, read()))


class _Place:
    """Where a tensor was in what the function returned."""


_PLACE = _Place()


def _is_place(value: Any) -> bool:
    return value is _PLACE


def _is_tensor(value: Any) -> bool:
    return isinstance(value, _C.TensorBase)


def _is_input(value: Any) -> bool:
    """Whether a part of an argument is another one in every call; a parameter is not, it collects gradients."""
    return (isinstance(value, _C.TensorBase) and not value.requires_grad) or isinstance(value, np.ndarray)


class _Inputs(list[Any]):
    """The tensors among the arguments of one call."""

    def take(self, value: Any) -> Hashable | None:
        """Puts a tensor or NumPy array into the list; returns what programs depend on."""
        if not _is_input(value):
            return None
        tensor = value if isinstance(value, _C.TensorBase) else _C.copy(_C.from_numpy(np.require(value, None, "W")))
        if any(stride < 0 for stride in tensor.strides):
            tensor = _C.copy(tensor)
        self.append(tensor)
        return (tensor.dtype, tensor.shape, tensor.strides)


class _Program:
    """A native program with what Python knows about it."""

    def __init__(self, native: _C.Program, guards: list[Guard], result: Any) -> None:
        self.native, self._guards, self._result = native, guards, result
        self._checked = _C.changes()

    def holds(self) -> bool:
        """Whether nothing that it depends on has changed."""
        changes = _C.changes()
        if changes != self._checked:
            if any(read() != value for read, value in self._guards):
                return False
            self._checked = changes
        return True

    def replay(self, inputs: list[Any]) -> Any:
        """Makes all launches again; the result of the function."""
        outputs = self.native.replay(inputs)
        if self._result is _PLACE:
            return outputs[0]
        position = iter(outputs)
        return replace(self._result, _is_place, lambda _: next(position))


class _Signature:
    """What is known about calls with arguments of one form."""

    def __init__(self) -> None:
        self.programs: list[_Program] = []
        self.first_times = 0
        self.runs_eagerly = False


# How often a call may make state that the next one finds (the first gradients, say) before a recording of it is kept:
# such a function does it in every call.
_MOST_FIRST_TIMES = 2


class Captured(Generic[R]):
    """A function whose launches are recorded and replayed; made by :func:`capture`."""

    def __init__(self, function: Callable[..., R], check: bool, max_programs: int) -> None:
        if not callable(function):
            raise _C.ArgumentError(f"capture: expected a function, found {type(function).__name__}")
        if max_programs < 1:
            raise _C.ArgumentError(f"capture: max_programs must be at least 1, found {max_programs}")
        functools.update_wrapper(self, function, updated=())
        self._function, self._check, self._max_programs = function, check, max_programs
        self._signatures: dict[Hashable, _Signature] = {}
        self._lock = threading.RLock()
        self._has_warned = False
        self._name = getattr(function, "__name__", type(function).__name__)
        self._names = _positional_names(function)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    @property
    def programs(self) -> int:
        """How many programs have been recorded."""
        return sum(len(signature.programs) for signature in self._signatures.values())

    def kernels(self) -> list[list[str]]:
        """The kernels that each program launches, in order."""
        return [program.native.names() for found in self._signatures.values() for program in found.programs]

    def clear(self) -> None:
        """Forgets all programs: to be called when something changed that they cannot know of."""
        with self._lock:
            self._signatures.clear()

    def __call__(self, *args: Any, **kwargs: Any) -> R:
        if _C.values_hidden():  # inside another captured function, which records these launches too
            return self._function(*args, **kwargs)
        while kwargs and len(args) < len(self._names) and self._names[len(args)] in kwargs:
            args = (*args, kwargs.pop(self._names[len(args)]))  # f(x, y=y) is f(x, y)
        inputs = _Inputs()
        key = (
            self._mode(),
            flatten(args, inputs.take),
            flatten(dict(sorted(kwargs.items())), inputs.take) if kwargs else None,
        )
        signature = self._signatures.get(key)
        if signature is not None and not self._check:
            for program in signature.programs:
                if program.holds():
                    result: R = program.replay(inputs)
                    return result
        with self._lock:
            signature = self._signatures.setdefault(key, _Signature())
            return self._run(signature, args, kwargs, inputs)

    def _mode(self) -> Hashable:
        """What of the thread's state programs depend on."""
        return _C.grad_enabled(), _C.float32_precision(), str(mixed_precision.chosen())

    def _run(self, signature: _Signature, args: Any, kwargs: Any, inputs: _Inputs) -> R:
        """Calls the function itself, and notes its launches if they can be replayed."""
        if not signature.runs_eagerly and self.programs >= self._max_programs:
            signature.runs_eagerly = True
            self._warn(f"there are {self.programs} programs already (max_programs); more kinds of calls run without")
        if signature.runs_eagerly:
            return self._call(args, kwargs, iter(inputs))
        recording = _C.Recording()
        guards: list[Guard] = []
        try:
            with _values_hidden(), _noting(guards):
                result = self._call(args, kwargs, iter([recording.input(tensor) for tensor in inputs]))
            if recording.reason:
                signature.runs_eagerly = True
                self._warn(f"{recording.reason}; such calls run without capture")
                return result
            if recording.first_time and signature.first_times < _MOST_FIRST_TIMES:
                signature.first_times += 1
                return result
            outputs: list[Any] = []

            def put(tensor: Any) -> _Place:
                outputs.append(tensor)
                return _PLACE

            shape = replace(result, _is_tensor, put)
            program = self._program(recording.finish(outputs), guards, shape)
        finally:
            recording.discard()
        if self._check and signature.programs:
            differences = [known.native.difference(program.native) for known in signature.programs]
            if all(differences):
                raise _C.CaptureError(
                    f"capture(check=True): {self._name} does something else in this call than in the one before, which "
                    f"replays would not: {differences[0]}"
                )
        else:
            signature.programs.append(program)
        return result

    def _program(self, native: _C.Program, guards: list[Guard], shape: Any) -> _Program:
        """What replays run."""
        return _Program(native, guards, shape)

    def _call(self, args: Any, kwargs: Any, inputs: Iterator[Any]) -> R:
        """The function's result for these inputs, without gradients."""
        args, kwargs = replace((args, kwargs), _is_input, lambda _: next(inputs))
        result: R = replace(self._function(*args, **kwargs), _is_tensor, lambda tensor: tensor.detach())
        return result

    def _warn(self, why: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            warnings.warn(f"capture: {self._name}: {why}", stacklevel=4)

    def __repr__(self) -> str:
        return f"<captured {self._name}: {self.programs} programs>"


def _positional_names(function: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some built-in functions do not tell
        return []
    return [p.name for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]


@contextmanager
def _values_hidden() -> Iterator[None]:
    """Inside, looking at the values of tensors is refused."""
    _C.set_values_hidden(True)
    try:
        yield
    finally:
        _C.set_values_hidden(False)


@contextmanager
def _noting(guards: list[Guard]) -> Iterator[None]:
    """Inside, :func:`depends_on` adds to ``guards``."""
    _this_thread.guards = guards
    try:
        yield
    finally:
        _this_thread.guards = None


@overload
def capture(function: Callable[..., R], *, check: bool = ..., max_programs: int = ...) -> Captured[R]: ...
@overload
def capture(
    function: None = ..., *, check: bool = ..., max_programs: int = ...
) -> Callable[[Callable[..., R]], Captured[R]]: ...
def capture(function: Callable[..., R] | None = None, *, check: bool = False, max_programs: int = 32) -> Any:
    """Makes a function replay what it launches, instead of running its Python code in every call.

    The first call with arguments of some form (shapes, dtypes, strides, and all that is no tensor) runs the function
    and records its launches; a call that makes state on the way, such as the first gradients, is recorded anew the next
    time. Calls of the same form are then one native call. What they compute has the same bits as the function itself.

    Parameters
    ----------
    function
        Takes tensors in any nesting of tuples, lists, dictionaries and dataclasses, by position or by name; NumPy
        arrays arrive as tensors. All else among the arguments (numbers, strings, objects) is part of the form. Whatever
        tensors it returns, in any nesting, are new in every call and carry no gradients: ``backward()`` and the
        optimizer's ``step()`` belong inside.
    check
        Runs the function in every call and compares what it launches with what was recorded: finds a number that
        Python computed and the recording would repeat, a tensor that was replaced instead of written into, or a branch
        on something that is no argument. Slow; for looking for a mistake.
    max_programs
        How many programs are kept; calls of further forms run the function itself, which is told once in a warning.

    Returns
    -------
    Captured
        To be called like ``function``. Its ``programs`` counts the recordings, ``clear()`` forgets them.

    Raises
    ------
    CaptureError
        In a call: if the function looks at a value (``item()``, ``numpy()``, ``if tensor:``), which a replay would not
        see; or, with ``check``, if a call launches something else than the one before.

    Notes
    -----
    A replay goes on where the last call stopped: random numbers, Adam's step counters, running statistics and learning
    rates (numbers, schedules) advance. Switching layers between training and evaluation, freezing parameters,
    replacing them and setting an optimizer's options are noticed, and the function is recorded anew. Numbers that the
    function reads from elsewhere are not: pass them as arguments, as tensors if they change in every call.

    Examples
    --------
    >>> import tilegrad as tg
    >>> model = tg.nn.Linear(2, 1)
    >>> optimizer = tg.optim.Adam(model.parameters(), lr=0.1)
    >>> @tg.capture
    ... def step(x, y):
    ...     optimizer.zero_grad()
    ...     loss = tg.mse_loss(model(x), y)
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> x, y = tg.tensor([[1.0, 2.0]]), tg.tensor([[3.0]])
    >>> losses = [step(x, y).item() for _ in range(100)]
    >>> losses[-1] < 0.01 * losses[0], step.programs
    (True, 1)
    """
    if function is None:
        return functools.partial(capture, check=check, max_programs=max_programs)
    return Captured(function, check, max_programs)
