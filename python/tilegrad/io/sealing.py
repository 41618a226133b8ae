"""A description with checksums: of each tensor with its name, dtype and shape, and of the description itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import _C
from ..errors import CheckpointError
from ..tensor import Tensor
from . import safetensors

__all__ = ["as_text", "check_tensors", "seal", "unseal"]

MAX_PARTS = 1 << 19

Arrays = Mapping[str, "Tensor | np.ndarray[Any, Any]"]


def seal(about: Mapping[str, Any], tensors: Arrays) -> str:
    """The JSON text of ``about``, with the checksums that :func:`unseal` and :func:`check_tensors` compare."""
    sums = {name: _digest(name, tensor) for name, tensor in tensors.items()}
    text = as_text({**about, "sha256": sums})
    parts = _parts(text)
    if parts > MAX_PARTS:
        raise _C.ArgumentError(f"save: the description has {parts} texts, lists and objects, allowed are {MAX_PARTS}")
    return as_text({**about, "sha256": sums, "self": hashlib.sha256(text.encode()).hexdigest()})


def unseal(text: str, path: str, what: str, version: int) -> dict[str, Any]:
    """What :func:`seal` was given and the tensors' checksums, if the text is whole and of this ``version``.

    Raises
    ------
    CheckpointError
        Otherwise.
    """
    if _parts(text) > MAX_PARTS + 2:
        raise CheckpointError(f"{path}: the description of {what} has more than {MAX_PARTS} texts, lists and objects")
    try:
        about = json.loads(text)
        digest = about.pop("self")
        right = digest == hashlib.sha256(as_text(about).encode()).hexdigest()
        found, sums = about["version"], about["sha256"]
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: the description of {what} is not readable ({error!r})") from None
    if not right or not isinstance(sums, dict):
        raise CheckpointError(f"{path}: the description of {what} is damaged: its checksum differs")
    if found != version:
        raise CheckpointError(f"{path}: written in layout {found}, this version of tilegrad reads {version}")
    return dict(about)


def check_tensors(about: Mapping[str, Any], tensors: Mapping[str, Tensor], path: str) -> None:
    """Compares tensors with what :func:`unseal` returned.

    Raises
    ------
    CheckpointError
        If some are missing, unexpected or damaged; with their names.
    """
    sums = about["sha256"]
    if set(sums) != set(tensors):
        raise CheckpointError(f"{path}: damaged: tensors {sorted(set(sums) ^ set(tensors))} are not in both lists")
    wrong = [name for name, tensor in tensors.items() if sums[name] != _digest(name, tensor)]
    if wrong:
        raise CheckpointError(f"{path}: damaged: the checksum differs for {', '.join(map(repr, wrong))}")


def _parts(text: str) -> int:
    """About as many as there are objects to be made for them; numbers take less memory than their text."""
    return text.count('"') // 2 + text.count("[") + text.count("{")


def as_text(value: Any) -> str:
    """JSON that is the same for the same value."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, allow_nan=False)


def _digest(name: str, tensor: Tensor | np.ndarray[Any, Any]) -> str:
    digest = hashlib.sha256(f"{name}\0{tensor.dtype.name}\0{list(tensor.shape)}\0".encode())
    digest.update(safetensors.as_bytes(tensor))
    return digest.hexdigest()
