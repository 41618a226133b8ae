"""tilegrad: a small, fast and exact deep-learning library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# NumPy comes in from here, not from a module that another one imports: deep in a chain of imports its own calls lie
# on the edge of the interpreter's stack of frames, which then takes and returns memory for each: 15 ms.
import numpy as _numpy

from . import cuda, ops
from ._C import (
    ArgumentError,
    AutogradError,
    CaptureError,
    DeviceError,
    DType,
    DTypeError,
    OutOfRangeError,
    ShapeError,
    TilegradError,
    bfloat16,
    float16,
    float32,
    float64,
    int32,
    int64,
    uint8,
)
from ._C import bool as bool_
from ._version import __version__
from .mixed_precision import autocast
from .autograd import enable_grad, grad, no_grad
from .capture import capture
from .gradcheck import GradientError, gradcheck
from .config import *
from .inference import compile_for_inference
from .ops import *
from .profiling import profile
from .random import *
from .tensor import Tensor

from .errors import (
    CheckpointError,
    CheckpointWarning,
    DataError,
    FolderInUseError,
    MissingExtraError,
    StateDictError,
)

if TYPE_CHECKING:
    from . import data, inspect, io, models, nn, optim, sklearn, train
    from .io import load, save

tensor = ops.tensor  # the function, not the module of the same name


def __getattr__(name: str) -> Any:
    """Modules that not every program needs are imported when they are first used."""
    from importlib import import_module

    if name in ("data", "inspect", "io", "models", "nn", "optim", "sklearn", "train"):
        return import_module(f".{name}", __name__)
    if name in ("load", "save"):
        return getattr(import_module(".io", __name__), name)
    raise AttributeError(f"module 'tilegrad' has no attribute {name!r}")
