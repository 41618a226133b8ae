"""Turning gradients on and off.

The tape itself is native (csrc/tensor/autograd.h); an op puts itself on it through ``record``:

>>> def square(x):
...     return record(_C.multiply(x, x), _square_gradient, (x,), x)
>>> def _square_gradient(needs, grad, x):
...     return (_C.multiply(_C.multiply(grad, x), 2.0),)

``record(out, rule, inputs, *saved)`` returns ``out``. When a gradient reaches the op, ``rule(needs, grad, *saved)`` is
called: ``needs`` tells for each input whether its gradient is wanted, ``grad`` is that of ``out`` (a tuple where
``out`` is one, None where none arrived), and the rule returns one gradient, or None, for each input.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from . import _C

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    P = ParamSpec("P")
R = TypeVar("R")

__all__ = ["enable_grad", "grad_enabled", "no_grad", "record", "record_in_place"]

record = _C.record
record_in_place = _C.record_in_place
grad_enabled = _C.grad_enabled


class _GradMode:
    """Sets whether ops are recorded, for a ``with`` block or for every call of a decorated function."""

    _enabled: bool

    def __enter__(self) -> None:
        self._before = grad_enabled()
        _C.set_grad_enabled(self._enabled)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _C.set_grad_enabled(self._before)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> R:
            with type(self)():
                return function(*args, **kwargs)

        return wrapped


class no_grad(_GradMode):  # noqa: N801 - used like a function
    """Ops inside are not recorded: no memory is kept for a backward pass.

    A context manager and a decorator; of this thread alone.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([1.0], requires_grad=True)
    >>> with tg.no_grad():
    ...     y = x * 2.0
    >>> y.requires_grad
    False
    """

    _enabled = False


class enable_grad(_GradMode):  # noqa: N801
    """Ops inside are recorded, also within :class:`no_grad`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([1.0], requires_grad=True)
    >>> with tg.no_grad(), tg.enable_grad():
    ...     y = x * 2.0
    >>> y.requires_grad
    True
    """

    _enabled = True
