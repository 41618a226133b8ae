"""The state of a training in one file: a plain tree, its arrays and checksums."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..errors import CheckpointError
from . import safetensors, tree
from .atomic import write_atomically
from .sealing import check_tensors, seal, unseal

__all__ = ["read_results", "read_state", "write_state"]

VERSION = 1
ENTRY = "tilegrad_state"


def write_state(path: str | os.PathLike[str], state: Mapping[str, Any], results: Mapping[str, float] | None) -> None:
    """Writes a file that holds all of ``state`` or does not appear.

    Raises
    ------
    ArgumentError
        If the state is no plain tree; with the path of what is not. Nothing is written then.
    """
    described, arrays = tree.encode(dict(state))
    shown, _ = tree.encode(None if results is None else {name: float(value) for name, value in results.items()})
    text = seal({"version": VERSION, "state": described, "results": shown}, arrays)
    write_atomically(path, safetensors.layout(arrays, {ENTRY: text}))


def read_state(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The state, after all checksums were found right.

    Raises
    ------
    CheckpointError
        If the file is truncated, damaged or no such file.
    """
    where = os.fspath(path)
    tensors, texts = safetensors.read(path)
    about = _about(texts, where)
    check_tensors(about, tensors, where)
    state = tree.decode(about["state"], tensors, where)
    if not isinstance(state, dict):
        raise CheckpointError(f"{where}: the state is a {type(state).__name__}, expected a dict")
    return state


def read_results(path: str | os.PathLike[str]) -> dict[str, float]:
    """The results that were known when the state was saved; only the head of the file is read and verified."""
    where = os.fspath(path)
    results = tree.decode(_about(safetensors.read_texts(path), where)["results"], {}, where)
    if results is None:
        return {}
    if not isinstance(results, dict) or not all(isinstance(value, float) for value in results.values()):
        raise CheckpointError(f"{where}: the results are not numbers by name")
    return results


def _about(texts: Mapping[str, str], where: str) -> dict[str, Any]:
    if ENTRY not in texts:
        raise CheckpointError(f"{where}: no state of a training: the file has no entry {ENTRY!r}")
    about = unseal(texts[ENTRY], where, "the state", VERSION)
    if "state" not in about or "results" not in about:
        raise CheckpointError(f"{where}: the description of the state lacks 'state' or 'results'")
    return about
