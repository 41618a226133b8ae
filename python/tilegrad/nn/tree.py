"""Tree: the modules, parameters and buffers inside a module, by their paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .. import _C
from ..tensor import Tensor
from .parameter import Parameter

if TYPE_CHECKING:
    from .module import Module

__all__ = ["Tree"]

T = TypeVar("T", bound="Tree")


class Tree:
    """What :class:`Module` is as a tree: every attribute that is a module is a branch."""

    _buffers: set[str]
    _unbuilt = False  # whether parameters wait for the size of the first input

    def register_buffer(self, name: str, tensor: Tensor | None) -> None:
        """Set a tensor that belongs to the state but is not trained, such as a running mean."""
        if tensor is not None and not isinstance(tensor, Tensor):
            raise _C.DTypeError(f"register_buffer: {name!r} must be a tensor, found {type(tensor).__name__}")
        self._buffers.add(name)
        setattr(self, name, tensor)

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """Set a parameter, as an assignment to the attribute does."""
        if parameter is not None and not isinstance(parameter, Parameter):
            raise _C.DTypeError(f"register_parameter: {name!r} must be a Parameter, found {type(parameter).__name__}")
        setattr(self, name, parameter)

    def add_module(self, name: str, module: Module) -> None:
        """Set a submodule, as an assignment to the attribute does."""
        if not isinstance(module, Tree):
            raise _C.ArgumentError(f"add_module: {name!r} must be a module, found {type(module).__name__}")
        setattr(self, name, module)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside, with their names."""
        for name, value in vars(self).items():
            if isinstance(value, Tree):
                yield name, cast("Module", value)

    def children(self) -> Iterator[Module]:
        """The modules directly inside."""
        return (module for _, module in self.named_children())

    def get_submodule(self, path: str) -> Module:
        """The module at a path, as :meth:`named_modules` has it.

        Raises
        ------
        ArgumentError
            If there is none; tells how far the path goes and what is there.

        Examples
        --------
        >>> import tilegrad as tg
        >>> model = tg.nn.Sequential(tg.nn.Sequential(tg.nn.Linear(2, 3)), tg.nn.ReLU())
        >>> model.get_submodule("0.0")
        Linear(2, 3)
        """
        found = cast("Module", self)
        parts = path.split(".") if path else []
        for depth, part in enumerate(parts):
            inside = dict(found.named_children())
            if part not in inside:
                where = ".".join(parts[:depth]) or "the module"
                raise _C.ArgumentError(
                    f"get_submodule: {where} ({type(found).__name__}) has no module {part!r}; it has "
                    f"{', '.join(inside) or 'none'}"
                )
            found = inside[part]
        return found

    def set_submodule(self, path: str, module: Module) -> None:
        """Put another module at a path: ``model.set_submodule("features.3", nn.Identity())``."""
        owner, _, name = path.rpartition(".")
        self.get_submodule(path)  # raises where there is none
        holder = self.get_submodule(owner)
        holder.add_module(name, module)

    def apply(self: T, function: Callable[[Module], Any]) -> T:
        """Call ``function(module)`` for all modules inside and then for this one; returns the module.

        Examples
        --------
        >>> import tilegrad as tg
        >>> def small(module):
        ...     if isinstance(module, tg.nn.Linear):
        ...         with tg.no_grad():
        ...             module.weight.fill_(0.5)
        >>> tg.nn.Sequential(tg.nn.Linear(2, 1, bias=False)).apply(small)(tg.ones((1, 2))).detach()
        tensor([[1.]])
        """
        for module in reversed(list(self.modules())):
            function(module)
        return self

    def named_modules(self, prefix: str = "", _seen: set[int] | None = None) -> Iterator[tuple[str, Module]]:
        """The module itself (under the name ``""``) and all modules inside, each once, with their paths."""
        seen = set() if _seen is None else _seen
        if id(self) in seen:
            return
        seen.add(id(self))
        yield prefix, cast("Module", self)
        for name, child in self.named_children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name, seen)

    def modules(self) -> Iterator[Module]:
        """The module itself and all modules inside, each once."""
        return (module for _, module in self.named_modules())

    def _named_tensors(self, wanted: Callable[[Module, str, Any], bool]) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, module in self.named_modules():
            if module._unbuilt:
                raise _C.ArgumentError(
                    f"{path or 'the module'} ({type(module).__name__}) has no parameters yet, because the size of its "
                    "input is not known: call model.build(input_shape) first, with the shape of one sample"
                )
            for name, value in vars(module).items():
                if wanted(module, name, value) and id(value) not in seen:
                    seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """All parameters, each once, with their paths.

        Raises
        ------
        ArgumentError
            If a layer still waits for the size of its input; see :meth:`build`.
        """
        return self._named_tensors(lambda module, name, value: isinstance(value, Parameter))

    def parameters(self) -> Iterator[Parameter]:
        """All parameters, each once."""
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """All buffers, each once, with their paths."""
        return self._named_tensors(lambda module, name, value: name in module._buffers and value is not None)

    def buffers(self) -> Iterator[Tensor]:
        """All buffers, each once."""
        return (buffer for _, buffer in self.named_buffers())
