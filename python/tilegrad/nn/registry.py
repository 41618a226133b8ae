"""The kinds of modules that a model file may name: those that the running program has registered, and no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, overload

from .. import _C

if TYPE_CHECKING:
    from .module import Module

__all__ = ["kind_of", "kinds", "register"]

T = TypeVar("T", bound="type[Module]")
kinds: dict[str, type[Module]] = {}


@overload
def register(kind: T) -> T: ...
@overload
def register(kind: str) -> Callable[[T], T]: ...
def register(kind: T | str) -> T | Callable[[T], T]:
    """Let ``tg.save`` and ``tg.load`` know a module class: ``@nn.register`` or ``@nn.register("name")``.

    A file then names the class and its constructor's arguments, which must be numbers, strings, booleans, None, lists,
    tuples and dicts of these, dtypes, or modules of registered classes. Nothing is ever imported by a name in a file.

    Parameters
    ----------
    kind
        The class, which is known by its name then, or the name that the decorated class is to have.

    Returns
    -------
    type
        The class itself; given a name, a decorator that returns it.

    Raises
    ------
    ArgumentError
        If another class has the name already, or it is no module class.

    Examples
    --------
    >>> import tilegrad as tg
    >>> @tg.nn.register("example.Double")
    ... class Double(tg.nn.Module):
    ...     def forward(self, x):
    ...         return x * 2.0
    """
    if isinstance(kind, str):
        name = kind
        return lambda cls: _put(name, cls)
    return _put(getattr(kind, "__name__", ""), kind)


def _put(name: str, cls: T) -> T:
    from .module import Module

    if not isinstance(cls, type) or not issubclass(cls, Module):
        raise _C.ArgumentError(f"register: expected a class of modules or a name for one, found {cls!r:.80}")
    known = kinds.get(name)
    # A class defined again (in a notebook) replaces itself; another one may not take its name.
    if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise _C.ArgumentError(
            f"register: {name!r} is taken by {known.__module__}.{known.__qualname__}; give another name: "
            f'@nn.register("mine.{name}")'
        )
    kinds[name] = cls
    return cls


def kind_of(module: Module) -> str | None:
    """The name that the module's own class is registered under, or None."""
    return next((name for name, cls in kinds.items() if cls is type(module)), None)
