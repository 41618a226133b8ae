"""Modules that hold modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from keyword import iskeyword
from typing import Any, overload

from .. import _C
from .module import Given, Module
from .registry import register
from .summary import _indent

__all__ = ["ModuleDict", "ModuleList", "Sequential"]


class _Container(Module):
    """Modules under names, in order."""

    _modules: dict[str, Module]

    def _put(self, name: str, module: Any) -> None:
        if not isinstance(module, Module):
            raise _C.ArgumentError(
                f"{type(self).__name__}: {name!r} must be a module, found {type(module).__name__}"
                + ("; give the layer itself, not its class" if isinstance(module, type) else "")
            )
        if not isinstance(name, str) or not name or "." in name:
            raise _C.ArgumentError(f"{type(self).__name__}: {name!r} cannot be a module's name")
        self._modules[name] = module
        _C.changed()

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules, with their names, and those that are attributes."""
        yield from self._modules.items()
        yield from super().named_children()

    def add_module(self, name: str, module: Module) -> None:
        """Put a module under a name, behind the others if it is new."""
        if isinstance(vars(self).get(name), Module):
            super().add_module(name, module)
        else:
            self._put(name, module)

    def __len__(self) -> int:
        return len(self._modules)

    def __copy__(self) -> Any:
        copied = super().__copy__()
        copied.__dict__["_modules"] = dict(self._modules)
        return copied


