"""Mixed precision: products and convolutions of a GPU in 16 bits, everything that sums or normalises in float32.

Parameters, their gradients and the state of optimizers stay float32; what a layer computes with is cast on the way in,
and its gradient on the way back.

Source: Micikevicius et al., "Mixed precision training", ICLR 2018.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from . import _C
from .operands import other_data

__all__ = ["autocast"]

P = ParamSpec("P")
R = TypeVar("R")

_chosen: ContextVar[Any] = ContextVar("autocast", default=None)


class autocast:  # noqa: N801 - used like a function
    """A context (or decorator) in which products and convolutions on a GPU are computed in 16 bits.

    ``matmul``, ``linear``, ``conv2d``, ``conv_transpose2d`` and the layers of these cast float32 operands to ``dtype``
    and return it, with sums in float32. Losses, normalisation, dropout, attention and recurrent layers take 16-bit
    operands back to float32, but for ``batch_norm``, which computes in float32 and returns what it is given. What lies
    between (activations, pooling, additions) computes in what it is given. On the
    CPU, where 16-bit types are for storage, nothing changes. Gradients of float32 parameters are float32.

    Parameters
    ----------
    dtype
        ``"bfloat16"``, with the range of float32, or ``"float16"``, with three more bits and a range that small
        gradients fall out of: scale the loss (:class:`tilegrad.optim.LossScaler`).
    enabled
        False for no effect, or for a part of the surrounding context that stays in float32.

    Raises
    ------
    DTypeError
        If the dtype is neither.

    Examples
    --------
    >>> import tilegrad as tg
    >>> layer, x = tg.nn.Linear(4, 2), tg.ones((3, 4))
    >>> device = "cuda" if tg.cuda.is_available() else "cpu"
    >>> with tg.autocast("bfloat16"):
    ...     loss = tg.cross_entropy(layer.to(device)(x.to(device)), tg.tensor([0, 1, 1], device=device))
    >>> loss.dtype
    tilegrad.float32
    """

    def __init__(self, dtype: Any = "bfloat16", enabled: bool = True) -> None:
        self._dtype = _C.dtype(dtype)
        if self._dtype not in (_C.bfloat16, _C.float16):
            raise _C.DTypeError(f"autocast: dtype must be bfloat16 or float16, found {self._dtype.name}")
        self._enabled = enabled
        self._tokens: list[Any] = []

    def __enter__(self) -> autocast:
        self._tokens.append(_chosen.set(self._dtype if self._enabled else None))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _chosen.reset(self._tokens.pop())

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            with autocast(self._dtype, self._enabled):
                return function(*args, **kwargs)

        return wrapped


def chosen() -> Any:
    """The dtype of the surrounding context, or None."""
    return _chosen.get()


def in_16_bits(function: Callable[P, R]) -> Callable[P, R]:
    """An op whose float32 operands on a GPU are cast to the context's dtype."""
    return _casting(function, lambda x, dtype: dtype if x.dtype == _C.float32 and x.device != "cpu" else x.dtype)


def in_float32(function: Callable[P, R]) -> Callable[P, R]:
    """An op whose 16-bit operands are cast to float32."""
    return _casting(function, lambda x, dtype: _C.float32 if x.dtype in (_C.bfloat16, _C.float16) else x.dtype)


def _casting(function: Callable[P, R], dtype_for: Callable[[Any, Any], Any]) -> Callable[P, R]:
    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        dtype = _chosen.get()
        if dtype is None:
            try:
                return function(*args, **kwargs)
            except (TypeError, AttributeError) as error:
                raise other_data(error, function, args, kwargs, f"{function.__name__}: ") from None

        def cast(x: Any) -> Any:
            if not isinstance(x, _C.TensorBase):
                return x
            tensor: Any = x
            return tensor.astype(dtype_for(tensor, dtype))

        call: Any = function
        result: R = call(*map(cast, args), **{name: cast(x) for name, x in kwargs.items()})
        return result

    return wrapped
