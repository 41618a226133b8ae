"""A reader of pickle streams that builds data and executes nothing.

Python's own unpickler calls what a stream names, and lets it set attributes on what was found. This one is a stack
machine over the opcodes that :mod:`pickletools` parses: it makes numbers, texts, lists, tuples and dictionaries, hands
every name to its caller, who returns what stands for it, and knows no way to call, import or change anything else.
"""

from __future__ import annotations

import pickletools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

__all__ = ["Builder", "RefusedError", "read"]

Builder = Callable[..., Any]

ALLOWED = "dicts, lists, tuples, numbers, texts, None, bools and tensors"


class RefusedError(Exception):
    """The stream is damaged, or asks for what is not allowed."""


class _Name:
    """What a stream names: ``torch.FloatStorage``; it can be called where it stands for a builder."""

    __slots__ = ("builder", "text", "value")

    def __init__(self, text: str, value: Any, builder: Builder | None) -> None:
        self.text, self.value, self.builder = text, value, builder


class _Bounded:
    """A file whose reads end in an error before memory is taken for more than it holds."""

    def __init__(self, file: BinaryIO, end: int) -> None:
        self._file, self._end = file, end

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int) -> bytes:
        left = self._end - self._file.tell()
        if size > left:
            raise RefusedError(f"the stream is damaged or truncated: it claims {size} bytes where {left} are left")
        return self._file.read(size)

    def readline(self) -> bytes:
        return self._file.readline(self._end - self._file.tell())


MARK = object()
DIRECT = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
# Their argument, as pickletools has read it, is their value.
VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
}  # fmt: skip
COUNTS = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
KEYS = (str, int, float, bool, type(None))


def read(
    file: BinaryIO, end: int, names: Mapping[str, Any], builders: Mapping[str, Builder], persistent: Builder | None
) -> Any:
    """The value of one pickle stream; the file stands behind it then.

    Parameters
    ----------
    file, end
        Where the stream begins, and the byte before which it must end.
    names
        What stands for names such as ``"torch.float32"``; None is not a value.
    builders
        What is called for names such as ``"torch.Size"`` with arguments from the stream.
    persistent
        What is called with a persistent id; None where the stream may have none.

    Raises
    ------
    RefusedError
        If the stream is damaged or names anything else.
    """
    machine = _Machine(names, builders, persistent)
    try:
        for opcode, argument, _ in pickletools.genops(_Bounded(file, end)):  # type: ignore[arg-type]
            machine.step(opcode.name, argument)
        return machine.result()
    except RefusedError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, EOFError, RecursionError, MemoryError) as error:
        raise RefusedError(f"the stream is damaged ({type(error).__name__}: {error})") from None


