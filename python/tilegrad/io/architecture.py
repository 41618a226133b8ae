"""A module as JSON: the registered kinds and their arguments, and back.

A module is ``{"kind": name, "arguments": [...], "named": {...}}``, or ``{"same": n}`` for the n-th module again, where
a layer is used twice. Arguments are JSON's own values; what JSON lacks is an object with one key: ``tuple``, ``dict``,
``dtype``, ``float`` and ``module``.
"""

from __future__ import annotations

import math
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _C, models  # noqa: F401 - its classes are kinds too
from ..errors import CheckpointError
from ..nn.registry import kind_of, kinds

if TYPE_CHECKING:
    from ..nn.module import Module

__all__ = ["NotDescribableError", "change", "changed", "decode", "encode"]

MAX_DEPTH = 64


class NotDescribableError(Exception):
    """A module that only its own code can make."""


def encode(module: Module) -> Any:
    """The JSON value for a module.

    Raises
    ------
    NotDescribableError
        If a class is not registered or an argument has no JSON form.
    """
    return _encode_module(module, {}, 0)


def _encode_module(module: Module, known: dict[int, int], depth: int) -> Any:
    if id(module) in known:
        return {"same": known[id(module)]}
    if depth > MAX_DEPTH:
        raise NotDescribableError(f"modules are nested deeper than {MAX_DEPTH}")
    kind = kind_of(module)
    name = type(module).__name__
    if kind is None:
        raise NotDescribableError(f"class {name} is not registered (@nn.register)")
    known[id(module)] = len(known)
    given = module.config()
    return {
        "kind": kind,
        "arguments": [_encode(value, known, depth, name) for value in given.positional],
        "named": {key: _encode(value, known, depth, name) for key, value in given.named.items()},
    }


def _encode(value: Any, known: dict[int, int], depth: int, owner: str) -> Any:
    from ..nn.module import Module

    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Module):
        return {"module": _encode_module(value, known, depth + 1)}
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, _C.DType):
        return {"dtype": value.name}
    if depth > MAX_DEPTH:
        raise NotDescribableError(f"arguments of {owner} are nested deeper than {MAX_DEPTH}")
    if isinstance(value, (list, tuple)):
        items = [_encode(item, known, depth + 1, owner) for item in value]
        return items if isinstance(value, list) else {"tuple": items}
    if isinstance(value, dict):
        return {"dict": [[_encode(part, known, depth + 1, owner) for part in item] for item in value.items()]}
    raise NotDescribableError(f"an argument of {owner} is a {type(value).__name__}, which has no JSON form")


def changed(model: Module) -> dict[str, dict[str, Any]]:
    """Attributes that were set since their modules were made (``model[0].stride = 1``), by path and name.

    These are the plain ones that are called like an argument of the constructor and do not hold it. A constructor may
    have put something else there itself, and will again.
    """
    found: dict[str, dict[str, Any]] = {}
    for path, module in model.named_modules():
        given, attributes = module.config(), vars(module)
        for position, argument in enumerate(list(signature(type(module).__init__).parameters.values())[1:]):
            name = argument.name
            if argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD) or name not in attributes:
                continue
            value = given.named.get(name, argument.default)
            if position < len(given.positional):
                value = given.positional[position]
            if _is_plain(attributes[name]) and not _holds(attributes[name], value):
                found.setdefault(path, {})[name] = _encode(attributes[name], {}, 0, type(module).__name__)
    return found


def change(model: Module, attributes: Any) -> None:
    """Set what :func:`changed` found, wherever the constructor has not."""
    modules = dict(model.named_modules())
    if not isinstance(attributes, dict) or not set(attributes) <= set(modules):
        raise CheckpointError("the architecture lacks layers whose attributes it changes")
    for path, values in attributes.items():
        known = set(signature(type(modules[path]).__init__).parameters) & set(vars(modules[path]))
        if not isinstance(values, dict) or not set(values) <= known:
            raise CheckpointError(f"the architecture changes what is no attribute of {path!r}: {_short(values)}")
        for name, described in values.items():
            value = _decode(described, [], 0)
            if not _is_plain(value):
                raise CheckpointError(f"the architecture has {_short(described)} where a plain value was expected")
            if not _holds(getattr(modules[path], name), value):
                setattr(modules[path], name, value)


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str, np.generic))


