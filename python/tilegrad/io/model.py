"""``tg.save`` and ``tg.load``: a model in one file, without pickle.

The texts of the safetensors file hold one entry, ``tilegrad``: a JSON object with the version of this layout, the
architecture (or why there is none), the sizes of layers inside that were inferred, attributes that were set since the
layers were made, whether it was training, and a SHA-256 of each tensor with its name, dtype and shape, and of that
object itself.
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, overload

from .. import _C
from ..errors import CheckpointError
from ..random import default_generator
from . import architecture, safetensors
from .atomic import write_atomically
from .safetensors import name_of
from .sealing import check_tensors, seal, unseal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..nn.module import Module
    from ..tensor import Tensor

__all__ = ["load", "save"]

M = TypeVar("M", bound="Module")
Path = str | os.PathLike[str]
VERSION = 1


def save(model: Module, path: Path | BinaryIO) -> None:
    """Write a model to a file: weights, buffers, architecture and checksums.

    The path holds the old file or the new one at any time, whole; the same model gives the same bytes.

    Parameters
    ----------
    model
        Any module. Where all its classes are registered (the library's own are; see :func:`tilegrad.nn.register`),
        :func:`load` makes the model again; otherwise only the weights are saved, with a warning, and
        ``tg.load(path, into=model)`` fills them into a model made by your code.
    path
        By convention ``*.safetensors``; or a file that is open for writing bytes, such as an ``io.BytesIO``, which
        gets the same bytes where it stands.

    Examples
    --------
    >>> import os, tempfile, tilegrad as tg
    >>> model = tg.nn.Sequential(tg.nn.Linear(2, 1))
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> tg.save(model, path)
    >>> tg.load(path)
    Sequential(
        Linear(2, 1),
    )
    """
    from ..nn.module import Module

    if not isinstance(model, Module):
        raise _C.ArgumentError(f"save: expected a module, found {type(model).__name__}")
    tensors = model.state_dict()
    about: dict[str, Any] = {"version": VERSION, "training": model.training}
    try:
        about["architecture"] = architecture.encode(model)
        about["inferred"] = _inferred_inside(model)
        changed = architecture.changed(model)
        if changed:
            about["changed"] = changed
    except architecture.NotDescribableError as error:
        about["weights_only"] = str(error)
        warnings.warn(
            f"save: only the weights are saved, because {error}; tg.load({name_of(path)!r}, into=model) fills them",
            stacklevel=2,
        )
    content = safetensors.layout(tensors, {"tilegrad": seal(about, tensors)})
    if isinstance(path, (str, os.PathLike)):
        write_atomically(path, content)
    else:
        for chunk in content:
            path.write(chunk)


@overload
def load(path: Path | BinaryIO) -> Module: ...
@overload
def load(path: Path | BinaryIO, into: M) -> M: ...
def load(path: Path | BinaryIO, into: Module | None = None) -> Module:
    """Read a model that :func:`save` has written.

    Parameters
    ----------
    path
        The file, or one that is open for reading bytes; for ``into`` also any safetensors file with the model's names,
        shapes and dtypes.
    into
        A model to copy the weights into, instead of making one from the file's architecture.

    Returns
    -------
    Module
        ``into`` itself, in training or evaluation as it was; or a new model on the CPU, of the dtypes and in the mode
        that it was saved in. Nothing is drawn from the random generator.

    Raises
    ------
    CheckpointError
        If the file is truncated, damaged (naming the tensor), not such a file, or names kinds of layers that the
        running program has not registered.
    StateDictError
        If the weights do not fit ``into``, with every entry that does not; nothing has been changed then.
    ArgumentError
        If ``into`` is no module.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.save(tg.nn.Linear(2, 3), "linear.safetensors")
    >>> tg.load("linear.safetensors")
    Linear(2, 3)
    >>> filled = tg.load("linear.safetensors", into=tg.nn.Linear(2, 3))
    """
    from ..nn.module import Module

    if into is not None and not isinstance(into, Module):
        raise _C.ArgumentError(f"load: into must be a module, found {type(into).__name__}")
    tensors, texts = safetensors.read(path)
    name = name_of(path)
    about: dict[str, Any] = {}
    if "tilegrad" in texts:
        about = unseal(texts["tilegrad"], name, "the model", VERSION)
        check_tensors(about, tensors, name)
    if into is not None:
        into.load_state_dict(tensors)
        return into
    if "architecture" not in about:
        why = about.get("weights_only", "it was not written by tg.save")
        raise CheckpointError(
            f"{name}: the file holds weights only ({why}); make the model and fill it: tg.load(path, into=model)"
        )
    drawn = default_generator.state()  # the first weights are replaced: nothing was drawn
    try:
        model = architecture.decode(about["architecture"])
        _infer_inside(model, about["inferred"])
        architecture.change(model, about.get("changed", {}))
        _convert(model, tensors)
        model.load_state_dict(tensors)
        model.train(bool(about["training"]))
    except (_C.TilegradError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{name}: {error}") from error
    finally:
        default_generator.set_state(drawn)
    return model


def _convert(model: Module, tensors: Mapping[str, Tensor]) -> None:
    """Give floating parameters and buffers the dtypes of the file: the constructors make float32."""
    dtypes = {
        id(own): tensors[name].dtype
        for name, own in (*model.named_parameters(), *model.named_buffers())
        if name in tensors and own.dtype.is_floating and tensors[name].dtype.is_floating
    }
    model._replace_tensors(
        lambda own: own.detach().astype(dtypes[id(own)]) if dtypes.get(id(own), own.dtype) != own.dtype else own
    )


def _inferred_inside(model: Module) -> dict[str, dict[str, int]]:
    """Sizes that layers found out for themselves, by path: their owner's constructor makes them without."""
    return {path: dict(module._inferred) for path, module in model.named_modules() if module._inferred}


def _infer_inside(model: Module, inferred: Any) -> None:
    modules = dict(model.named_modules())
    if not isinstance(inferred, dict) or not set(inferred) <= set(modules):
        raise CheckpointError("the architecture lacks layers whose sizes it gives")
    for path, sizes in inferred.items():
        if modules[path]._unbuilt:
            modules[path]._infer(**sizes)
