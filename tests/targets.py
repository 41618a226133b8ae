"""Where ops are tested: every ISA of the build and the GPU, with a reason for those that this machine lacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import tilegrad as tg
from tilegrad import _C

BUILT = ("generic", "avx2", "avx512", "neon")
AVAILABLE: tuple[str, ...] = tuple(_C.available_isas())
THREADS = (1, 2, 3, 7)
NEEDS_GPU = pytest.mark.skipif(not tg.cuda.is_available(), reason=tg.cuda.why_not() or "there is a GPU")

ISAS = [
    pytest.param(
        isa,
        id=f"cpu.{isa}",
        marks=() if isa in AVAILABLE else pytest.mark.skip(reason=f"this CPU or build has no {isa}"),
    )
    for isa in BUILT
]
TARGETS = [*ISAS, pytest.param("cuda", id="cuda", marks=NEEDS_GPU)]

_device = "cpu"


def device() -> str:
    """Where the test that runs makes its tensors."""
    return _device


@contextmanager
def running_on(target: str, threads: int | None = None) -> Iterator[None]:
    """Tensors on the GPU, or kernels of one ISA; with a thread count, the smallest launch gets that many threads."""
    global _device
    if target == "cuda":
        # Float32 means float32 here: TF32 has tests of its own.
        precision = tg.get_float32_precision()
        tg.set_float32_precision("highest")
        _device = "cuda"
        try:
            yield
            tg.cuda.synchronize()
        finally:
            _device = "cpu"
            tg.set_float32_precision(precision)
        return
    isa_before, threads_before = _C.isa(), tg.get_num_threads()
    _C.set_isa(target)
    if threads is not None:
        tg.set_num_threads(threads)
        _C.set_work_per_member(0)
    try:
        yield
    finally:
        _C.set_isa(isa_before)
        tg.set_num_threads(threads_before)
        _C.set_work_per_member()