def _holds(attribute: Any, argument: Any) -> bool:
    """Whether it is the argument, or that for each axis, or nothing where False was given: layers make (2, 2) of 2."""
    if attribute is None and argument is False:  # bias=False
        return True
    if isinstance(attribute, (list, tuple)):
        each = argument if isinstance(argument, (list, tuple)) else [argument] * len(attribute)
        return len(each) == len(attribute) and all(map(_holds, attribute, each))
    return attribute is argument or (_is_plain(attribute) and _is_plain(argument) and attribute == argument)


def decode(description: Any) -> Module:
    """The module for a JSON value.

    Raises
    ------
    CheckpointError
        If the value is not such a description, or names a kind that the running program has not registered.
    """
    return _decode_module(description, [], 0)


def _decode_module(found: Any, known: list[Any], depth: int) -> Module:
    if depth > MAX_DEPTH:
        raise CheckpointError(f"the architecture is nested deeper than {MAX_DEPTH}")
    if isinstance(found, dict) and set(found) == {"same"}:
        position = found["same"]
        if type(position) is not int or not 0 <= position < len(known) or known[position] is None:
            raise CheckpointError(f"the architecture refers to module {position!r}, which does not come before")
        same: Module = known[position]
        return same
    if not isinstance(found, dict) or set(found) != {"kind", "arguments", "named"}:
        raise CheckpointError(f"the architecture has {_short(found)} where a module was expected")
    kind, arguments, named = found["kind"], found["arguments"], found["named"]
    if not isinstance(kind, str) or not isinstance(arguments, list) or not isinstance(named, dict):
        raise CheckpointError(f"the architecture has {_short(found)} where a module was expected")
    if kind not in kinds:
        from .. import models  # noqa: F401 registers the library's networks
    if kind not in kinds:
        raise CheckpointError(
            f"the architecture names the kind {kind!r}, which this program has not registered; import the module that "
            "defines it first, or fill a model of your own: tg.load(path, into=model)"
        )
    position = len(known)
    known.append(None)  # its number comes before those of the modules inside
    positional = [_decode(value, known, depth) for value in arguments]
    keywords = {key: _decode(value, known, depth) for key, value in named.items()}
    try:
        module = kinds[kind](*positional, **keywords)
    except CheckpointError:
        raise
    except Exception as error:
        raise CheckpointError(f"the architecture's {kind} cannot be made from its arguments: {error}") from error
    known[position] = module
    return module


def _decode(value: Any, known: list[Any], depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise CheckpointError(f"the architecture is nested deeper than {MAX_DEPTH}")
    if isinstance(value, list):
        return [_decode(item, known, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((tag, inside),) = value.items()
        if tag == "module":
            return _decode_module(inside, known, depth + 1)
        if tag == "tuple" and isinstance(inside, list):
            return tuple(_decode(item, known, depth + 1) for item in inside)
        if tag == "dict" and isinstance(inside, list) and all(isinstance(i, list) and len(i) == 2 for i in inside):
            pairs = [[_decode(part, known, depth + 1) for part in item] for item in inside]
            if all(isinstance(key, (str, int, float)) for key, _ in pairs):
                return dict(pairs)
        if tag == "dtype" and inside in (
            "float32",
            "float64",
            "bfloat16",
            "float16",
            "int64",
            "int32",
            "uint8",
            "bool",
        ):
            return _C.dtype(inside)
        if tag == "float" and inside in ("inf", "-inf", "nan"):
            return float(inside)
    raise CheckpointError(f"the architecture has {_short(value)} where an argument was expected")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
