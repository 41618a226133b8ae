"""tilegrad: a small, fast and exact deep-learning library.

Tensors and their functions are here: :func:`tensor`, :func:`zeros`, :func:`matmul`, :func:`conv2d` and so on;
``help(tg.matmul)`` tells of one, ``dir(tg)`` lists them all. Beside them are

===============  ================================================================================
``nn``           layers, losses as layers, initialisers, :class:`~tilegrad.nn.Module`
``optim``        optimizers and schedules
``data``         data sets, loaders, transforms
``train``        the trainer, its callbacks and metrics
``models``       networks that are known by name
``inspect``      what a model does while it learns, figures, the doctor
``io``           model files, and weights from PyTorch and Keras; :func:`save` and :func:`load` are here too
``sklearn``      estimators for scikit-learn
``distributed``  training on several processes
``cuda``         the GPU
===============  ================================================================================

Examples
--------
>>> import tilegrad as tg
>>> w = tg.tensor([1.0, 2.0], requires_grad=True)
>>> loss = tg.square(w).sum()
>>> loss.backward()
>>> w.grad
tensor([2., 4.])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# NumPy comes in from here, not from a module that another one imports: deep in a chain of imports its own calls lie
# on the edge of the interpreter's stack of frames, which then takes and returns memory for each: 15 ms.
import numpy as _numpy

# A name that is imported as itself is one of ours: type checkers let users have it.
from . import cuda as cuda, ops as ops
from ._C import (
    ArgumentError as ArgumentError,
    AutogradError as AutogradError,
    CaptureError as CaptureError,
    DeviceError as DeviceError,
    DType as DType,
    DTypeError as DTypeError,
    OutOfRangeError as OutOfRangeError,
    ShapeError as ShapeError,
    TilegradError as TilegradError,
    bfloat16 as bfloat16,
    float16 as float16,
    float32 as float32,
    float64 as float64,
    int32 as int32,
    int64 as int64,
    uint8 as uint8,
)
from ._C import bool as bool_
from ._version import __version__ as __version__
from .mixed_precision import autocast as autocast
from .autograd import enable_grad as enable_grad, grad as grad, no_grad as no_grad
from .capture import capture as capture
from .gradcheck import GradientError as GradientError, gradcheck as gradcheck
from .config import *
from .inference import compile_for_inference as compile_for_inference
from .ops import *
from .profiling import profile as profile
from .random import *
from .tensor import Tensor as Tensor

from .errors import (
    CheckpointError as CheckpointError,
    CheckpointWarning as CheckpointWarning,
    DataError as DataError,
    DistributedError as DistributedError,
    FolderInUseError as FolderInUseError,
    MissingExtraError as MissingExtraError,
    OnnxError as OnnxError,
    StateDictError as StateDictError,
)

if TYPE_CHECKING:
    from . import data as data, distributed as distributed, inspect as inspect, io as io, models as models
    from . import nn as nn, optim as optim, sklearn as sklearn, train as train
    from .io import load as load, save as save

tensor = ops.tensor  # the function, not the module of the same name

# Modules that not every program needs.
_LATER = ("data", "distributed", "inspect", "io", "models", "nn", "optim", "sklearn", "train")


def __getattr__(name: str) -> Any:
    """Imports what is in ``_LATER`` when it is first used."""
    from importlib import import_module

    if name in _LATER:
        return import_module(f".{name}", __name__)
    if name in ("load", "save"):
        return getattr(import_module(".io", __name__), name)
    raise AttributeError(f"module 'tilegrad' has no attribute {name!r}", name=name, obj=import_module(__name__))


def __dir__() -> list[str]:
    """What is here for users: also what is imported later, but not the modules that the functions are kept in."""
    from types import ModuleType

    here = {name for name, value in globals().items() if not isinstance(value, ModuleType)}
    return sorted(
        (here - {"Any", "TYPE_CHECKING", "annotations"}) | {*_LATER, "autograd", "cuda", "load", "ops", "save"}
    )
