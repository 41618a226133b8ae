"""The table of ops: one record per public function, from which tests/test_ops.py makes all its cases.

A family is a module here with a list ``OPS``. To add an op, add its record; test_every_op_has_a_record fails without it.
"""

from __future__ import annotations

import importlib
import pkgutil

from .record import Bad, Op, Sample

__all__ = ["OPS", "Bad", "Op", "Sample"]

OPS: list[Op] = [
    op
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__) if info.name != "record")
    for op in importlib.import_module(f"{__name__}.{module}").OPS
]
