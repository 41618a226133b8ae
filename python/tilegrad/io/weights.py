"""Weights that PyTorch or Keras has trained, into a model of ours."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import _C, nn, ops
from ..errors import CheckpointError, DataError, StateDictError
from ..nn.module import Module
from ..nn.state import Incompatible, _about
from ..tensor import Tensor
from . import safetensors
from .flattened import Image, find_flattened, in_our_order
from .layouts import KERAS, TORCH, Entry, Part, entry_of, own_tensors
from .torch_checkpoint import read_torch_checkpoint

__all__ = ["load_keras", "load_torch"]

Rename = Mapping[str, str] | Callable[[str], str]


def load_torch(
    source: str | os.PathLike[str] | Mapping[str, Any],
    into: Module,
    *,
    strict: bool = True,
    skip: Sequence[str] = (),
    rename: Rename | None = None,
    key: str | None = None,
    cast: bool = False,
    input_shape: Sequence[int] | None = None,
    flattened: Mapping[str, Image] | None = None,
) -> Incompatible:
    """Copy the weights of a PyTorch model into a model of ours, whose layers have the same names.

    Filters and dense weights are turned into our layouts, and the rows of a dense layer behind a flattened image are
    put in the order of [H, W, C]. The models of :mod:`tilegrad.models` have torchvision's names.

    Parameters
    ----------
    source
        A safetensors file; a file of ``torch.save``, which :func:`read_torch_checkpoint` reads without PyTorch; or a
        state dict of tensors, ours or PyTorch's, or NumPy arrays.
    into
        The model; built.
    strict
        Whether both sides must have the same entries; otherwise those on both sides are loaded.
    skip
        Paths of layers, or of what holds them, that are to stay as they are, such as a head for other classes.
    rename
        From names of theirs to ours: a dictionary from the beginnings of names, up to a dot, or a function.
    key
        Where the state dict stands in a checkpoint that holds more, such as ``"state_dict"``.
    cast
        Whether floating numbers of another dtype are converted to the model's.
    input_shape
        The shape of one sample, [H, W, C]: tells what a ``Flatten`` flattens. By default that of the model's
        preprocessing.
    flattened
        Instead: the [H, W, C] that is flattened before a dense layer, by the layer's path.

    Returns
    -------
    Incompatible
        Names that ``source`` lacks (``missing``) and that the model lacks (``unexpected``), in PyTorch's words.

    Raises
    ------
    StateDictError
        With every entry that is missing, unexpected, or of another shape or dtype; nothing has been changed then.
    CheckpointError
        If a file cannot be read.
    ArgumentError
        If the model has a ``Flatten`` and there is no ``input_shape``, or ``key`` is needed.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> model = tg.nn.Sequential(tg.nn.Linear(3, 2))
    >>> state = {"0.weight": np.float32([[1, 2, 3], [4, 5, 6]]), "0.bias": np.float32([0, 0])}
    >>> tg.io.load_torch(state, into=model)
    Incompatible(missing=[], unexpected=[])
    >>> model[0].weight.detach()
    tensor([[1., 4.],
            [2., 5.],
            [3., 6.]])
    """
    entries = _renamed(_entries("load_torch", source, key, _read_torch_file), rename)
    entries = _renamed(entries, lambda name: OLD_DENSENET.sub(r"\1\2.", name))
    images = dict(flattened) if flattened is not None else _images(into, input_shape)
    return _load("load_torch", entries, into, TORCH, images, strict, skip, cast)


def load_keras(
    source: str | os.PathLike[str] | Mapping[str, Any],
    into: Module,
    *,
    strict: bool = True,
    skip: Sequence[str] = (),
    rename: Rename | None = None,
    cast: bool = False,
) -> Incompatible:
    """Copy the weights of a Keras model into a model of ours.

    Layouts are the same but for depthwise filters and the order of a GRU's gates; names are turned: ``conv1/kernel:0``
    is the weight of ``conv1``, and ``gamma``, ``beta``, ``moving_mean``, ``moving_variance`` those of a normalisation.

    Parameters
    ----------
    source
        A safetensors or ``.npz`` file, or a dictionary of arrays: ``{w.path: w.numpy() for w in model.weights}``.
    into
        The model; built.
    strict, skip, rename, cast
        As for :func:`load_torch`; ``rename`` sees names with dots in place of slashes: ``conv1.kernel``.

    Returns
    -------
    Incompatible
        Names that ``source`` lacks (``missing``) and that the model lacks (``unexpected``), in Keras's words.

    Raises
    ------
    StateDictError
        With every entry that is missing, unexpected, or of another shape or dtype; nothing has been changed then.
    CheckpointError
        If a file cannot be read.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> model = tg.nn.Sequential(tg.nn.Linear(2, 1))
    >>> arrays = {"dense/kernel:0": np.float32([[1], [2]]), "dense/bias:0": np.float32([3])}
    >>> tg.io.load_keras(arrays, into=model, rename={"dense": "0"})
    Incompatible(missing=[], unexpected=[])
    >>> model(tg.ones((1, 2))).detach()
    tensor([[6.]])
    """
    entries = _entries("load_keras", source, None, _read_arrays)
    entries = _renamed(entries, lambda name: re.sub(r":0$", "", name).replace("/", "."))
    return _load("load_keras", _renamed(entries, rename), into, KERAS, {}, strict, skip, cast)


# torchvision's first files of DenseNet have "denselayer1.norm.1.weight" where its modules have "denselayer1.norm1".
OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")


# The entries of a source.


def _entries(caller: str, source: Any, key: str | None, read: Callable[[Any], Any]) -> Mapping[str, Any]:
    found = read(source) if isinstance(source, (str, os.PathLike)) else source
    if key is not None:
        if not isinstance(found, Mapping) or key not in found:
            raise _C.ArgumentError(f"{caller}: the source has no entry {key!r}{_choices(found)}")
        found = found[key]
    if not isinstance(found, Mapping):
        raise _C.ArgumentError(f"{caller}: expected a state dict or a file of one, found {type(found).__name__}")
    inside = [name for name, value in found.items() if isinstance(value, Mapping)]
    if inside:
        raise _C.ArgumentError(
            f"{caller}: the source holds more than a state dict{_choices(found)}; say which entry is the state dict: "
            f"key={inside[0]!r}"
        )
    return found


def _choices(found: Any) -> str:
    return f": it has {', '.join(map(repr, list(found)[:10]))}" if isinstance(found, Mapping) else ""


def _read_torch_file(path: str | os.PathLike[str]) -> Any:
    with open(path, "rb") as file:
        start = file.read(9)
    if start[8:] == b"{":
        return safetensors.read(path)[0]
    return read_torch_checkpoint(path)


def _read_arrays(path: str | os.PathLike[str]) -> Any:
    from ..data.readers.npz import read_npz  # where such a file is read, not before

    with open(path, "rb") as file:
        start = file.read(2)
    if start != b"PK":
        return safetensors.read(path)[0]
    try:
        return read_npz(path)
    except DataError as error:
        raise CheckpointError(f"the archive is damaged or holds no plain arrays: {error}") from None


def _renamed(entries: Mapping[str, Any], rename: Rename | None) -> dict[str, Any]:
    new: dict[str, Any] = {}
    for name, value in entries.items():
        called = _rename(str(name), rename)
        if called in new:
            raise _C.ArgumentError(f"rename: two entries come to be called {called!r}")
        new[called] = value
    return new


def _rename(name: str, rename: Rename | None) -> str:
    if rename is None:
        return name
    if not isinstance(rename, Mapping):
        return rename(name)
    fitting = [old for old in rename if name == old or name.startswith(old + ".")]
    if not fitting:
        return name
    old = max(fitting, key=len)
    return (rename[old] + name[len(old) :]).removeprefix(".")


def _as_tensor(value: Any) -> Tensor | None:
    """Ours, or None for what is no tensor that we could hold."""
    if isinstance(value, Tensor):
        return value.detach()
    try:
        if isinstance(value, (np.ndarray, np.generic)):
            return ops.tensor(value)
        return ops.from_dlpack(value.detach() if hasattr(value, "detach") else value)
    except (_C.TilegradError, TypeError, AttributeError, BufferError, RuntimeError):
        return None


def _images(model: Module, input_shape: Sequence[int] | None) -> dict[str, Image]:
    if not any(isinstance(module, nn.Flatten) for module in model.modules()):
        return {}
    preprocessing = getattr(model, "preprocessing", None)
    if input_shape is None and preprocessing is not None:
        input_shape = (*preprocessing.size, len(preprocessing.mean))
    if input_shape is None:
        raise _C.ArgumentError(
            "load_torch: the model has a Flatten; give input_shape=, the shape of one sample, such as (28, 28, 1), so "
            "that the rows of the dense layer behind it can be put in our order"
        )
    return find_flattened(model, input_shape)


# From entries to parameters.


class _Copy(NamedTuple):
    target: Tensor
    part: Part
    sources: list[Tensor]
    image: Image | None


def _load(
    caller: str,
    entries: Mapping[str, Any],
    model: Module,
    table: Mapping[type[Module], Entry],
    images: Mapping[str, Image],
    strict: bool,
    skip: Sequence[str],
    cast: bool,
) -> Incompatible:
    model.state_dict()  # raises where sizes are not known yet
    layers = dict(model.named_modules())
    for path in (*skip, *images):
        if path not in layers:
            raise _C.ArgumentError(f"{caller}: {path!r}, of skip or flattened, is not a layer of the model")
    for path, image in images.items():
        rows = next((tensor.shape[0] for _, tensor in own_tensors(layers[path]) if tensor.ndim), 0)
        if len(image) != 3 or math.prod(image) != rows:
            raise _C.ArgumentError(
                f"{caller}: {path} has {rows} rows, which an image {list(image)} does not flatten to"
            )
    copies: list[_Copy] = []
    missing: list[str] = []
    problems: list[str] = []
    used: set[str] = set()
    for path, layer in model.named_modules():
        if not own_tensors(layer) or any(_within(path, skipped) for skipped in skip):
            continue
        entry = entry_of(table, layer)
        parts = entry.parts(layer)
        used.update(_join(path, name) for name in entry.ignored)
        for name, target in own_tensors(layer):
            part = parts.get(name, Part((name,)))
            sources = []
            for alternatives in part.sources:
                names = [_join(path, found) for found in alternatives.split("|")]
                source = next((found for found in names if found in entries), None)
                if source is None:
                    missing.append(names[0])
                    if strict:
                        problems.append(f"missing: {names[0]} {target.dtype.name} {_shapes(part, target)}")
                    continue
                used.add(source)
                tensor = _as_tensor(entries[source])
                problem = _problem(tensor, entries[source], part, target, cast)
                if problem:
                    problems.append(f"{problem[0]}: {source} {problem[1]}")
                elif tensor is not None:
                    sources.append(tensor)
            if len(sources) == len(part.sources):
                is_output = name == "bias" and isinstance(layer, nn.Linear)
                copies.append(_Copy(target, part, sources, None if is_output else images.get(path)))
    unexpected = [name for name in entries if name not in used and not any(_within(name, path) for path in skip)]
    if strict:
        problems += [f"unexpected: {name} {_about(entries[name])}" for name in unexpected]
    if problems:
        raise StateDictError(
            "\n    ".join([f"{caller}: the weights do not fit this {type(model).__name__}:", *problems])
        )
    for copy in copies:
        ours = copy.part.convert(*[source.astype(copy.target.dtype) for source in copy.sources])
        _C.copy_into(ours if copy.image is None else in_our_order(ours, copy.image), copy.target.detach())
    return Incompatible(missing, unexpected)


def _problem(tensor: Tensor | None, given: Any, part: Part, target: Tensor, cast: bool) -> tuple[str, str] | None:
    expected = f"expected {target.dtype.name} {_shapes(part, target)}"
    if tensor is None:
        return "mistyped", f"{_about(given)}, {expected}"
    if tensor.shape not in part.shapes(target.shape):
        return "misshaped", f"{_about(tensor)}, {expected}"
    if tensor.dtype != target.dtype and not (cast and tensor.dtype.is_floating and target.dtype.is_floating):
        hint = "; cast=True converts it" if tensor.dtype.is_floating and target.dtype.is_floating else ""
        return "mistyped", f"{_about(tensor)}, {expected}{hint}"
    return None


def _shapes(part: Part, target: Tensor) -> str:
    return " or ".join(str(list(shape)) for shape in part.shapes(target.shape))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _within(name: str, path: str) -> bool:
    return name == path or name.startswith(f"{path}.")