class _Machine:
    def __init__(self, names: Mapping[str, Any], builders: Mapping[str, Builder], persistent: Builder | None) -> None:
        self._names, self._builders, self._persistent = names, builders, persistent
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def result(self) -> Any:
        if len(self._stack) != 1:
            raise RefusedError(f"the stream ends with {len(self._stack)} values, expected one")
        return self._pop()

    def step(self, opcode: str, argument: Any) -> None:
        stack = self._stack
        if opcode in VALUES:
            stack.append(argument)
        elif opcode in DIRECT:
            stack.append(DIRECT[opcode])
        elif opcode in COUNTS:
            items = [self._pop() for _ in range(COUNTS[opcode])]
            stack.append(tuple(reversed(items)))
        else:
            action = getattr(self, f"_on_{opcode.lower()}", None)
            if action is None:
                raise RefusedError(f"the stream has the opcode {opcode}, but may build {ALLOWED} alone")
            action(argument)

    # The stack.

    def _pop(self) -> Any:
        """A value; a mark or a name that was not called is none."""
        value = self._stack.pop()
        if value is MARK:
            raise RefusedError("the stream takes a value where there is none")
        if isinstance(value, _Name):
            if value.value is None:
                raise RefusedError(f"the stream uses {value.text} as a value")
            return value.value
        return value

    def _top(self, kind: type) -> Any:
        value = self._stack[-1]
        if not isinstance(value, kind):
            found = "mark" if value is MARK else type(value).__name__
            raise RefusedError(f"the stream treats a {found} as a {kind.__name__}")
        return value

    def _since_mark(self) -> list[Any]:
        items = []
        while self._stack[-1] is not MARK:
            items.append(self._pop())
        self._stack.pop()
        items.reverse()
        return items

    def _on_proto(self, version: int) -> None:
        if version > 5:
            raise RefusedError(f"the stream is of protocol {version}, at most 5 is known")

    def _on_frame(self, size: int) -> None: ...

    def _on_stop(self, _: None) -> None: ...

    def _on_mark(self, _: None) -> None:
        self._stack.append(MARK)

    def _on_pop(self, _: None) -> None:
        self._stack.pop()

    def _on_pop_mark(self, _: None) -> None:
        self._since_mark()

    def _on_dup(self, _: None) -> None:
        self._stack.append(self._stack[-1])

    def _on_get(self, index: int) -> None:
        if index not in self._memo:
            raise RefusedError(f"the stream refers to value {index}, which it has not kept")
        self._stack.append(self._memo[index])

    _on_binget = _on_long_binget = _on_get

    def _on_put(self, index: int) -> None:
        if self._stack[-1] is MARK:
            raise RefusedError("the stream keeps a value where there is none")
        self._memo[index] = self._stack[-1]

    _on_binput = _on_long_binput = _on_put

    def _on_memoize(self, _: None) -> None:
        self._on_put(len(self._memo))

    # Containers.

    def _on_empty_list(self, _: None) -> None:
        self._stack.append([])

    def _on_list(self, _: None) -> None:
        self._stack.append(self._since_mark())

    def _on_append(self, _: None) -> None:
        value = self._pop()
        self._top(list).append(value)

    def _on_appends(self, _: None) -> None:
        values = self._since_mark()
        self._top(list).extend(values)

    def _on_tuple(self, _: None) -> None:
        self._stack.append(tuple(self._since_mark()))

    def _on_empty_dict(self, _: None) -> None:
        self._stack.append({})

    def _on_dict(self, _: None) -> None:
        self._stack.append(_fill({}, self._since_mark()))

    def _on_setitem(self, _: None) -> None:
        value, key = self._pop(), self._pop()
        _fill(self._top(dict), [key, value])

    def _on_setitems(self, _: None) -> None:
        items = self._since_mark()
        _fill(self._top(dict), items)

    # Names and what they build.

    def _on_global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._name(module, name)

    def _on_stack_global(self, _: None) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise RefusedError("the stream names something by what is no text")
        self._name(module, name)

    def _name(self, module: str, name: str) -> None:
        text = f"{module}.{name}"
        value, builder = self._names.get(text), self._builders.get(text)
        if value is None and builder is None:
            raise RefusedError(f"the stream names {text[:200]}, but may build {ALLOWED} alone; nothing was executed")
        self._stack.append(_Name(text, value, builder))

    def _on_reduce(self, _: None) -> None:
        arguments, called = self._pop(), self._stack.pop()
        if not isinstance(called, _Name) or called.builder is None or not isinstance(arguments, tuple):
            raise RefusedError("the stream calls what cannot be called")
        self._stack.append(called.builder(*arguments))

    def _on_build(self, _: None) -> None:
        """Attributes of a dictionary, such as the versions of layers in a state dict: they are dropped."""
        self._pop()
        self._top(dict)

    def _on_binpersid(self, _: None) -> None:
        if self._persistent is None:
            raise RefusedError("the stream has a persistent id where none may stand")
        self._stack.append(self._persistent(self._pop()))


def _fill(target: dict[Any, Any], items: list[Any]) -> dict[Any, Any]:
    if len(items) % 2:
        raise RefusedError("the stream has a key without a value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, KEYS):
            raise RefusedError(f"the stream has a {type(key).__name__} as the key of a dict")
        target[key] = value
    return target


def ordered_dict(items: Any = ()) -> OrderedDict[Any, Any]:
    """An OrderedDict of pairs; a builder."""
    found: OrderedDict[Any, Any] = OrderedDict()
    for item in items:
        if not isinstance(item, (list, tuple)) or len(item) != 2:
            raise RefusedError("the stream makes an OrderedDict of what is no pair")
        _fill(found, list(item))
    return found
