"""Errors of the layers, the data and the files; those of tensors and ops are native."""

from __future__ import annotations

import importlib
from types import ModuleType

from ._C import TilegradError

__all__ = [
    "CheckpointError",
    "CheckpointWarning",
    "DataError",
    "DistributedError",
    "FolderInUseError",
    "MissingExtraError",
    "OnnxError",
    "StateDictError",
    "require",
]


class StateDictError(TilegradError, ValueError):
    """A state dict that does not fit the module; the message lists every entry that does not."""


class CheckpointError(TilegradError, ValueError):
    """A model file that cannot be read: damaged, of unknown content, or not ours."""


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written, or a damaged one is passed over; training goes on."""


class FolderInUseError(TilegradError, RuntimeError):
    """Another run works in the folder; the message says which."""


class DataError(TilegradError, ValueError):
    """A data set that cannot be read: damaged, truncated, or not what its name says."""


class DistributedError(TilegradError, RuntimeError):
    """The processes of a job do not fit together: they are at different places, or their launcher is of another MPI."""


class MissingExtraError(TilegradError, ImportError):
    """A package that an optional feature needs is not installed; the message names the extra that brings it."""


class OnnxError(TilegradError, ValueError):
    """A model that ONNX cannot hold, or an ONNX file that is damaged or holds what cannot be computed here."""


def require(package: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional package.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingExtraError(
            f'{purpose} needs the package {package!r}, which is not installed: pip install "tilegrad[{extra}]"'
        ) from error
