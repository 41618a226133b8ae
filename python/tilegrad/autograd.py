"""Turning gradients on and off.

The tape itself is native (csrc/tensor/autograd.h); an op puts itself on it through ``record``:

>>> def square(x):
...     return record(_C.multiply(x, x), _square_gradient, (x,), x)
>>> def _square_gradient(needs, grad, x):
...     return (_C.multiply(_C.multiply(grad, x), 2.0),)

``record(out, rule, inputs, *saved)`` returns ``out``. When a gradient reaches the op, ``rule(needs, grad, *saved)`` is
called: ``needs`` tells for each input whether its gradient is wanted, ``grad`` is that of ``out`` (a tuple where
``out`` is one, None where none arrived), and the rule returns one gradient, or None, for each input. With
``record_shapes`` in its place the rule is called as ``rule(needs, grad, *shapes, *saved)``, with the inputs' shapes,
which are made only where there is a tape.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from . import _C

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    from .tensor import Tensor

    P = ParamSpec("P")
R = TypeVar("R")

__all__ = ["enable_grad", "grad", "grad_enabled", "no_grad", "record", "record_in_place", "record_shapes"]

record = _C.record
record_shapes = _C.record_shapes
record_in_place = _C.record_in_place
grad_enabled = _C.grad_enabled


def is_recorded(*inputs: Tensor | None) -> bool:
    """Whether an op of these inputs goes on the tape."""
    return grad_enabled() and any(x is not None and x.requires_grad for x in inputs)


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


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool = False,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of the sum of all outputs with respect to each input; no ``.grad`` is changed.

    Only what lies between the two is walked.

    Parameters
    ----------
    outputs
        A tensor or several.
    inputs
        The tensor or tensors, leaves or results of ops, to differentiate by.
    grad_outputs
        What each output's gradient starts from, of its shape and dtype; None stands for 1, where the output is a
        single element.
    retain_graph
        Whether the graph is kept for another walk. If not, what each op saved is let go once its gradient is made; an
        error on the way leaves the graph used up as far as the walk came.
    create_graph
        Gradients of gradients are not recorded: True raises.
    allow_unused
        Whether an input that no output depends on gets None; it raises otherwise.

    Returns
    -------
    tuple of Tensor
        For each input, a tensor of its shape, outside any graph.

    Raises
    ------
    AutogradError
        If an output or input does not require a gradient, an input is not used, the graph has been used up, or
        ``create_graph`` is asked for.
    ArgumentError
        If ``grad_outputs`` has another length than ``outputs``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> tg.grad((x * x).sum(), x)
    (tensor([2., 4.]),)
    >>> x.grad is None
    True
    """
    if create_graph:
        raise _C.AutogradError(
            "grad: create_graph=True is not supported, because gradients of gradients are not recorded; write the "
            "first gradient out with ops, or take differences of gradients"
        )
    made, by = _tensors("outputs", outputs), _tensors("inputs", inputs)
    if grad_outputs is None or isinstance(grad_outputs, _C.TensorBase):
        starts: tuple[Any, ...] = (grad_outputs,) * (1 if grad_outputs is not None else len(made))
    else:
        starts = tuple(grad_outputs)
    if len(starts) != len(made):
        raise _C.ArgumentError(f"grad: {len(made)} outputs and {len(starts)} grad_outputs; give one for each, or None")
    found = _C.gradients(made, starts, by, retain_graph)
    if not allow_unused:
        unused = [position for position, gradient in enumerate(found) if gradient is None]
        if unused:
            raise _C.AutogradError(
                f"grad: no output depends on input {unused[0]}; leave it out, or pass allow_unused=True for None there"
            )
    return found


def _tensors(name: str, given: Any) -> tuple[Any, ...]:
    tensors = (given,) if isinstance(given, _C.TensorBase) else tuple(given)
    for position, tensor in enumerate(tensors):
        if not isinstance(tensor, _C.TensorBase):
            raise _C.DTypeError(f"grad: {name}[{position}] must be a tensor, found {type(tensor).__name__}")
    return tensors