class _Numbered(_Container):
    def _name(self, index: int) -> str:
        names = list(self._modules)
        try:
            return names[index]
        except IndexError:
            raise _C.OutOfRangeError(
                f"{type(self).__name__}: index {index} is out of range for {len(names)} modules"
            ) from None

    def append(self, module: Module) -> Any:
        """Add a module at the end; returns the container."""
        self._put(str(len(self._modules)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Add modules at the end; returns the container."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Put a module before the one at an index, as a list does; returns the container."""
        if not self._is_numbered():
            raise _C.ArgumentError(f"{type(self).__name__}: insert() is for numbered modules; these have names")
        self._put(str(len(self)), module)  # checks it
        modules = list(self._modules.values())
        modules.insert(index, modules.pop())
        self._renumber(modules)
        return self

    def pop(self, index: int = -1) -> Module:
        """Take a module out and return it."""
        module = self._modules[self._name(index)]
        del self[index]
        return module

    @overload
    def __getitem__(self, index: int | str) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Any: ...
    def __getitem__(self, index: int | str | slice) -> Any:
        if isinstance(index, slice):
            return self._part({name: self._modules[name] for name in list(self._modules)[index]})
        if isinstance(index, str):
            return self._modules[index]
        return self._modules[self._name(index)]

    def __setitem__(self, index: int | str, module: Module) -> None:
        self._put(index if isinstance(index, str) else self._name(index), module)

    def __delitem__(self, index: int | slice) -> None:
        numbered = self._is_numbered()
        names = list(self._modules)
        for name in names[index] if isinstance(index, slice) else [self._name(index)]:
            del self._modules[name]
        if numbered:
            self._renumber(list(self._modules.values()))
        _C.changed()

    def _is_numbered(self) -> bool:
        return list(self._modules) == [str(position) for position in range(len(self))]

    def _renumber(self, modules: list[Module]) -> None:
        self._modules.clear()
        self._modules.update((str(position), module) for position, module in enumerate(modules))
        _C.changed()

    def _part(self, modules: dict[str, Module]) -> Any:
        """A container of some of the modules."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Module]:
        return iter(list(self._modules.values()))


@register
class Sequential(_Numbered):
    """Modules that are called one after the other.

    Parameters
    ----------
    modules
        The modules in order, named ``"0"``, ``"1"``, ...; or one OrderedDict from names to modules.

    Examples
    --------
    >>> from collections import OrderedDict
    >>> import tilegrad as tg
    >>> tg.nn.Sequential(tg.nn.Flatten(), tg.nn.Linear(64, 10))
    Sequential(
        Flatten(),
        Linear(64, 10),
    )
    >>> model = tg.nn.Sequential(OrderedDict(flat=tg.nn.Flatten(), out=tg.nn.Linear(64, 10)))
    >>> model.out is model[1]
    True

    Parts share the modules: ``model[:-1]`` is the network without its head.
    """

    def __init__(self, *modules: Any) -> None:
        self.__dict__["_modules"] = {}
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            named = list(modules[0].items())
        else:
            named = [(str(position), module) for position, module in enumerate(modules)]
        for name, module in named:
            self._put(name, module)

    def __getattr__(self, name: str) -> Module:
        try:
            module: Module = self.__dict__["_modules"][name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no attribute or module {name!r}") from None
        return module

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Module):
            self._put(name, value)
        else:
            super().__setattr__(name, value)

    def forward(self, x: Any) -> Any:
        """The output of the last module."""
        for module in self._modules.values():
            x = module(x)
        return x

    def config(self) -> Given:
        """The modules; see :meth:`Module.config`."""
        if type(self).__init__ is not Sequential.__init__:
            return super().config()
        return Given(list(self._modules.values()) if self._is_numbered() else [dict(self._modules)], {})

    def _part(self, modules: dict[str, Module]) -> Sequential:
        return Sequential(*modules.values()) if self._is_numbered() else Sequential(modules)

    def __repr__(self) -> str:
        numbered = self._is_numbered()
        words = all(name.isidentifier() and not iskeyword(name) for name in self._modules)
        front = {name: "" if numbered else f"{name}=" if words else f"{name!r}: " for name in self._modules}
        lines = [f"    {front[name]}{_indent(repr(module))},\n" for name, module in self._modules.items()]
        inside = "\n" + "".join(lines) if lines else ""
        kind = type(self).__name__
        if numbered:
            return f"{kind}({inside})"
        return f"{kind}(OrderedDict({inside}))" if words else f"{kind}(OrderedDict({{{inside}}}))"


@register
class ModuleList(_Numbered):
    """A list of modules, for a forward that goes its own way.

    Parameters
    ----------
    modules
        Modules in order, from any iterable; they are named ``"0"``, ``"1"``, ...

    Examples
    --------
    >>> import tilegrad as tg
    >>> blocks = tg.nn.ModuleList(tg.nn.Linear(2, 2) for _ in range(3))
    >>> len(blocks), len(list(blocks.parameters()))
    (3, 6)
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self.__dict__["_modules"] = {}
        if isinstance(modules, Module) and not isinstance(modules, _Container):
            raise _C.ArgumentError(f"ModuleList: give a list of modules, found one {type(modules).__name__}")
        if not hasattr(modules, "__iter__"):
            raise _C.ArgumentError(f"ModuleList: give a list of modules, found {type(modules).__name__}")
        for module in modules:
            self.append(module)

    def _part(self, modules: dict[str, Module]) -> ModuleList:
        return ModuleList(modules.values())

    def config(self) -> Given:
        """The modules; see :meth:`Module.config`."""
        return Given([list(self._modules.values())], {})

    def __repr__(self) -> str:
        lines = [f"    {_indent(repr(module))},\n" for module in self._modules.values()]
        return f"{type(self).__name__}([" + ("\n" + "".join(lines) if lines else "") + "])"


@register
class ModuleDict(_Container):
    """Modules by name, for a forward that goes its own way.

    Parameters
    ----------
    modules
        A dictionary from names to modules, whose order stays. A name is not empty and has no dot.

    Raises
    ------
    ArgumentError
        If it is no dictionary, or a name or module in it is none.

    Examples
    --------
    >>> import tilegrad as tg
    >>> heads = tg.nn.ModuleDict({"age": tg.nn.Linear(8, 1), "kind": tg.nn.Linear(8, 3)})
    >>> heads["kind"].out_features
    3
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        self.__dict__["_modules"] = {}
        if modules is not None:
            ModuleDict.update(self, modules)

    def __getitem__(self, name: str) -> Module:
        return self._modules[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self._put(name, module)

    def __contains__(self, name: str) -> bool:
        return name in self._modules

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __delitem__(self, name: str) -> None:
        del self._modules[name]
        _C.changed()

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> Iterable[Module]:
        """The modules."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Names and modules."""
        return self._modules.items()

    def update(self, modules: Mapping[str, Module]) -> None:
        """Put in modules by name: over those that are there, behind the others where a name is new.

        Parameters
        ----------
        modules
            As of :class:`ModuleDict`.
        """
        if not isinstance(modules, (Mapping, ModuleDict)):
            raise _C.ArgumentError(
                f"{type(self).__name__}: give a dictionary from names to modules, found {type(modules).__name__}"
            )
        for name, module in modules.items():
            self._put(name, module)

    def pop(self, name: str) -> Module:
        """Take a module out and return it.

        Parameters
        ----------
        name
            One that is there.

        Returns
        -------
        Module
            The module, which the dictionary has no more.

        Raises
        ------
        KeyError
            If there is no such name.
        """
        module = self._modules.pop(name)
        _C.changed()
        return module

    def config(self) -> Given:
        """The modules; see :meth:`Module.config`."""
        return Given([dict(self._modules)], {})

    def __repr__(self) -> str:
        lines = [f"    {name!r}: {_indent(repr(module))},\n" for name, module in self._modules.items()]
        return f"{type(self).__name__}({{" + ("\n" + "".join(lines) if lines else "") + "})"
