"""tilegrad: a small, fast and exact deep-learning library."""

from __future__ import annotations

from . import ops
from ._C import (
    ArgumentError,
    AutogradError,
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
    get_num_threads,
    int32,
    int64,
    memory_stats,
    set_num_threads,
    uint8,
)
from ._C import bool as bool_
from ._C import empty_cache
from .autograd import enable_grad, no_grad
from .ops import *
from .tensor import Tensor

tensor = ops.tensor  # the function, not the module of the same name
